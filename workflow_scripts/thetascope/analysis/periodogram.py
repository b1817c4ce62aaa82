"""Lomb–Scargle periodograms, for power at periods that nobody declared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thetascope.analysis.curves import COUNTS, KEY, Curve, curve_table, exchangeable
from thetascope.analysis.permutation import (
    p_value,
    shuffled_means,
    shuffled_sums,
)
from thetascope.analysis.scores import Array
from thetascope.analysis.settings import Permutations
from thetascope.analysis.waves import design, known_periods, staggered

NO_DRAWS = Permutations(0, 0)
BLOCK = 128  # curves at a time: all of them would need new memory at every step
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
    cycles, n = 360 / np.asarray(periods), len(theta)
    # products of cosine and sine, each about its mean: from sums of one and two times the cycles
    once, twice = (_sums(theta, np.ones((n, 1)), times * cycles) for times in (1, 2))
    cc = (n + twice.real) / 2 - once.real**2 / n
    ss = (n - twice.real) / 2 - once.imag**2 / n
    cs = once.real * once.imag / n - twice.imag / 2
    power = np.empty((len(cycles), curves.shape[1]))
    for first in range(0, curves.shape[1], BLOCK):
        block = np.s_[:, first : first + BLOCK]
        sums = _sums(theta, curves[block] - curves[block].mean(axis=0), cycles)
        cosine, sine = sums.real, -sums.imag
        power[block] = ss * cosine**2 + cc * sine**2 - 2 * cs * cosine * sine
    power /= cc * ss - cs**2
    return power


def _sums(theta: Array, values: Array, cycles: Array) -> NDArray[np.complex128]:
    """Sum of values [angles, n] · exp(−i cycles θ), counted from the first θ: [cycles, n].

    By FFT on a grid of equal steps, of which up to half may be missing.
    """
    since = theta - theta[0]
    step = np.diff(theta).min()
    size, place, k = round(360 / step), np.rint(since / step).astype(int), np.rint(cycles)
    on_grid = np.allclose(place * 360 / size, since) and np.allclose(k, cycles)
    if not on_grid or size > 2 * len(theta) or place[-1] >= size:
        turned: NDArray[np.complex128] = np.exp(-2j * np.pi / 360 * np.outer(cycles, since))
        return turned @ values
    filled = np.zeros((size, values.shape[1]))
    filled[place] = values
    k = k.astype(int) % size
    sums: NDArray[np.complex128] = np.fft.rfft(filled, axis=0)[np.minimum(k, size - k)]
    sums[k > size / 2] = sums[k > size / 2].conj()
    return sums


def periodogram_table(
    curves: Iterable[Curve], permutations: Permutations, confidence: float
) -> pd.DataFrame:
    """Lomb–Scargle periodogram of every curve, for power at periods that nobody declared.

    One sinusoid at a time: on irregular grids neighbours share power, which
    `waves.coefficients` tells apart. To each period the waves of all others are noise.

    Parameters
    ----------
    curves : iterable of Curve
        Of all arms, models and metrics.
    permutations : Permutations
        As for `permutation.shuffled_means`.
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
    for curve in curves:
        waves = [360 / n for n in range(1, len(curve.angles))]
        _, periods = known_periods(curve.theta, waves)
        if not periods:
            continue
        testable = exchangeable(curve.key)
        power = _shares(curve, periods, permutations if testable else NO_DRAWS)
        highest = power.max(axis=0, initial=0)
        p_max, threshold = np.full(len(periods), np.nan), np.nan
        if testable:
            p_max = p_value(power, highest)
            threshold = np.quantile(highest, confidence, method="higher")
        of_curve = curve.key | curve.counts
        for row in zip(periods, power[:, 0], p_max, strict=True):
            fit = round(360 / row[0]), *row, threshold, permutations.draws
            rows.append(of_curve | dict(zip(SPECTRUM, fit, strict=True)))
    return curve_table(rows, [*KEY, *SPECTRUM, *COUNTS])


def _shares(curve: Curve, periods: Sequence[float], permutations: Permutations) -> Array:
    """Power of every wave, as observed and shuffled: [periods, 1 + B]."""
    if staggered(curve.theta):  # there is no mean over seeds
        bases = [np.linalg.qr(design(curve.theta, [period]))[0].T for period in periods]
        weights = np.reshape(bases, (2 * len(periods), *curve.theta.shape))
        sums = shuffled_sums(weights, curve.cells, permutations)
        power: Array = (sums.reshape(len(periods), 2, -1) ** 2).sum(axis=1)
        return power / ((curve.cells**2).sum() or 1)
    means = shuffled_means(curve.cells, permutations)
    return lomb_scargle(curve.angles, means, periods) / ((means[:, 0] ** 2).sum() or 1)
