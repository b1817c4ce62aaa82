"""What an estimated wave or level leaves open: intervals, upper bounds and sets of phases.

An estimate of a wave is a point in the plane, its cosine and its sine. Under Gaussian noise it lies
about the truth like √variance · T, where T has the bivariate t distribution with the degrees of
freedom of the variance. All that follows is found by inverting that distribution, without drawing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from thetascope.analysis.scores import Array

TANGENTS = np.tan((np.arange(64) + 0.5) * np.pi / 128) ** 2  # of half the nodes' angles, squared
FAR = 300.0  # standard errors beyond which a wave's amplitude is distributed like a level


@dataclass(frozen=True)
class Error:
    """Variance of an estimate, and how well that is known itself.

    Attributes
    ----------
    variance : ndarray
        Of every component of the estimate, float [...].
    freedom : ndarray
        Degrees of freedom of the variance, float [...]; NaN where there are none.
    """

    variance: Array
    freedom: Array

    def __add__(self, other: Error) -> Error:
        """Of independent sources together (Satterthwaite 1946)."""
        total = self.variance + other.variance
        spread = self.variance**2 / self.freedom + other.variance**2 / other.freedom
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = np.where(spread > 0, total**2 / spread, np.fmin(self.freedom, other.freedom))
        return Error(total, freedom + 0 * spread)


def share_within(radius: Array, centre: Array, freedom: Array) -> Array:
    """Probability that |centre + T| ≤ radius, T of a bivariate t distribution.

    The density of T is the divergence of a radial field, so its integral over a disc is one round
    the disc's edge, which has no singular point. The nodes are drawn together where the edge is
    close to 0, by a map of the circle onto itself.

    Parameters
    ----------
    radius, centre, freedom : ndarray
        Float [...]; distances in standard errors.

    Returns
    -------
    ndarray
        Float [...].
    """
    x, a, nu = (np.asarray(one, dtype=np.float64)[..., None] for one in (radius, centre, freedom))
    narrow = np.minimum(1, 100 * (1 + (x - a) ** 2) / (1 + a * x))
    tangent = narrow * TANGENTS
    sine = tangent / (1 + tangent)  # of half the angle, squared
    square = (x - a) ** 2 + 4 * a * x * sine
    inside = -np.expm1(-nu / 2 * np.log1p(square / nu))
    field = np.where(square > 1e-12, inside / np.maximum(square, 1e-12), 0.5)
    step = np.sqrt(narrow) * (1 + TANGENTS) / (1 + tangent)
    share: Array = (field * x * (x - a + 2 * a * sine) * step).mean(axis=-1)
    return share


def centre_at(radius: Array, share: Array, freedom: Array) -> Array:
    """The centre ≥ 0 for which `share_within` is `share`; 0 where it is less at any centre.

    All are float [n].
    """
    found = radius - stats.t.ppf(share, freedom)
    near = radius < FAR
    radius, share, freedom = radius[near], share[near], freedom[near]
    low, high = np.zeros(radius.shape), 2 * radius + 10
    while (short := share_within(radius, high, freedom) > share).any():
        high = np.where(short, 2 * high, high)
    for _ in range(28):  # to a millionth of an error
        middle = (low + high) / 2
        beyond = share_within(radius, middle, freedom) > share
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    found[near] = low
    return found


def _in_errors(amplitude: Array, error: Error) -> tuple[Array, NDArray[np.bool_]]:
    """Amplitude in standard errors, infinite if it has none, and where its bounds can be found."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(amplitude == 0, 0 * error.variance, amplitude / np.sqrt(error.variance))
    return found, np.isfinite(found) & (error.freedom > 0)


def amplitude_interval(amplitude: Array, error: Error, confidence: float) -> tuple[Array, Array]:
    """Interval of amplitudes that are compatible with what was estimated: low and high, [...].

    The low end is 0 just where a test with the level (1 − confidence) / 2 finds no wave. NaN where
    the error is not known.
    """
    found, known = _in_errors(amplitude, error)
    low = np.full(found.shape, np.nan)
    share = np.full(known.sum(), (1 + confidence) / 2)
    low[known] = centre_at(found[known], share, error.freedom[known])
    low = np.where(np.isinf(found), amplitude, low * np.sqrt(error.variance))
    return low, amplitude_bound(amplitude, error, (1 + confidence) / 2)


def amplitude_bound(amplitude: Array, error: Error, confidence: float) -> Array:
    """Amplitude above which, with this confidence, there is no wave: float [...].

    An estimate that is small by luck would bound the wave by less than the noise, even by 0. So the
    chance of an estimate this small is held against the chance that it has without any wave, as
    particle physicists do (Read 2002).
    """
    found, known = _in_errors(amplitude, error)
    radius, freedom = np.maximum(found[known], 1e-3), error.freedom[known]
    high = np.full(found.shape, np.nan)
    share = (1 - confidence) * share_within(radius, np.zeros(len(radius)), freedom)
    high[known] = centre_at(radius, share, freedom)
    return np.where(np.isinf(found), amplitude, high * np.sqrt(error.variance))


def wave_p(amplitude: Array, error: Error) -> Array:
    """Probability of such an amplitude or more without any wave, [...] (F test)."""
    p: Array = stats.f.sf(_in_errors(amplitude, error)[0] ** 2 / 2, 2, error.freedom)
    return p


def phase_margin(amplitude: Array, error: Error, confidence: float) -> Array:
    """How far the true phase may lie from that of the estimate, radians [...].

    π, that is anywhere, where a test at the level 1 − confidence cannot tell the wave from none.
    Otherwise all phases across which the estimate is no longer than a t test allows.
    """
    quantile = stats.t.isf((1 - confidence) / 2, error.freedom)
    with np.errstate(invalid="ignore", divide="ignore"):
        margin = np.arcsin(np.minimum(1, quantile / _in_errors(amplitude, error)[0]))
        return np.where(wave_p(amplitude, error) <= 1 - confidence, margin, np.pi) + 0 * quantile


def level_interval(mean: Array, error: Error, confidence: float) -> tuple[Array, Array]:
    """Interval of a mean, low and high, [...] (Student's t)."""
    reach = stats.t.isf((1 - confidence) / 2, error.freedom) * np.sqrt(error.variance)
    return mean - reach, mean + reach


def level_p(mean: Array, error: Error) -> Array:
    """Two-sided p of a mean of 0, [...] (Student's t)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p: Array = 2 * stats.t.sf(np.abs(mean) / np.sqrt(error.variance), error.freedom)
    return p
