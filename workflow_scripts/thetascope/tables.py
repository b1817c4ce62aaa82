"""From scores per item to tables over θ, with bootstrap intervals.

Intervals are percentile bootstrap (Efron & Tibshirani 1993): items are drawn with replacement
within seeds, the same items for every seed, and seeds too where there are several. The draws depend
on the number of items and seeds alone, so all angles, models and metrics of a run see the same
items: their curves are paired. With one item and one seed there is nothing to draw and the interval
has no width; look at `n_items`. Items are drawn one by one, so where several share a case the
intervals are narrower than new cases would make them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thetascope.angles import is_fixed
from thetascope.provenance import read_csv

RUN = ["dataset", "view", "encoder", "method"]
ANGLES = ["angle", "eval_angle"]
SCORE = ["model", "orientation", "map", "metric"]

Array = NDArray[np.float64]

log = logging.getLogger(__name__)


# -- merging ---------------------------------------------------------------------------------------


def _merge(
    frames: Sequence[pd.DataFrame], wildcards: Sequence[Mapping[str, object]]
) -> pd.DataFrame:
    """Put each frame's wildcards in front of its columns, stack all, sort by the wildcards."""
    keys = list(dict.fromkeys(key for names in wildcards for key in names))
    parts = [
        pd.DataFrame({key: str(names.get(key, "")) for key in keys}, frame.index).join(frame)
        for frame, names in zip(frames, wildcards, strict=True)
    ]
    return pd.concat(parts).sort_values(keys, kind="stable", ignore_index=True)


def per_item(
    paths: Sequence[str | Path], wildcards: Sequence[Mapping[str, object]]
) -> pd.DataFrame:
    """Merge files of scores per item (`dice.csv` or `segmentation.csv`).

    Parameters
    ----------
    paths : sequence of path
        Files of one kind.
    wildcards : sequence of mapping
        For each file its wildcards, which become the first columns, as text.

    Returns
    -------
    DataFrame
        All rows of all files, sorted by the wildcards.
    """
    return _merge([read_csv(path) for path in paths], wildcards)


def segmentation_scores(per_item: pd.DataFrame) -> pd.DataFrame:
    """Segmentation Dice as scores like those of maps, so that its curves are treated alike.

    Parameters
    ----------
    per_item : DataFrame
        Of `segmentation.csv` files, as `per_item` merges them.

    Returns
    -------
    DataFrame
        Runs at an angle in degrees, with the columns of merged `dice.csv` files: `model` finetuned,
        `orientation` original, `map` segmentation, `metric` `dice_class_{class}`, and with several
        classes `dice_macro`, the mean over those that the item has; `null` is the baseline.
    """
    fixed = per_item[per_item["angle"].map(is_fixed)]
    keys = [*RUN, "angle", "seed", "item", "case"]
    scores = fixed.assign(metric="dice_class_" + fixed["class"].astype(str))
    if fixed["class"].nunique() > 1:
        macro = fixed.groupby(keys)[["dice", "baseline"]].mean().reset_index()
        scores = pd.concat([scores, macro.assign(metric="dice_macro")])
    scores = scores.rename(columns={"dice": "value", "baseline": "null"})
    constants = {"model": "finetuned", "orientation": "original", "map": "segmentation"}
    scores = scores.assign(eval_angle=scores["angle"], **constants)
    return scores[[*keys, "eval_angle", *SCORE, "value", "null"]]


def training_table(
    stages: Mapping[str, Sequence[str | Path]], wildcards: Sequence[Mapping[str, object]]
) -> pd.DataFrame:
    """Merge what was written of every epoch.

    Parameters
    ----------
    stages : mapping of str to sequence of path
        Stage (`pretrain`, `finetune`) → its file of every run.
    wildcards : sequence of mapping
        Of the runs.

    Returns
    -------
    DataFrame
        One row per run, stage and epoch: the wildcards, `stage`, `epoch`, then what the stages
        write, NaN in the columns of the other stage.
    """
    parts = [per_item(paths, wildcards).assign(stage=stage) for stage, paths in stages.items()]
    table = pd.concat(parts, ignore_index=True)
    return table[list(dict.fromkeys([*wildcards[0], "stage", "epoch", *table.columns]))]


def benchmarks_table(
    paths: Sequence[str | Path], wildcards: Sequence[Mapping[str, object]]
) -> pd.DataFrame:
    """Merge what jobs took (see `job.job`).

    Parameters
    ----------
    paths : sequence of path
        Benchmark files, tab-separated.
    wildcards : sequence of mapping
        For each file what tells it apart (`rule`, `dataset`, …), not the same keys for all.

    Returns
    -------
    DataFrame
        First the wildcards, empty where a file has none of that name, then `s`, `cpu_time`,
        `cpu_start` (seconds) and `max_rss` (MB). Sorted by the wildcards.
    """
    return _merge([pd.read_csv(path, sep="\t") for path in paths], wildcards)


# -- bootstrap -------------------------------------------------------------------------------------


def cube(rows: pd.DataFrame, by: list[str], column: str) -> tuple[pd.Index, Array]:
    """Arrange one column by cell, seed and item.

    Parameters
    ----------
    rows : DataFrame
        Scores per item, with `seed`, `item`, the columns of `by`, and `column`.
    by : list of str
        Columns whose values tell cells apart.
    column : str
        What to arrange.

    Returns
    -------
    Index
        The cells, sorted.
    ndarray
        Float [cells, seeds, items], NaN where there is no row.

    Raises
    ------
    ValueError
        If two rows share cell, seed and item.
    """
    wide = rows.pivot(index=by, columns=["seed", "item"], values=column)
    seeds, items = sorted(rows["seed"].unique()), sorted(rows["item"].unique())
    wide = wide.reindex(columns=pd.MultiIndex.from_product([seeds, items]))
    return wide.index, wide.to_numpy(np.float64).reshape(len(wide), len(seeds), len(items))


def bootstrap_means(values: Array, bootstrap: int, seed: int) -> Array:
    """Means over items and seeds in bootstrap draws, the same draws for every cell.

    Parameters
    ----------
    values : ndarray
        Float [cells, seeds, items]; NaN are left out of the means.
    bootstrap : int
        Number of draws.
    seed : int
        Of the random state.

    Returns
    -------
    ndarray
        Float [cells, bootstrap]; NaN where a draw holds nothing of a cell.
    """
    rng = np.random.default_rng(seed)
    # how often each item and each seed is drawn; the weight of a score is the product
    items, seeds = (
        rng.multinomial(n, np.full(n, 1 / n), size=bootstrap).astype(np.float64)
        for n in (values.shape[2], values.shape[1])
    )
    weights = np.einsum("bs,bi->sib", seeds, items).reshape(-1, bootstrap)
    flat = values.reshape(len(values), -1)
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(flat) @ weights / (np.isfinite(flat) @ weights)


def interval(draws: Array, confidence: float) -> tuple[Array, Array]:
    """Percentile interval over the last axis: float [..., bootstrap] → low and high, [...].

    Draws that are NaN are left out; an interval of none but such is NaN.
    """
    tail = (1 - confidence) / 2
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice")
        low, high = np.nanquantile(draws, [tail, 1 - tail], axis=-1)
    return low, high


def _mean(values: Array) -> Array:
    """Mean over seeds and items: [cells, seeds, items] → [cells], NaN where a cell is empty."""
    found = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(found, values, 0).sum(axis=(1, 2)) / found.sum(axis=(1, 2))


# -- tables ----------------------------------------------------------------------------------------


def _table(
    per_item: pd.DataFrame,
    groups: list[str],
    cells: list[str],
    columns: tuple[str, str],
    bootstrap: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Summarise a column of scores and one of their nulls, in every cell of every group."""
    parts = []
    for key, rows in per_item.groupby(groups):
        (index, value), (_, null) = (cube(rows, cells, column) for column in columns)
        null = np.where(np.isnan(value), np.nan, null)  # so that excess is mean − null_mean
        found = np.isfinite(value)
        summary: dict[str, Any] = dict(zip(groups, key, strict=True))
        for prefix, scores in ("", value), ("null_", null), ("excess_", value - null):
            draws = bootstrap_means(scores, bootstrap, seed)
            summary[f"{prefix}mean"] = _mean(scores)
            summary[f"{prefix}ci_low"], summary[f"{prefix}ci_high"] = interval(draws, confidence)
        summary["n_items"] = found.any(axis=1).sum(axis=1)
        summary["n_seeds"] = found.any(axis=2).sum(axis=1)
        parts.append(pd.DataFrame(summary, index).reset_index())
    # as text, labels of angles sort in the right order: 000.0 … 360.0, none, random
    table = pd.concat(parts).sort_values(groups + cells, ignore_index=True)
    if (empty := table["n_items"] == 0).any():
        first = table.loc[empty, groups + cells].iloc[0].to_dict()
        log.warning("%d rows have no item with a score, the first: %s", empty.sum(), first)
    return table


def dice_table(
    per_item: pd.DataFrame, bootstrap: int, confidence: float, seed: int
) -> pd.DataFrame:
    """Mean, interval and null of every metric, for every pair of angles.

    Parameters
    ----------
    per_item : DataFrame
        All scores, as `per_item` merges them from `dice.csv` files.
    bootstrap : int
        Number of draws.
    confidence : float
        Of the intervals, for example 0.95.
    seed : int
        Of the draws, which are the same for every angle (see the module's notes).

    Returns
    -------
    DataFrame
        One row per data set, view, encoder, method, angle, eval_angle, model, orientation, map and
        metric, sorted by these: `mean`, `ci_low`, `ci_high`, `null_mean`, `excess_mean`,
        `excess_ci_low`, `excess_ci_high` (excess = value − null), `n_items`, `n_seeds`. Items
        without a score are left out; a row of only such has `n_items` 0, NaN, and a warning.
    """
    scores = ("value", "null")
    table = _table(per_item, RUN + SCORE, ANGLES, scores, bootstrap, confidence, seed)
    excess = ["excess_mean", "excess_ci_low", "excess_ci_high"]
    measures = ["mean", "ci_low", "ci_high", "null_mean", *excess, "n_items", "n_seeds"]
    keys = RUN + ANGLES + SCORE
    return table.sort_values(keys, ignore_index=True)[keys + measures]


def segmentation_table(
    per_item: pd.DataFrame, bootstrap: int, confidence: float, seed: int
) -> pd.DataFrame:
    """Mean and interval of the fine-tuned models' test Dice, per angle and class.

    Parameters
    ----------
    per_item : DataFrame
        All scores, as `per_item` merges them from `segmentation.csv` files.
    bootstrap, confidence, seed
        As for `dice_table`.

    Returns
    -------
    DataFrame
        One row per data set, view, encoder, method, angle and class, sorted by these: `mean`,
        `ci_low`, `ci_high`, `baseline_mean` (Dice of predicting the class everywhere), `n_items`,
        `n_seeds`. Items without a score are left out, as in `dice_table`.
    """
    cells, scores = ["angle", "class"], ("dice", "baseline")
    table = _table(per_item, RUN, cells, scores, bootstrap, confidence, seed)
    measures = ["mean", "ci_low", "ci_high", "baseline_mean", "n_items", "n_seeds"]
    return table.rename(columns={"null_mean": "baseline_mean"})[RUN + cells + measures]
