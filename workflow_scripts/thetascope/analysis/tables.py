"""Tables over θ: mean and bootstrap interval of every metric beside chance."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from thetascope.analysis.bootstrap import bootstrap_means, interval, mean
from thetascope.analysis.scores import Scores, arrange, per_item, typed
from thetascope.analysis.settings import Bootstrap
from thetascope.vocabulary import ANGLES, ARM, SCORE

TOOK = ["s", "cpu_time", "cpu_start", "max_rss"]  # what a job took: seconds, MB

log = logging.getLogger(__name__)


def training_table(
    stages: Mapping[str, tuple[Sequence[str | Path], Sequence[Mapping[str, object]]]],
) -> pd.DataFrame:
    """Merge what was written of every epoch.

    Parameters
    ----------
    stages : mapping of str to tuple
        Stage (`pretrain`, `finetune`) → its file of every run that has one, and their wildcards.

    Returns
    -------
    DataFrame
        One row per run, stage and epoch: the wildcards, `stage`, `epoch`, then what the stages
        write, NaN in the columns of the other stage.
    """
    parts = [per_item(*runs).assign(stage=stage) for stage, runs in stages.items()]
    table = pd.concat(parts, ignore_index=True)
    keys = [*ARM, "training", "angle", "seed", "stage", "epoch"]
    return table[list(dict.fromkeys([*keys, *table.columns]))]


def benchmarks_table(
    paths: Sequence[str | Path], wildcards: Sequence[Mapping[str, str]]
) -> pd.DataFrame:
    """Merge what jobs took (see `engine.job`).

    Parameters
    ----------
    paths : sequence of path
        Benchmark files, tab-separated.
    wildcards : sequence of mapping
        For each file what tells it apart (`rule`, `dataset`, …), not the same keys for all.

    Returns
    -------
    DataFrame
        First the wildcards, empty where a job has none of that name, then `TOOK`. Sorted by the
        wildcards.
    """
    keys = ["rule", *ARM, *ANGLES, "seed"]
    rows = []
    for path, names in zip(paths, wildcards, strict=True):
        columns = {k: v[0] for name in names for k, v in typed(name, [names[name]]).items()}
        with Path(path).open(newline="") as file:  # pandas takes ten times as long for one row
            header, values = csv.reader(file, delimiter="\t")
        rows.append(columns | dict(zip(header, map(float, values), strict=True)))
    table = pd.DataFrame(rows, columns=[*keys, *TOOK])
    return table.sort_values(keys, kind="stable", ignore_index=True)


def _table(
    scores: Iterable[Scores], kind: list[str], cells: list[str], bootstrap: Bootstrap
) -> pd.DataFrame:
    """Summarise scores of every kind in every cell, by the names of their columns."""
    parts = []
    for one in scores:
        found = np.isfinite(one.value)
        summary = pd.DataFrame(one.cells, columns=cells).assign(**one.key)
        for name, values in (("chance", one.chance), ("own_cut", one.own_cut)):
            # over the items of value, so that excess is the difference of the means
            summary[name] = mean(np.where(found, values, np.nan), axis=(1, 2))
        for name, prefix, values in (
            ("value", "", one.value),
            ("excess", "excess_", one.value - one.chance),
            ("turning", "turning_", one.value - one.own_cut),
        ):
            summary[name] = mean(values, axis=(1, 2))
            low = high = np.full(len(values), np.nan)
            if np.isfinite(values).any():  # a task has no own cut
                low, high = interval(bootstrap_means(values, bootstrap), bootstrap.confidence)
            summary[f"{prefix}ci_low"], summary[f"{prefix}ci_high"] = low, high
        summary["n_items"] = found.any(axis=1).sum(axis=1)
        summary["n_seeds"] = found.any(axis=2).sum(axis=1)
        parts.append(summary.astype({"angle": float}))
    keys = [*kind, *cells]  # `training` sorts as fixed, none, random
    table = pd.concat(parts).sort_values(keys, ignore_index=True)
    if (empty := table["n_items"] == 0).any():
        first = table.loc[empty, keys].iloc[0].to_dict()
        log.warning("%d rows have no item with a score, the first: %s", empty.sum(), first)
    return table


def dice_table(scores: Iterable[Scores], bootstrap: Bootstrap) -> pd.DataFrame:
    """Mean, interval and chance of every metric, for every pair of angles.

    Parameters
    ----------
    scores : iterable of Scores
        Of all arms, models and metrics.
    bootstrap : Bootstrap
        Of the intervals; the draws are the same for every angle (see `bootstrap`).

    Returns
    -------
    DataFrame
        One row per data set, view, encoder, method, training, angle, eval_angle, model, input,
        attribution and metric, sorted by these: `value` (mean over items and seeds), `ci_low`,
        `ci_high`, `chance`, `excess` (value − chance), `excess_ci_low`, `excess_ci_high`,
        `own_cut`, `turning` (value − own cut), `turning_ci_low`, `turning_ci_high`, `n_items`,
        `n_seeds`. Items without a score are left out; a row of only such has `n_items` 0, NaN, and
        a warning.
    """
    table = _table(scores, ARM + SCORE, ANGLES, bootstrap)
    measures = ["value", "ci_low", "ci_high"]
    measures += ["chance", "excess", "excess_ci_low", "excess_ci_high"]
    measures += ["own_cut", "turning", "turning_ci_low", "turning_ci_high", "n_items", "n_seeds"]
    keys = ARM + ANGLES + SCORE
    return table.sort_values(keys, ignore_index=True)[keys + measures]


def segmentation_table(per_item: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """Mean and interval of the fine-tuned models' test Dice, per angle and label.

    Parameters
    ----------
    per_item : DataFrame
        All scores, as `per_item` merges them from `segmentation.csv` files.
    bootstrap : Bootstrap
        As for `dice_table`.

    Returns
    -------
    DataFrame
        One row per data set, view, encoder, method, training, angle and label, sorted by these:
        `value`, `ci_low`, `ci_high`, `chance` (what as many pixels anywhere can expect), `n_items`,
        `n_seeds`. Items without a score are left out, as in `dice_table`.
    """
    cells = ["training", "angle", "label"]
    scores = arrange([per_item], ARM, cells, ("dice", "chance", "own_cut"))
    measures = ["value", "ci_low", "ci_high", "chance", "n_items", "n_seeds"]
    return _table(scores, ARM, cells, bootstrap)[ARM + cells + measures]
