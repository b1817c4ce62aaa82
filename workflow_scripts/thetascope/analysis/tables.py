"""Tables over θ: mean and bootstrap interval of every metric beside its null."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from thetascope.analysis.bootstrap import bootstrap_means, interval, mean
from thetascope.analysis.scores import ANGLES, RUN, SCORE, Scores, arrange, per_item

TOOK = ["s", "cpu_time", "cpu_start", "max_rss"]  # what a job took: seconds, MB

log = logging.getLogger(__name__)


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
        First the wildcards, empty where a file has none of that name, then `TOOK`. Sorted by the
        wildcards.
    """
    keys = list(dict.fromkeys(key for names in wildcards for key in names))
    if not keys:  # their folder was deleted, or left behind
        return pd.DataFrame(columns=["rule", *TOOK])
    parts = []
    for path, names in zip(paths, wildcards, strict=True):
        frame = pd.read_csv(path, sep="\t")
        parts.append(
            pd.DataFrame({key: names.get(key, "") for key in keys}, frame.index).join(frame)
        )
    return pd.concat(parts).sort_values(keys, kind="stable", ignore_index=True)


def _table(
    scores: Sequence[Scores],
    cells: list[str],
    bootstrap: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Summarise scores and their nulls in every cell, whose names are in the columns `cells`."""
    parts = []
    for one in scores:
        found = np.isfinite(one.value)
        null = np.where(found, one.null, np.nan)  # so that excess is mean − null_mean
        summary = pd.DataFrame(one.cells, columns=cells).assign(**one.key)
        summary["null_mean"] = mean(null, axis=(1, 2))
        for prefix, values in ("", one.value), ("excess_", one.value - null):
            draws = bootstrap_means(values, bootstrap, seed)
            summary[f"{prefix}mean"] = mean(values, axis=(1, 2))
            summary[f"{prefix}ci_low"], summary[f"{prefix}ci_high"] = interval(draws, confidence)
        summary["n_items"] = found.any(axis=1).sum(axis=1)
        summary["n_seeds"] = found.any(axis=2).sum(axis=1)
        parts.append(summary)
    # as text, labels of angles sort in the right order: 000.0 … 360.0, none, random
    keys = [*scores[0].key, *cells]
    table = pd.concat(parts).sort_values(keys, ignore_index=True)
    if (empty := table["n_items"] == 0).any():
        first = table.loc[empty, keys].iloc[0].to_dict()
        log.warning("%d rows have no item with a score, the first: %s", empty.sum(), first)
    return table


def dice_table(
    scores: Sequence[Scores], bootstrap: int, confidence: float, seed: int
) -> pd.DataFrame:
    """Mean, interval and null of every metric, for every pair of angles.

    Parameters
    ----------
    scores : sequence of Scores
        Of all arms, models and metrics.
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
    table = _table(scores, ANGLES, bootstrap, confidence, seed)
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
    cells = ["angle", "class"]
    scores = arrange([per_item], RUN, cells, ("dice", "baseline"))
    table = _table(scores, cells, bootstrap, confidence, seed)
    measures = ["mean", "ci_low", "ci_high", "baseline_mean", "n_items", "n_seeds"]
    return table.rename(columns={"null_mean": "baseline_mean"})[RUN + cells + measures]
