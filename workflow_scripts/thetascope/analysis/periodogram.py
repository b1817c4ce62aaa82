"""Lomb–Scargle periodograms, for power at periods that nobody declared."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from thetascope.analysis.curves import COUNTS, KEY, curve_table, curves, exchangeable
from thetascope.analysis.inference import p_value, shuffled_means
from thetascope.analysis.scores import Array, Scores
from thetascope.analysis.settings import Permutations
from thetascope.analysis.waves import basis_of_waves, known_periods

NO_DRAWS = Permutations(0, 0)
SPECTRUM = ["cycles", "period", "power", "p_max", "threshold", "permutations"]


def lomb_scargle(theta: Array, curves: Array, periods: Sequence[float]) -> Array:
    """Power of one sinusoid at a time, beside a constant (Zechmeister & Kürster 2009).

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles], in any steps.
    curves : ndarray
        Float [angles, n].
    periods : sequence of float
        Degrees, resolved by `theta`.

    Returns
    -------
    ndarray
        Sum of squares that the sinusoid explains, float [periods, n].
    """
    turn = np.arange(len(theta)) * 360 / len(theta)
    cycles = np.rint(360 / np.array(periods)).astype(int)
    if np.allclose(theta, turn) and np.allclose(cycles * periods, 360):  # waves are orthogonal
        return 2 / len(theta) * np.abs(np.fft.rfft(curves, axis=0)[cycles]) ** 2
    power: Array = ((basis_of_waves(theta, np.array(periods)[:, None]).mT @ curves) ** 2).sum(
        axis=-2
    )
    return power


def periodogram_table(
    scores: Sequence[Scores], permutations: Permutations, confidence: float
) -> pd.DataFrame:
    """Lomb–Scargle periodogram of every curve, for power at periods that nobody declared.

    One sinusoid at a time: on irregular grids neighbours share power, which
    `waves.harmonics` tells apart. To each period the waves of all others are noise.

    Parameters
    ----------
    scores : sequence of Scores
        Of all arms, models and metrics.
    permutations : Permutations
        As for `inference.shuffled_means`.
    confidence : float
        Of the threshold, for example 0.95.

    Returns
    -------
    DataFrame
        One row per curve and whole number of `cycles` per turn up to the grid's Nyquist frequency
        (see `waves.resolved`): `period` (degrees), `power` (share of the mean curve's sum of
        squares, 0 for a flat curve), `threshold` (quantile of the highest power of shuffled curves,
        in the same unit; above 1 where the seeds hardly agree), `p_max` (family-wise over the
        frequencies), `permutations`, and the curve's counts. Where no test is valid `p_max` and
        `threshold` are NaN.
    """
    rows = []
    for curve in curves(scores):
        _, periods = known_periods(curve.theta, [360 / n for n in range(1, len(curve.theta))])
        testable = exchangeable(curve.key)
        means = shuffled_means(curve.cells, permutations if testable else NO_DRAWS)
        power = lomb_scargle(curve.theta, means, periods)
        power /= (means[:, 0] ** 2).sum() or 1
        highest = power.max(axis=0, initial=0)
        p_max, threshold = np.full(len(periods), np.nan), np.nan
        if testable:
            p_max = p_value(power, highest)
            threshold = np.quantile(highest, confidence, method="higher")
        for cycles, row in enumerate(zip(periods, power[:, 0], p_max, strict=True), start=1):
            fit = dict(zip(SPECTRUM, (cycles, *row, threshold, permutations.draws), strict=True))
            rows.append(curve.key | fit | curve.counts)
    return curve_table(rows, [*KEY, *SPECTRUM, *COUNTS])
