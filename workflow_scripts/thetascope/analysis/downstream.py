"""Whether scores of maps correlate, over θ, with what the models can do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from thetascope.analysis.bootstrap import shuffles
from thetascope.analysis.curves import MIN_ANGLES, Curve
from thetascope.analysis.scores import Array
from thetascope.analysis.settings import Permutations
from thetascope.vocabulary import ARM, SCORE, SHARED, SIMILARITIES

TASKS = ("segmentation", "probe", "perceptron")  # the `attribution` of what models can do
NO_MAPS = (*TASKS, *SIMILARITIES, *SHARED)
KEY = [*ARM, *SCORE, "series", "task"]
COLUMNS = ["pearson", "spearman", "p", "permutations", "n_angles"]


def _ranks(curve: Array) -> Array:
    """Ranks about their mean, of standard deviation 1: float [angles]."""
    ranks = stats.rankdata(curve)
    standard: Array = (ranks - ranks.mean()) / ranks.std()
    return standard


@lru_cache(maxsize=1)  # all curves of maps are held against a task's one after the other
def _shuffled_ranks(curve: tuple[float, ...], permutations: Permutations) -> Array:
    """Ranks of a curve with its angles shuffled: float [B, angles]."""
    return _ranks(np.array(curve))[shuffles((len(curve),), permutations)]


def correlation_test(
    first: Array, second: Array, permutations: Permutations
) -> tuple[float, float, float]:
    """Correlate two curves over the same angles.

    Parameters
    ----------
    first, second : ndarray
        Float [angles].
    permutations : Permutations
        Number B of draws and seed.

    Returns
    -------
    pearson, spearman : float
        NaN if one of the curves is flat.
    p : float
        Two-sided, of Spearman's, with the angles of one curve shuffled: exact if runs at different
        angles are independent. At least 1 / (B + 1).
    """
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return np.nan, np.nan, np.nan
    a, b = _ranks(first), _ranks(second)
    observed, null = abs(a @ b), np.abs(_shuffled_ranks(tuple(second), permutations) @ a)
    p = (1 + (null >= observed * (1 - 1e-9)).sum()) / (1 + permutations.draws)
    return float(np.corrcoef(first, second)[0, 1]), float(a @ b / len(a)), float(p)


def downstream_table(curves: Iterable[Curve], permutations: Permutations) -> pd.DataFrame:
    """Correlate every curve of maps with every curve of a task, over θ of the diagonal sweep.

    Parameters
    ----------
    curves : iterable of Curve
        Of all arms, models and metrics, those of the tasks among them.
    permutations : Permutations
        As for `correlation_test`.

    Returns
    -------
    DataFrame
        One row per curve of maps (sweep `diagonal`, all series but `chance`) and `task`: the
        task's metric, `pearson`, `spearman`, `p`, `permutations`, `n_angles`.
    """
    arms: dict[tuple[str, ...], list[tuple[dict[str, str], Array, Array]]] = defaultdict(list)
    for curve in curves:
        if curve.key["sweep"] == "diagonal" and curve.key["series"] != "chance":
            one = curve.key, curve.angles, curve.mean
            arms[tuple(curve.key[column] for column in ARM)].append(one)
    rows = []
    for arm in arms.values():
        maps = [one for one in arm if one[0]["attribution"] not in NO_MAPS]
        tasks = [o for o in arm if o[0]["attribution"] in TASKS and o[0]["series"] == "value"]
        for (task, task_theta, task_mean), (key, theta, mean) in product(tasks, maps):
            _, i, j = np.intersect1d(theta, task_theta, return_indices=True)
            if len(i) >= MIN_ANGLES:
                found = correlation_test(mean[i], task_mean[j], permutations)
                row = key | {"task": task["metric"]}
                rows.append(
                    row | dict(zip(COLUMNS, (*found, permutations.draws, len(i)), strict=True))
                )
    return pd.DataFrame(rows, columns=[*KEY, *COLUMNS]).sort_values(KEY, ignore_index=True)
