"""Permutation tests of waves: angles change places within every seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import stats

from thetascope.analysis.bootstrap import shuffles
from thetascope.analysis.scores import DECIMALS, Array
from thetascope.analysis.settings import Permutations
from thetascope.analysis.waves import design, staggered

SAME = 1e-12  # difference of weights that is rounding
BLOCK = 64  # draws at a time: all of them would leave the processor's cache
FEW = 10  # draws that reach a statistic, below which their share says little


def _orthonormal(cells: Array) -> Array:
    """Orthonormal basis of the columns: float [angles, seeds, columns] → [angles, seeds, rank]."""
    basis, size, _ = np.linalg.svd(cells.reshape(-1, cells.shape[2]), full_matrices=False)
    return basis[:, size > 10.0**-DECIMALS].reshape(*cells.shape[:2], -1)


def shuffled_sums(weights: Array, cells: Array, permutations: Permutations) -> Array:
    """Weighted sums of cells, as observed and with the angles of every seed shuffled.

    The draws depend on the shape of `cells` alone, so several arrays of one shape are shuffled
    alike.

    Parameters
    ----------
    weights : ndarray
        Float [m, angles, seeds].
    cells : ndarray
        Float [angles, seeds], means over items.
    permutations : Permutations
        Number B of draws and seed.

    Returns
    -------
    ndarray
        Float [m, 1 + B], the observed sums first.
    """
    sums = np.einsum("mas,as->m", weights, cells)[:, None]
    if np.allclose(weights, weights[..., :1], rtol=0, atol=SAME):  # seeds are summed beforehand
        means = shuffled_means(cells, permutations)[:, 1:]
        level = weights[..., 0].sum(axis=1) * cells.mean(axis=0).sum()
        return np.hstack([sums, weights.sum(axis=2) @ means + level[:, None]])
    orders = shuffles(cells.T.shape, permutations)
    of_seeds = np.ascontiguousarray(weights.T)  # [seeds, angles, m]
    # many rows times few columns: the other way round BLAS takes more than twice as long
    draws = sum(own[orders[:, i]] @ of_seeds[i] for i, own in enumerate(cells.T))
    return np.hstack([sums, draws.T])


def shuffled_means(cells: Array, permutations: Permutations) -> Array:
    """Mean over seeds, as observed and with the angles of every seed shuffled, about its mean.

    As `shuffled_sums` draws: float [angles, seeds] → [angles, 1 + B], the observed means first.
    Read-only: the last ones are kept, since several tests of a curve ask for the same.
    """
    return _shuffled_means(np.float64(cells).tobytes(), cells.shape, permutations)


@lru_cache(maxsize=1)
def _shuffled_means(cells: bytes, shape: tuple[int, int], permutations: Permutations) -> Array:
    """`shuffled_means` of cells by their bytes: arrays are no keys of a cache."""
    of_seeds = np.frombuffer(cells).reshape(shape).T
    own = (of_seeds - of_seeds.mean(axis=1, keepdims=True)) / shape[1]
    orders = shuffles(own.shape, permutations)
    means = np.zeros((1 + permutations.draws, shape[0]))
    means[0] = own.sum(axis=0)
    for first in range(0, permutations.draws, BLOCK):
        block = means[1 + first : 1 + first + BLOCK]
        for values, of_seed in zip(own, orders[first : first + BLOCK].swapaxes(0, 1), strict=True):
            block += values[of_seed]
    means.flags.writeable = False
    return means.T


def p_value(statistic: Array, null: Array) -> Array:
    """Share of draws that reach the observed value, itself among them (Phipson & Smyth 2010).

    Float [..., 1 + B], the observed first → [...]. What is equal up to rounding counts.
    """
    return (null >= statistic[..., :1] * (1 - 1e-9)).mean(axis=-1)


def least_p(theta: Array) -> float:
    """The smallest p that all orders of these angles [angles, seeds] can give.

    On a circle of equal steps turning leaves the shares of waves as they are, and so does mirroring
    where it brings the angles of every seed onto themselves, so the best order has as many equals.
    """
    angles, seeds = theta.shape
    step = 360 / angles
    moved = 2 * (theta[0] - theta[0, 0]) / step  # by mirroring about the first seed's angle
    turned = angles * (2 if np.allclose(moved, moved.round()) else 1)
    equals = turned if np.allclose(np.diff(theta, axis=0), step) else 1
    return min(1.0, equals / math.factorial(angles) ** seeds)


def tail_p(share: Array, null: Array, least: float) -> Array:
    """`p_value` of a share of variance, beyond what the draws can say by their tail's slope.

    In Gaussian noise −log(1 − share) of a wave is exponential. So where fewer than `FEW` draws
    reach the observed share, p follows from the highest tenth of the draws (Knijnenburg et al. 2009
    fit such tails by a distribution with one parameter more). How far the observed one lies beyond
    the lowest of these, in units of the mean of the k others, is F(2, 2 k): so p comes at its rate,
    where an exponential of that mean would be too small. No p is below `least` (see `least_p`).

    Float [..., 1 + B] in [0, 1], the observed first → [...].
    """
    p = p_value(share, null)
    draws = -np.log1p(-np.minimum(null[..., 1:], 1 - 1e-12))
    observed = -np.log1p(-np.minimum(share[..., 0], 1 - 1e-12))
    tenth = draws.shape[-1] // 10
    if tenth < FEW:
        return np.maximum(p, least)
    tail = np.sort(draws, axis=-1)[..., -tenth:]
    start = tail[..., 0]
    slope = (tail[..., 1:] - start[..., None]).mean(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        far = (observed - start) / slope
    beyond = tenth / null.shape[-1] * stats.f.sf(far, 2, 2 * (tenth - 1))
    usable = (p < FEW / draws.shape[-1]) & (slope > 0)
    return np.maximum(np.where(usable, beyond, p), least)


@lru_cache(maxsize=8)  # curves over the same angles ask for the same
def _contributions(
    angles: bytes, shape: tuple[int, int], periods: tuple[float, ...], spike: bool
) -> tuple[Array, Array]:
    """What weights of the cells give the squares of every wave and of all columns together.

    Parameters
    ----------
    angles : bytes
        Of `theta`, float64 of this shape [angles, seeds]: arrays are no keys of a cache.

    Returns
    -------
    own : ndarray
        Float [periods, 2, angles, seeds]: what each period adds to all other columns, orthonormal.
    joint : ndarray
        Float [columns, angles, seeds]: an orthonormal basis of all.
    """
    theta = np.frombuffer(angles).reshape(shape)
    waves = design(theta, periods)
    zero = np.flatnonzero((theta % 360 == 0) & spike)
    dummies: Array = np.zeros((theta.size, len(zero)))
    dummies[zero, np.arange(len(zero))] = 1
    dummies = dummies.reshape(*theta.shape, len(zero))
    dummies = (dummies - dummies.mean(axis=0)).reshape(theta.size, len(zero))
    basis = np.linalg.qr(np.hstack([dummies, waves]))[0]
    free = waves - np.linalg.qr(dummies)[0] @ (np.linalg.qr(dummies)[0].T @ waves)
    inverse = np.linalg.inv(free.T @ free)
    own = []
    for i in range(0, waves.shape[1], 2):
        root = np.linalg.cholesky(inverse[i : i + 2, i : i + 2])
        own.append(np.linalg.solve(root, inverse[i : i + 2] @ free.T))
    return (
        np.reshape(own, (len(periods), 2, *theta.shape)),
        basis.T.reshape(-1, *theta.shape),
    )


def wave_shares(
    theta: Array,
    cells: Array,
    periods: Sequence[float],
    permutations: Permutations,
    spike: bool = False,
) -> Array:
    """Share that each wave has in the squares of all cells, as observed and shuffled.

    Without what the other periods explain: a share of the whole would take their waves for noise.
    For several columns Pillai's trace over its largest possible value, for one a monotone function
    of the F of harmonic regression.

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles, seeds].
    cells : ndarray
        Float [angles, seeds, columns]; the columns of an angle move together.
    periods : sequence of float
        Degrees; resolved by `theta`.
    permutations : Permutations
        As for `shuffled_sums`.
    spike : bool
        Whether θ = 0 has values of its own, beside the waves.

    Returns
    -------
    ndarray
        Float [periods, 1 + B] in [0, 1]. NaN if the fit leaves fewer degrees of freedom than there
        are columns.
    """
    columns = _orthonormal(cells - cells.mean(axis=0))
    n = columns.shape[2]
    own, joint = _contributions(np.float64(theta).tobytes(), theta.shape, tuple(periods), spike)
    if theta.size - theta.shape[1] - len(joint) < max(n, 1):
        return np.full((len(periods), 1 + permutations.draws), np.nan)
    if n == 0 or not periods:
        return np.zeros((len(periods), 1 + permutations.draws))
    weights = np.concatenate([own.reshape(-1, *theta.shape), joint])
    sums = np.stack([shuffled_sums(weights, c, permutations) for c in np.moveaxis(columns, 2, 0)])
    waves = sums[:, : 2 * len(periods)].reshape(n, len(periods), 2, -1)
    mine = np.einsum("ipfb,jpfb->pbij", waves, waves)
    all_ = np.einsum("ifb,jfb->bij", *2 * (sums[:, 2 * len(periods) :],))
    # all squares are 1 in an orthonormal basis; rounding is no noise to hold a wave against
    rest = (1 + 1e-9) * np.eye(n) - all_
    share: Array = np.trace(np.linalg.solve(rest + mine, mine), axis1=-2, axis2=-1)
    return share / max(1, min(n, 2))


def permutation_test(
    theta: Array,
    cells: Array,
    periods: Sequence[float],
    permutations: Permutations,
    spike: bool = False,
) -> tuple[Array, Array]:
    """Test H0 "angles are exchangeable within each seed" against waves of the given periods.

    The statistic is that of `wave_shares`. The test is exact under H0, and approximate for one
    period where there are waves of others, and beyond what the draws can tell (see `tail_p`).

    Parameters
    ----------
    theta, cells, periods, permutations, spike
        As for `wave_shares`.

    Returns
    -------
    p : ndarray
        Float [periods]; NaN where the statistic is.
    p_max : ndarray
        Float [periods]: against the largest statistic of any of the periods in each draw, which
        holds the family-wise error over them (Westfall & Young 1993).
    """
    share = wave_shares(theta, cells, periods, permutations, spike)
    highest = share.max(axis=0, initial=0)
    with np.errstate(invalid="ignore"):
        p, p_max = (tail_p(share, null, least_p(theta)) for null in (share, highest[None]))
    unknown = np.isnan(share[:, 0])
    # each by the slope of its own tail
    return np.where(unknown, np.nan, p), np.where(unknown, np.nan, np.maximum(p, p_max))


def agreement_test(theta: Array, cells: Array, permutations: Permutations) -> float:
    """Test whether seeds agree on a curve of any shape, by the squares of their mean.

    Parameters
    ----------
    theta, permutations
        As for `wave_shares`.
    cells : ndarray
        Float [angles, seeds, columns].

    Returns
    -------
    float
        p; NaN for one seed, where no permutation changes the mean's squares, and on staggered
        grids, where no angle has two seeds.
    """
    if cells.shape[1] == 1 or staggered(theta):
        return np.nan
    columns = np.moveaxis(_orthonormal(cells - cells.mean(axis=0)), 2, 0)
    means = [(shuffled_means(column, permutations) ** 2).sum(axis=0) for column in columns]
    between = np.sum(means, axis=0) if means else np.zeros(1 + permutations.draws)
    return float(p_value(between, between))
