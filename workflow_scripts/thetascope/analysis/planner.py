"""What is noise in a curve, and which amplitude its design could detect."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import pandas as pd
from scipy import optimize, stats

from thetascope.analysis.curves import COUNTS, KEY, Curve, curve_table, exchangeable
from thetascope.analysis.scores import DECIMALS, Array
from thetascope.analysis.waves import fit, known_periods, powers, staggered, unit_variance

NOISE = ["cell_sd", "seed_sd", "replicate_sd", "period", "resolved"]
NOISE += ["noise_amplitude", "detectable_amplitude"]
MANY = 200  # seeds, beyond which no study goes


def noise_sd(theta: Array, cells: Array) -> tuple[float, float]:
    """Standard deviation of one cell, that is of one seed's mean over items at one angle.

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles, seeds].
    cells : ndarray
        Float [angles, seeds].

    Returns
    -------
    seeds : float
        Of the seeds about the mean curve, each about its own mean over angles; NaN for one seed,
        and on staggered grids.
    replicates : float
        From the differences between 0 and 360; NaN if either is missing. One difference per seed
        is little to go by.
    """
    angles, seeds = cells.shape
    own = cells - cells.mean(axis=0)
    residual = (own - own.mean(axis=1, keepdims=True)).round(DECIMALS)
    freedom = 0 if staggered(theta) else (angles - 1) * (seeds - 1)
    both = (theta == 0).any(axis=0) & (theta == 360).any(axis=0)  # seeds that have replicates
    first, second = (cells[:, both][theta[:, both] == angle] for angle in (0, 360))
    return (
        np.sqrt((residual**2).sum() / freedom) if freedom else np.nan,
        np.sqrt(((first - second) ** 2).mean() / 2) if both.any() else np.nan,
    )


def noise_amplitude(theta: Array, periods: Sequence[float], noise: float) -> Array:
    """Amplitude to be expected at each period from noise alone, without any wave.

    Mean of the Rayleigh distribution that the amplitude has if noise is Gaussian and independent
    between angles; on a full circle of n equal steps noise · √(π / (n · seeds)).

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles, seeds].
    periods : sequence of float
        Degrees; resolved by `theta`.
    noise : float
        Standard deviation of one cell.

    Returns
    -------
    ndarray
        Float [periods].
    """
    return noise * np.sqrt(np.pi / 4 * unit_variance(theta, periods))


@cache  # curves of one design ask for the same
def _noncentrality(freedom: int, power: float, level: float) -> float:
    """A wave's sum of squares over all cells / noise² with which the F test has this power."""
    critical = stats.f.isf(level, 2, freedom)
    needed = optimize.brentq(lambda x: stats.ncf.sf(critical, 2, freedom, x) - power, 1e-6, 1e6)
    return float(needed)


def detectable_amplitude(
    theta: Array,
    periods: Sequence[float],
    noise: float,
    power: float = 0.8,
    level: float = 0.05,
) -> Array:
    """Smallest amplitude that a test of one period finds with the given probability.

    By the noncentral F distribution of harmonic regression on all the periods, for Gaussian noise;
    `permutation_test` comes close to it.

    Parameters
    ----------
    theta, periods, noise
        As for `noise_amplitude`.
    power : float
        Probability of p ≤ `level`.
    level : float
        Of one test, without correction for others.

    Returns
    -------
    ndarray
        Float [periods]; NaN if the fit leaves no degree of freedom. On irregular grids for the
        phase of average power.
    """
    angles, seeds = theta.shape
    freedom = seeds * (angles - 1) - 2 * len(periods)
    if freedom < 1 or not np.isfinite(noise):
        return np.full(len(periods), np.nan)
    needed = _noncentrality(freedom, power, level)
    cos, sin = (powers(theta, np.full((len(periods), 1), one), periods)[:, 0] for one in (1, 1j))
    return noise * np.sqrt(needed / ((cos + sin) / 2))  # averaged over phases


def seeds_needed(
    angles: int, periods: Sequence[float], noise: float, amplitude: float, level: float
) -> float:
    """Number of seeds with which a wave of any of the periods is found with probability 0.8.

    Parameters
    ----------
    angles : int
        Number of angles, in equal steps round the circle.
    periods : sequence of float
        Degrees; all that are fitted together, as far as the angles resolve them.
    noise, level
        As for `detectable_amplitude`.
    amplitude : float
        Of the wave.

    Returns
    -------
    float
        NaN where it takes more than `MANY`, or cannot be known.
    """

    def reached(seeds: int) -> bool:
        return noise * _reach(angles, seeds, tuple(periods), level) <= amplitude  # NaN is not

    if not reached(MANY):
        return np.nan
    return 1 + bisect.bisect_left(range(1, MANY + 1), True, key=reached)


@cache  # curves ask for the same designs again and again
def _reach(angles: int, seeds: int, periods: tuple[float, ...], level: float) -> float:
    """Find the largest `detectable_amplitude` of the periods, over the noise of one cell."""
    theta = np.repeat(np.arange(angles)[:, None] * 360 / angles, seeds, axis=1)
    _, asked = known_periods(theta, periods)
    return float(detectable_amplitude(theta, asked, 1.0, level=level).max()) if asked else np.nan


def noise_table(curves: Iterable[Curve], periods: Sequence[float]) -> pd.DataFrame:
    """Noise floor of every curve, and what amplitude its design could have detected.

    Parameters
    ----------
    curves : iterable of Curve
        Of all arms, models and metrics.
    periods : sequence of float
        Degrees; divisors of 360, each once.

    Returns
    -------
    DataFrame
        One row per curve and period: `cell_sd` (standard deviation of one seed's mean over items at
        one angle, about the fitted waves), `seed_sd`, `replicate_sd` (see `noise_sd`), `period`,
        `resolved`, `noise_amplitude` and `detectable_amplitude` (with probability 0.8 at level
        0.05), both from `cell_sd`, and the curve's counts. The amplitudes are NaN where a period is
        not resolved, where the fit leaves no degree of freedom, and where noise is not independent
        between angles (`eval`) or not there (`chance`).
    """
    rows = []
    for curve in curves:
        known, asked = known_periods(curve.theta, periods)
        cell_sd = np.nan
        if exchangeable(curve.key):
            cell_sd = float(np.sqrt(fit(curve, asked).level_runs.variance * curve.theta.size))
        floor, detectable = np.full((2, len(periods)), np.nan)
        floor[known] = noise_amplitude(curve.theta, asked, cell_sd)
        detectable[known] = detectable_amplitude(curve.theta, asked, cell_sd)
        sds = cell_sd, *noise_sd(curve.theta, curve.cells)
        for row in zip(periods, known, floor, detectable, strict=True):
            rows.append(curve.key | dict(zip(NOISE, (*sds, *row), strict=True)) | curve.counts)
    return curve_table(rows, [*KEY, *NOISE, *COUNTS])
