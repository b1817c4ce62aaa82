"""Waves in a curve: which periods its grid resolves, how large they are, how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thetascope.analysis.bounds import Error
from thetascope.analysis.curves import Curve, exchangeable
from thetascope.analysis.scores import Array

# -- grids -----------------------------------------------------------------------------------------


def staggered(theta: Array) -> bool:
    """Whether seeds have angles of their own: [angles, seeds]."""
    return bool((theta != theta[:, :1]).any())


def resolved(theta: Array, periods: Sequence[float]) -> NDArray[np.bool_]:
    """Which periods a grid of angles resolves: those longer than twice its largest step (Nyquist).

    Steps are counted round the circle, so a sweep over a part of it resolves only what is longer
    than twice the part left out. However irregular the grid, it determines the sinusoids of such
    periods (Gröchenig 1992). What repeats faster is not reported, but like on any grid it shows up
    in the longer periods if it is there (see `aliases`). Every seed has a level of its own, so on a
    staggered grid a wave that is at the same place of its period at all angles of a seed cannot be
    told from levels.

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles] or [angles, seeds].
    periods : sequence of float
        Degrees.

    Returns
    -------
    ndarray
        Bool [periods].
    """
    angles = np.unique(theta % 360)
    period = np.asarray(periods, dtype=np.float64)
    known = period > 2 * np.diff(angles, append=angles[0] + 360).max()
    if theta.ndim > 1 and staggered(theta):
        waves = np.abs(design(theta, period[known])).reshape(theta.size, -1, 2)
        known[known] = waves.max(axis=(0, 2), initial=0) > 1e-6
    return known


def known_periods(theta: Array, periods: Sequence[float]) -> tuple[NDArray[np.bool_], list[float]]:
    """Which of the periods the grid resolves, as a mask of all of them and as their list."""
    known = resolved(theta, periods)
    return known, [period for period, ok in zip(periods, known, strict=True) if ok]


def aliases(theta: Array, period: float) -> list[float]:
    """The two longest shorter periods that look like this one on a grid of equal steps.

    At n angles round the circle, n − k and n + k waves a turn have the values of k. On other grids
    nothing looks quite alike, and the list is empty.

    >>> aliases(np.arange(0, 360, 30.0), 90)
    [45.0, 22.5]
    """
    angles = np.unique(theta % 360)
    n, waves = len(angles), round(360 / period)
    if not np.allclose(np.diff(angles, append=angles[0] + 360), 360 / n) or n <= 2 * waves:
        return []
    return [360 / (n - waves), 360 / (n + waves)]


# -- fit -------------------------------------------------------------------------------------------


def design(theta: Array, periods: Sequence[float]) -> Array:
    """Cosine and sine of every period, each about its mean over the angles of a seed.

    Float [angles] or [angles, seeds] → [cells, 2 · periods], cells in the order of `theta.ravel()`.
    """
    turns = 2 * np.pi * theta[..., None] / np.asarray(periods, dtype=np.float64)
    waves = np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    columns: Array = (waves - waves.mean(axis=0)).reshape(theta.size, 2 * len(periods))
    return columns


def _covariances(theta: Array, periods: Sequence[float]) -> Array:
    """Covariance of cosine and sine of each period in noise of variance 1: [periods, 2, 2]."""
    waves = design(theta, periods)
    whole = np.linalg.inv(waves.T @ waves).reshape(len(periods), 2, len(periods), 2)
    return np.moveaxis(np.diagonal(whole, axis1=0, axis2=2), -1, 0)


def unit_variance(theta: Array, periods: Sequence[float]) -> Array:
    """Variance of both coefficients of each wave together, in noise of variance 1: [periods]."""
    variance: Array = np.trace(_covariances(theta, periods), axis1=1, axis2=2)
    return variance


def coefficients(theta: Array, curves: Array, periods: Sequence[float]) -> NDArray[np.complex128]:
    """Fit a level for every seed and sinusoids of all the given periods, jointly.

    By least squares. On a full circle of equal steps the sinusoids are orthogonal, and this is the
    discrete Fourier transform. On other grids, or with both 0 and 360, they are not, and fits of
    one period at a time would count the power of its neighbours too.

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles] or [angles, seeds].
    curves : ndarray
        Float, the shape of `theta` and [n].
    periods : sequence of float
        Degrees, divisors of 360 that the grid resolves.

    Returns
    -------
    ndarray
        Complex [periods, n]: its modulus is the amplitude, half the height from trough to crest,
        and its argument the place of the crest in the period.
    """
    waves = design(theta, periods)
    fit = np.linalg.solve(waves.T @ waves, waves.T @ curves.reshape(len(waves), -1))
    found: NDArray[np.complex128] = fit[::2] + 1j * fit[1::2]
    return found


def phases(found: NDArray[np.complex128], periods: Sequence[float]) -> Array:
    """Angle of the first crest in degrees, in [0, period): [periods, ...] → the same shape."""
    period = np.reshape(periods, (-1, *[1] * (found.ndim - 1)))
    degrees: Array = np.angle(found) * period / (2 * np.pi) % period
    return degrees


def powers(theta: Array, found: NDArray[np.complex128], periods: Sequence[float]) -> Array:
    """Sum of squares that no other period of the fit can explain, float [periods, n]."""
    inverse = np.linalg.inv(_covariances(theta, periods))
    pair = np.stack([found.real, found.imag], axis=1)
    power: Array = np.einsum("pin,pij,pjn->pn", pair, inverse, pair)
    return power


@dataclass(frozen=True)
class Fit:
    """Waves and level of a curve, and what other runs and other cases would do to them.

    Attributes
    ----------
    waves : ndarray
        Complex [periods]; see `coefficients`.
    runs : Error
        Of every wave, for new training runs on the same items: the spread of cells about the fit.
        Where a curve does not come from independent runs, for new cases.
    both : Error
        For new runs and new cases: the spread of the cases' own waves too.
    level : ndarray
        Float []: mean over angles, seeds and items.
    level_runs, level_both : Error
        The same of the level.
    """

    waves: NDArray[np.complex128]
    runs: Error
    both: Error
    level: Array
    level_runs: Error
    level_both: Error


def fit(curve: Curve, periods: Sequence[float]) -> Fit:
    """Fit the waves of these periods to a curve that resolves them."""
    waves = design(curve.theta, periods)
    found = coefficients(curve.theta, curve.cells, periods)[:, 0]
    cells = curve.cells.ravel()
    rest = cells - waves @ np.stack([found.real, found.imag], axis=1).ravel()
    angles, seeds = curve.theta.shape
    freedom = float(seeds * (angles - 1) - 2 * len(periods))
    noise = (rest**2).sum() / (freedom if freedom > 0 else np.nan)
    every = np.ones(len(periods))
    runs = Error(noise * unit_variance(curve.theta, periods) / 2, freedom * every)
    level_runs = Error(np.array(noise / cells.size), np.array(freedom))

    sizes = np.unique(curve.cases, return_counts=True)[1]
    share = ((sizes / sizes.sum()) ** 2).sum()  # 1 / number of cases, if all have as many items
    more = len(sizes) - 1 or np.nan
    of_cases = curve.of_cases
    own = coefficients(curve.theta, of_cases, periods)
    spread = (np.abs(own - own.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) / (2 * more)
    cases = Error(spread * share, 2 * more * every)
    levels = of_cases.mean(axis=(0, 1))
    squares = ((levels - levels.mean()) ** 2).sum() / more
    level_cases = Error(np.array(squares * share), np.array(more))
    level = np.array(curve.values.mean())
    if not exchangeable(curve.key):
        return Fit(found, cases, cases, level, level_cases, level_cases)
    return Fit(found, runs, runs + cases, level, level_runs, level_runs + level_cases)
