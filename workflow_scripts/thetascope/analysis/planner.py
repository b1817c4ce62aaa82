"""What is noise in a curve, and which amplitude its design could detect."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import optimize, stats

from thetascope.analysis.curves import COUNTS, KEY, curve_table, curves, exchangeable
from thetascope.analysis.scores import DECIMALS, Array, Scores
from thetascope.analysis.waves import harmonics, known_periods, unit_variance

log = logging.getLogger(__name__)
NOISE = ["seed_sd", "replicate_sd", "period", "resolved", "noise_amplitude", "detectable_amplitude"]


def noise_sd(theta: Array, cells: Array) -> tuple[float, float]:
    """Standard deviation of one cell, that is of one seed's mean over items at one angle.

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles].
    cells : ndarray
        Float [angles, seeds].

    Returns
    -------
    seeds : float
        Of the seeds about the mean curve, each about its own mean over angles; NaN for one seed.
    replicates : float
        From the differences between 0 and 360; NaN if either is missing. One difference per seed
        is little to go by.
    """
    angles, seeds = cells.shape
    own = cells - cells.mean(axis=0)
    residual = (own - own.mean(axis=1, keepdims=True)).round(DECIMALS)
    freedom = (angles - 1) * (seeds - 1)
    difference = cells[theta == 360] - cells[theta == 0]
    return (
        np.sqrt((residual**2).sum() / freedom) if freedom else np.nan,
        np.sqrt((difference**2).mean() / 2) if difference.size else np.nan,
    )


def noise_amplitude(theta: Array, periods: Sequence[float], noise: float, seeds: int) -> Array:
    """Amplitude to be expected at each period from noise alone, without any wave.

    Mean of the Rayleigh distribution that the amplitude has if noise is Gaussian and independent
    between angles; on a full circle of n equal steps noise · √(π / (n · seeds)).

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles].
    periods : sequence of float
        Degrees; resolved by `theta`.
    noise : float
        Standard deviation of one cell.
    seeds : int
        Number of seeds in the mean curve.

    Returns
    -------
    ndarray
        Float [periods].
    """
    return noise * np.sqrt(np.pi / 4 * unit_variance(theta, periods) / seeds)


def detectable_amplitude(
    theta: Array,
    periods: Sequence[float],
    noise: float,
    seeds: int,
    power: float = 0.8,
    level: float = 0.05,
) -> Array:
    """Smallest amplitude that a test of one period finds with the given probability.

    By the noncentral F distribution of harmonic regression on all the periods, for Gaussian noise;
    `permutation_test` comes close to it.

    Parameters
    ----------
    theta, periods, noise, seeds
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
    freedom = seeds * (len(theta) - 1) - 2 * len(periods)
    if freedom < 1:
        return np.full(len(periods), np.nan)
    critical = stats.f.isf(level, 2, freedom)
    # the noncentrality is the wave's sum of squares over all cells / noise²
    needed = optimize.brentq(lambda x: stats.ncf.sf(critical, 2, freedom, x) - power, 1e-6, 1e5)
    turns = 2 * np.pi * theta / np.asarray(periods, dtype=np.float64)[:, None]
    waves = np.concatenate([np.cos(turns), np.sin(turns)]).T
    in_phase, out_of_phase = np.hsplit(harmonics(theta, waves, periods)[2], 2)
    unit = np.diagonal(in_phase + out_of_phase) / 2  # power of amplitude 1, averaged over phases
    return noise * np.sqrt(needed / (seeds * unit))


def noise_table(scores: Sequence[Scores], periods: Sequence[float]) -> pd.DataFrame:
    """Noise floor of every curve, and what amplitude its design could have detected.

    Parameters
    ----------
    scores : sequence of Scores
        Of all arms, models and metrics.
    periods : sequence of float
        Degrees; divisors of 360, each once.

    Returns
    -------
    DataFrame
        One row per curve and period: `seed_sd`, `replicate_sd` (see `noise_sd`), `period`,
        `resolved`, `noise_amplitude` and `detectable_amplitude` (with probability 0.8 at level
        0.05), both from `seed_sd`, or `replicate_sd` where there is one seed, and the curve's
        counts. The amplitudes are NaN where a period is not resolved, where neither noise is known,
        and where noise is not independent between angles (`eval`) or not there (`chance`).
    """
    rows = []
    for curve in curves(scores):
        cells = curve.cells
        seed_sd, replicate_sd = noise_sd(curve.theta, cells)
        seeds = cells.shape[1]
        known, asked = known_periods(curve.theta, periods)
        floor, detectable = np.full((2, len(periods)), np.nan)
        if exchangeable(curve.key):
            design = curve.theta, asked, seed_sd if seeds > 1 else replicate_sd, seeds
            floor[known] = noise_amplitude(*design)
            detectable[known] = detectable_amplitude(*design)
        for row in zip(periods, known, floor, detectable, strict=True):
            fit = dict(zip(NOISE, (seed_sd, replicate_sd, *row), strict=True))
            rows.append(curve.key | fit | curve.counts)
    return curve_table(rows, [*KEY, *NOISE, *COUNTS])
