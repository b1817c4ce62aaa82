"""How much of a curve repeats at declared periods, and where it peaks."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thetascope.analysis.bootstrap import bootstrap_means, interval
from thetascope.analysis.curves import COUNTS, KEY, curve_table, curves
from thetascope.analysis.scores import DECIMALS, Array, Scores
from thetascope.analysis.settings import Bootstrap
from thetascope.angles import divides_circle
from thetascope.errors import UserError

PEAKS = ["peak_angle", "peak_value", "trough_angle", "trough_value", "range"]
PEAKS += ["peak_ci_low", "peak_ci_high", "peak_support"]
FIT = ["period", "resolved", "amplitude", "amplitude_ci_low", "amplitude_ci_high"]
FIT += ["phase_deg", "power_share"]

log = logging.getLogger(__name__)


def peaks_table(scores: Sequence[Scores], bootstrap: Bootstrap) -> pd.DataFrame:
    """Highest and lowest point of every curve.

    Parameters
    ----------
    scores : sequence of Scores
        Of all arms, models and metrics.
    bootstrap : Bootstrap
        As for `tables.dice_table`.

    Returns
    -------
    DataFrame
        One row per curve: `peak_angle`, `trough_angle` (degrees, the first of equals),
        `peak_value`, `trough_value`, `range`, `peak_ci_low` and `peak_ci_high` (degrees; from low
        counter-clockwise to high, through 0 if low > high), `peak_support` (share of the draws that
        peak at just this angle; a wide interval with little support is the mark of several peaks
        or of none), and the curve's counts. A flat curve peaks nowhere: its angles are NaN, its
        support is 0.
    """
    rows = []
    for curve in curves(scores):
        mean, theta = curve.mean.round(DECIMALS), curve.theta
        peak, trough = theta[mean.argmax()], theta[mean.argmin()]
        draws = bootstrap_means(curve.values, bootstrap).round(DECIMALS)
        peaks = theta[draws.argmax(axis=0)]
        # signed distance from the peak the short way round, in [-180, 180)
        low, high = interval((peaks - peak + 180) % 360 - 180, bootstrap.confidence)
        at = {
            "peak_angle": peak,
            "trough_angle": trough,
            "peak_ci_low": (peak + low) % 360,
            "peak_ci_high": (peak + high) % 360,
            "peak_support": (peaks == peak).mean(),
        }
        if mean.max() == mean.min():
            at = dict.fromkeys(at, np.nan) | {"peak_support": 0.0}
        size = {"peak_value": mean.max(), "trough_value": mean.min(), "range": np.ptp(mean)}
        rows.append(curve.key | at | size | curve.counts)
    return curve_table(rows, [*KEY, *PEAKS, *COUNTS])


def resolved(theta: Array, periods: Sequence[float]) -> NDArray[np.bool_]:
    """Which periods a grid of angles resolves: those longer than twice its largest step (Nyquist).

    Steps are counted round the circle, so a sweep over a part of it resolves only what is longer
    than twice the part left out. However irregular the grid, it determines the sinusoids of such
    periods (Gröchenig 1992). What repeats faster is not reported, but like on any grid it shows up
    in the longer periods if it is there.

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles].
    periods : sequence of float
        Degrees.

    Returns
    -------
    ndarray
        Bool [periods].
    """
    angles = np.unique(theta % 360)
    return np.asarray(periods) > 2 * np.diff(angles, append=angles[0] + 360).max()


def known_periods(theta: Array, periods: Sequence[float]) -> tuple[NDArray[np.bool_], list[float]]:
    """Which of the periods the grid resolves, as a mask of all of them and as their list."""
    known = resolved(theta, periods)
    return known, [period for period, ok in zip(periods, known, strict=True) if ok]


def basis_of_waves(theta: Array, periods: Array) -> Array:
    """Orthonormal waves about their means: [angles], [..., m] → [..., angles, 2 m].

    The last two are what the last period adds to those before it.
    """
    turns = 2 * np.pi * theta[:, None] / periods[..., None, :]
    waves = np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    waves = waves.reshape(*turns.shape[:-1], 2 * turns.shape[-1])
    return np.linalg.qr(waves - waves.mean(axis=-2, keepdims=True))[0]


def _design(theta: Array, period: Array) -> tuple[Array, Array]:
    """Rows of a constant, cosines and sines, and what unit noise gives their coefficients."""
    turns = 2 * np.pi * theta / period
    design = np.concatenate([np.ones((1, len(theta))), np.cos(turns), np.sin(turns)])
    return design, np.linalg.inv(design @ design.T)


def unit_variance(theta: Array, periods: Sequence[float]) -> Array:
    """Variance of both coefficients of each wave together, in noise of variance 1: [periods]."""
    _, covariance = _design(theta, np.asarray(periods, dtype=np.float64)[:, None])
    cos, sin = np.diagonal(covariance)[1:].reshape(2, -1)
    return cos + sin


def harmonics(theta: Array, curves: Array, periods: Sequence[float]) -> tuple[Array, Array, Array]:
    """Fit a constant and sinusoids of all the given periods, jointly, by least squares.

    On a full circle of equal steps the sinusoids are orthogonal, and this is the discrete Fourier
    transform. On other grids, or with both 0 and 360, they are not, and fits of one period at a
    time would count the power of its neighbours too.

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles].
    curves : ndarray
        Float [angles, n].
    periods : sequence of float
        Degrees, divisors of 360 that the grid resolves.

    Returns
    -------
    amplitude : ndarray
        Half the height from trough to crest, float [periods, n].
    phase : ndarray
        Angle of the first crest in degrees, in [0, period), float [periods, n].
    power : ndarray
        Sum of squares that no other period of the fit can explain, float [periods, n].
    """
    period = np.asarray(periods, dtype=np.float64)[:, None]
    design, covariance = _design(theta, period)
    _, cos, sin = np.split(covariance @ design @ curves, [1, 1 + len(period)])
    power = np.empty_like(cos)
    for i in range(len(period)):
        pair, block = (
            np.stack([cos[i], sin[i]]),
            covariance[1 + i :: len(period), 1 + i :: len(period)],
        )
        power[i] = (pair * np.linalg.solve(block, pair)).sum(axis=0)
    return np.hypot(cos, sin), np.arctan2(sin, cos) * period / (2 * np.pi) % period, power


def oscillation_table(
    scores: Sequence[Scores], periods: Sequence[float], bootstrap: Bootstrap
) -> pd.DataFrame:
    """Amplitude, phase and share of power of every curve at the declared periods.

    Amplitudes cannot be negative, and noise alone has one: an interval that excludes 0 is no test
    of whether a curve oscillates.

    Parameters
    ----------
    scores : sequence of Scores
        Of all arms, models and metrics.
    periods : sequence of float
        Degrees; divisors of 360, each once.
    bootstrap : Bootstrap
        As for `tables.dice_table`.

    Returns
    -------
    DataFrame
        One row per curve and period: `period`, `resolved` (see `resolved`; if not, the rest is
        NaN), `amplitude`, `amplitude_ci_low`, `amplitude_ci_high`, `phase_deg` (angle of the first
        crest; NaN if the amplitude is 0), `power_share` (of the curve's sum of squares about its
        mean; 0 for a flat curve), and the curve's counts. See `harmonics` for the fit.

    Raises
    ------
    UserError
        If a period does not divide 360 or is there twice.
    """
    if not all(map(divides_circle, periods)) or len(set(periods)) < len(periods):
        raise UserError(
            f"analysis.periods: {list(periods)}: each period must divide 360, and be listed once"
        )
    rows = []
    for curve in curves(scores):
        known, asked = known_periods(curve.theta, periods)
        draws = bootstrap_means(curve.values, bootstrap)
        fits = np.column_stack([curve.mean, draws])
        amplitude, phase, power = np.full((3, len(periods), 1 + bootstrap.draws), np.nan)
        if known.any():
            amplitude[known], phase[known], power[known] = harmonics(curve.theta, fits, asked)
        amplitude = amplitude.round(DECIMALS)
        total = ((curve.mean - curve.mean.mean()) ** 2).sum()
        low, high = interval(amplitude[:, 1:], bootstrap.confidence)
        for i, period in enumerate(periods):
            none = amplitude[i, 0] == 0
            fit = {
                "period": period,
                "resolved": known[i],
                "amplitude": amplitude[i, 0],
                "amplitude_ci_low": low[i],
                "amplitude_ci_high": high[i],
                "phase_deg": np.nan if none else phase[i, 0],
                "power_share": 0.0 if none else power[i, 0] / total,
            }
            rows.append(curve.key | fit | curve.counts)
    return curve_table(rows, [*KEY, *FIT, *COUNTS])
