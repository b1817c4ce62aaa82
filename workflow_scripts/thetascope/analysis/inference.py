"""Tests of curves over θ: at which periods they depend on it, and what the design could detect.

What a p means depends on what chance there is in a curve:

Sweeps `train`, `train_margin` and `diagonal`
    Every angle is a run of its own with its own random state. H0: θ has no influence whatever. Then
    all angles of a seed, 0 and 360 like any other, are draws from one distribution and may change
    places; all items move together, since they share the run. That holds for one seed as for many.
    In `train` a small p says that the training angle matters to maps taken at `held_angle`; in
    `diagonal`, that training or evaluation does, and evaluation does so by resampling alone, and
    for maps of R_θ x by the corners that are cut off, but for the series `turning`. Noise that is
    larger at some angles breaks H0 too.
Sweeps `eval` and `eval_margin`
    One run per seed, seen from all angles: a smooth function of θ, whose neighbouring angles
    resemble each other and may not change places. Shuffling would only ask whether it is constant,
    which nothing is; shifting it round the circle or drawing other phases leaves its power at every
    period as it is. There is no valid test of a period, and p is NaN.
Series `chance`, and baselines but the map `random`
    Computed from θ, images and masks without anything drawn: p is NaN.

All is conditional on the items and the backbone: a small p is about other runs, not other images.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from thetascope.analysis.bootstrap import shuffles
from thetascope.analysis.curves import COUNTS, KEY, curve_table, curves, exchangeable
from thetascope.analysis.scores import DECIMALS, Array, Scores
from thetascope.analysis.settings import Permutations
from thetascope.analysis.waves import basis_of_waves, known_periods

log = logging.getLogger(__name__)

EXPLORATORY = "exploratory"  # rows that no declared question asks for
TEST = ["period", "resolved", "p", "p_max", "p_any", "permutations"]


# -- permutation tests -----------------------------------------------------------------------------


def _orthonormal(cells: Array) -> Array:
    """Orthonormal basis of the columns: float [angles, seeds, columns] → [angles, seeds, rank]."""
    basis, size, _ = np.linalg.svd(cells.reshape(-1, cells.shape[2]), full_matrices=False)
    return basis[:, size > 10.0**-DECIMALS].reshape(*cells.shape[:2], -1)


def shuffled_means(cells: Array, permutations: Permutations) -> Array:
    """Mean curve over seeds, as observed and with the angles of every seed shuffled.

    The draws depend on the shape of `cells` alone, so several arrays of one shape are shuffled
    alike.

    Parameters
    ----------
    cells : ndarray
        Float [angles, seeds], means over items.
    permutations : Permutations
        Number B of draws and seed.

    Returns
    -------
    ndarray
        Float [angles, 1 + B], the observed curve first; each about its mean.
    """
    own = (cells - cells.mean(axis=0)).T
    orders = shuffles(own.shape, permutations)
    draws = sum(values[orders[:, i]] for i, values in enumerate(own)) / len(own)
    return np.vstack([own.mean(axis=0), draws]).T


def p_value(statistic: Array, null: Array) -> Array:
    """Share of draws that reach the observed value, itself among them (Phipson & Smyth 2010).

    Float [..., 1 + B], the observed first → [...]. What is equal up to rounding counts.
    """
    return (null >= statistic[..., :1] * (1 - 1e-9)).mean(axis=-1)


def permutation_test(
    theta: Array, cells: Array, periods: Sequence[float], permutations: Permutations
) -> tuple[Array, Array, float]:
    """Test H0 "angles are exchangeable within each seed" against waves of the given periods.

    The statistic of a period is the share that its wave in the mean over seeds has in the squares
    of all seeds about their means, without what the other periods explain: for several columns
    Pillai's trace, for one a monotone function of the F of harmonic regression. A share of the
    whole would take the waves of other periods for noise; with the instrument's wave of 90° in
    nearly every curve, hardly anything else would be found. The test is exact under H0, and
    approximate for one period where there are waves of others.

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles].
    cells : ndarray
        Float [angles, seeds, columns]; the columns of an angle move together.
    periods : sequence of float
        Degrees; resolved by `theta`.
    permutations : Permutations
        As for `shuffled_means`.

    Returns
    -------
    p : ndarray
        Float [periods], at least 1 / (B + 1). NaN if the fit leaves fewer degrees of freedom than
        there are columns.
    p_max : ndarray
        Float [periods]: against the largest statistic of any of the periods in each draw, which
        holds the family-wise error over them (Westfall & Young 1993).
    p_any : float
        For the whole mean instead of a wave: do the seeds agree on a curve of any shape? NaN for
        one seed, where no permutation changes it.
    """
    angles, seeds, _ = cells.shape
    columns = _orthonormal(cells - cells.mean(axis=0))
    n = columns.shape[2]
    ordered = [[other for other in periods if other != period] + [period] for period in periods]
    basis = basis_of_waves(theta, np.array(ordered).reshape(len(periods), len(periods)))
    waves = np.empty((*basis.shape[::2], 1 + permutations.draws, n))
    between = np.zeros(1 + permutations.draws)
    for i, column in enumerate(np.moveaxis(columns, 2, 0)):
        means = shuffled_means(column, permutations) * np.sqrt(seeds)
        waves[..., i] = basis.mT @ means
        between += (means**2).sum(axis=0)
    joint, own = (np.einsum("pfbi,pfbj->pbij", w, w) for w in (waves, waves[:, -2:]))
    # all squares are 1 in an orthonormal basis; rounding is no noise to hold a wave against
    rest = (1 + 1e-9) * np.eye(n) - joint
    share = np.trace(np.linalg.solve(rest + own, own), axis1=-2, axis2=-1)
    p, p_max = p_value(share, share), p_value(share, share.max(axis=0, initial=0))
    if seeds * (angles - 1) - 2 * len(periods) < max(n, 1):
        p, p_max = np.full((2, len(periods)), np.nan)
    return p, p_max, float(p_value(between, between)) if seeds > 1 else np.nan


def _test_rows(
    key: dict[str, Any],
    theta: Array,
    cells: Array,
    periods: Sequence[float],
    permutations: Permutations,
) -> list[dict[str, Any]]:
    known, asked = known_periods(theta, periods)
    p, p_max = np.full((2, len(periods)), np.nan)
    p_any = np.nan
    if exchangeable(key):
        p[known], p_max[known], p_any = permutation_test(theta, cells, asked, permutations)
    columns = zip(periods, known, p, p_max, strict=True)
    return [
        key | dict(zip(TEST, (*row, p_any, permutations.draws), strict=True)) for row in columns
    ]


def period_tests(
    scores: Sequence[Scores], periods: Sequence[float], permutations: Permutations
) -> pd.DataFrame:
    """Test at every period whether a curve depends on θ.

    Parameters
    ----------
    scores : sequence of Scores
        Of all arms, models and metrics.
    periods : sequence of float
        Degrees; divisors of 360, each once.
    permutations : Permutations
        As for `shuffled_means`; curves of one shape see the same draws.

    Returns
    -------
    DataFrame
        One row per curve and period, as in `waves.oscillation_table`: `period`, `resolved`,
        `p`, `p_max`, `p_any` (see `permutation_test`; NaN where the period is not resolved or no
        test is valid), `permutations`, and the curve's counts. `false_discovery` corrects `p`.
    """
    rows = []
    for curve in curves(scores):
        cells = curve.cells[..., None]
        key = curve.key | curve.counts
        rows += _test_rows(key, curve.theta, cells, periods, permutations)
    return curve_table(rows, [*KEY, *TEST, *COUNTS])


def contrasts(cells: Array) -> Array:
    """Data sets about their common curve: float [angles, seeds, sets] → the same shape."""
    return cells - cells.mean(axis=2, keepdims=True)


def interaction_tests(
    scores: Sequence[Scores], periods: Sequence[float], permutations: Permutations
) -> pd.DataFrame:
    """Test whether the curves of several data sets have different shapes: data set × θ.

    H0: up to a constant per set and seed, all sets have the same curve. Their differences then do
    not depend on θ, whatever the common curve is, and are tested as one curve is: angles change
    places within each seed, the sets together (see `permutation_test`). With several seeds `p_any`
    is the test of parallel profiles by Pillai's trace. A set's noise must be the same at all
    angles; between sets noise, level and items may differ. A curve of the same shape but another
    amplitude counts as different.

    Twelve angles and one seed detect next to nothing in three sets: the p of four periods have
    three degrees of freedom for the residuals of two contrasts.

    Parameters
    ----------
    scores, periods, permutations
        As for `period_tests`.

    Returns
    -------
    DataFrame
        One row per period and curve that two or more data sets have, over the same angles and
        number of seeds: the curve's key without `dataset`, then the columns of `period_tests`, with
        `n_datasets` instead of counts of items.
    """
    groups = defaultdict(list)  # of means over items: all items of all curves would fill the memory
    for curve in curves(scores):
        name = [value for column, value in curve.key.items() if column != "dataset"]
        one = curve.key | curve.counts, curve.theta, curve.cells
        groups[(*name, *curve.theta, curve.values.shape[1])].append(one)
    rows = []
    for group in groups.values():
        if len(group) > 1:
            key, theta, _ = group[0]
            cells = contrasts(np.stack([cells for *_, cells in group], axis=2))
            key |= {"n_datasets": len(group)}
            rows += _test_rows(key, theta, cells, periods, permutations)
    names = [column for column in KEY if column != "dataset"]
    return curve_table(rows, [*names, *TEST, "n_angles", "n_datasets", "n_seeds"])


def false_discovery(
    tests: pd.DataFrame, questions: Mapping[str, Mapping[str, Sequence]]
) -> pd.DataFrame:
    """Correct p values for their number, those of every question and all others apart.

    Benjamini & Hochberg (1995): of the rows with q ≤ 0.05, at most 5 % are expected to be false, if
    the tests are independent or positively dependent, as metrics of the same maps are.

    Parameters
    ----------
    tests : DataFrame
        With a column `p`; rows where it is NaN are no tests and do not count.
    questions : mapping
        Name → column → values: which rows were declared beforehand to be this question, such as
        ``{"training": {"sweep": ["diagonal"], "series": ["excess"], "metric": ["auroc"]}}``. A
        curve belongs to the first question that asks for it; where that asks for some periods, the
        curve's other ones are exploratory.

    Returns
    -------
    DataFrame
        `tests` with the columns `question`, `exploratory` for a row of none, and `q`.

    Raises
    ------
    KeyError
        If there is no such column.
    """
    question = np.full(len(tests), EXPLORATORY, dtype=object)
    free = np.ones(len(tests), dtype=bool)  # rows of curves that no question has asked for
    for name, asked in questions.items():
        of_curves = free.copy()
        for column, values in asked.items():
            if column != "period":
                of_curves &= tests[column].isin(values).to_numpy()
        free &= ~of_curves
        declared = of_curves
        if "period" in asked:
            declared = of_curves & tests["period"].isin(asked["period"]).to_numpy()
        if not declared.any():
            log.warning("no curve is what `analysis.questions.%s` declares: %s", name, dict(asked))
        question[declared] = name
    p, q = tests["p"].to_numpy(np.float64), np.full(len(tests), np.nan)
    for name in (EXPLORATORY, *questions):
        tested = (question == name) & np.isfinite(p)
        q[tested] = stats.false_discovery_control(p[tested])
    return tests.assign(question=question, q=q)
