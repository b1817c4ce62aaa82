"""Tests of one model seen from all angles, where chance lies in the test cases.

A curve of the sweep `eval` is a smooth function of θ: neighbouring angles resemble each other and
may not change places. What can be drawn again is what the model is shown. There are two ways, each
with a question of its own; z is a curve's complex coefficient at a period, value = Re(z e^{−ikθ}):

`case_tests`
    Test cases are a sample of cases. Do their curves share a wave, so that other cases would have
    it too? What the instrument adds is shared as well. So ask it of curves without the canvas:
    `turning`, or `excess` in a view with the canvas `disc`. Resampling is in these too, with waves
    of 90° and its parts; a sham view shows it, and the other test is blind to it.
`pre_rotation_tests`
    Every test picture was first turned by an angle φ of its own, drawn at random. A wave that
    belongs to what is in the picture then moves along by φ, and one that belongs to the grid of
    pixels, the canvas or the resampling stays. The draws of φ are the only chance that it needs:
    a small p is about these pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from thetascope.analysis.scores import DECIMALS, Array
from thetascope.analysis.settings import Permutations
from thetascope.analysis.waves import coefficients, known_periods

MIN_CASES = 8  # below, Hotelling's F rests on five or fewer degrees of freedom: hardly any power

Complex = NDArray[np.complex128]


def hotelling(samples: Array) -> tuple[Array, Array]:
    """Hotelling's one-sample test of "the mean of pairs is 0" (Hotelling 1931).

    Parameters
    ----------
    samples : ndarray
        Float [..., n, 2].

    Returns
    -------
    t_squared, p : ndarray
        Float [...]: T² = n m' S⁻¹ m, and P(F(2, n − 2) ≥ (n − 2) / (2 (n − 1)) T²). NaN where all
        pairs are one, or lie on a line.
    """
    n = samples.shape[-2]
    mean = samples.mean(axis=-2)
    about = samples - mean[..., None, :]
    covariance = about.mT @ about / (n - 1)
    flat = np.linalg.eigvalsh(covariance)[..., 0] <= 10.0 ** (-2 * DECIMALS)
    covariance[flat] = np.eye(2)
    solved = np.linalg.solve(covariance, mean[..., None])[..., 0]
    t_squared = np.where(flat, np.nan, n * (mean * solved).sum(axis=-1))
    return t_squared, stats.f.sf((n - 2) / (2 * (n - 1)) * t_squared, 2, n - 2)


def case_tests(theta: Array, values: Array, periods: Sequence[float]) -> Array:
    """Test H0 "over cases like these, the mean wave is 0" at every period.

    Each case gives one pair, cosine and sine; T² of the pairs needs no model of what makes cases
    differ, and takes into account that they may differ in one direction more than in another. A
    joint fit of all resolved periods keeps waves of one period out of the others.

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles].
    values : ndarray
        Float [angles, cases]: means over seeds and the items of each case.
    periods : sequence of float
        Degrees; divisors of 360, each once.

    Returns
    -------
    ndarray
        p, float [periods]. NaN at a period that the grid does not resolve, with fewer than
        `MIN_CASES` cases, and where all cases have one and the same wave.
    """
    known, asked = known_periods(theta, periods)
    p = np.full(len(periods), np.nan)
    if values.shape[1] >= MIN_CASES and asked:
        found = coefficients(theta, values, asked).round(DECIMALS)
        _, p[known] = hotelling(np.stack([found.real, found.imag], axis=-1))
    return p


@lru_cache(maxsize=2)
def _turns(size: int, permutations: Permutations) -> Complex:
    """Random turns e^{iφ}, complex [draws, size]; any whole multiple of φ is as uniform as φ."""
    rng = np.random.default_rng(permutations.seed)
    return np.exp(2j * np.pi * rng.random((permutations.draws, size)))


def pre_rotation_tests(
    theta: Array,
    values: Array,
    phi: Array,
    periods: Sequence[float],
    permutations: Permutations,
) -> Array:
    """Test H0 "an item's curve does not depend on how far its picture was turned beforehand".

    The statistic is |Σ (z − z̄) e^{ikφ}| over the items of all seeds. A wave of the picture's
    content has its crest at ψ − φ when the picture was turned by φ first, counter-clockwise as θ
    is: z = A e^{ik(ψ − φ)}, so all terms add up. What does not depend on φ adds up at random, and
    what all items have alike, such as the wave of resampling, is taken away by the mean of the
    seed's items, z̄. p counts the draws of other φ that reach what was observed (Phipson & Smyth
    2010), which is exact whatever the curves are, since φ was drawn and nothing else is supposed.

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles].
    values : ndarray
        Float [angles, items] or [angles, seeds, items].
    phi : ndarray
        Degrees, float [items] or [seeds, items]: drawn independently, uniform over the circle.
    periods : sequence of float
        Degrees; divisors of 360, each once.
    permutations : Permutations
        Draws, and their seed.

    Returns
    -------
    ndarray
        p, float [periods], at least 1 / (draws + 1). NaN at a period that the grid does not
        resolve, and with a single item.
    """
    known, asked = known_periods(theta, periods)
    p = np.full(len(periods), np.nan)
    if not asked or values.shape[-1] < 2:
        return p
    found = coefficients(theta, values.reshape(len(theta), -1), asked).round(DECIMALS)
    found = found.reshape(len(asked), *values.shape[1:])
    own = (found - found.mean(axis=-1, keepdims=True)).reshape(len(asked), -1)
    cycles = 360 / np.array(asked)[:, None]
    observed = abs((own * np.exp(1j * cycles * np.deg2rad(phi.ravel()))).sum(axis=-1))
    drawn = abs(_turns(own.shape[1], permutations) @ own.T)
    # what is equal up to rounding counts
    p[known] = (1 + (drawn >= observed * (1 - 1e-9)).sum(axis=0)) / (1 + permutations.draws)
    return p
