"""Bootstrap and permutation draws, shared by all curves of one shape.

Intervals are percentile bootstrap (Efron & Tibshirani 1993): items are drawn with replacement
within seeds, the same items for every seed, and seeds too where there are several. The draws depend
on the number of items and seeds alone, so all angles, models and metrics of a run see the same
items: their curves are paired. With one item and one seed there is nothing to draw and the interval
has no width; look at `n_items`. Items are drawn one by one, so where several share a case the
intervals are narrower than new cases would make them.
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from thetascope.analysis.scores import Array
from thetascope.analysis.settings import Bootstrap, Permutations


def bootstrap_means(values: Array, bootstrap: Bootstrap) -> Array:
    """Means over items and seeds in bootstrap draws, the same draws for every cell.

    Parameters
    ----------
    values : ndarray
        Float [cells, seeds, items]; NaN are left out of the means.
    bootstrap : Bootstrap
        Number of draws and seed.

    Returns
    -------
    ndarray
        Float [cells, draws]; NaN where a draw holds nothing of a cell.
    """
    rng = np.random.default_rng(bootstrap.seed)
    # how often each item and each seed is drawn; the weight of a score is the product
    items, seeds = (
        rng.multinomial(n, np.full(n, 1 / n), size=bootstrap.draws).astype(np.float64)
        for n in (values.shape[2], values.shape[1])
    )
    weights = np.einsum("bs,bi->sib", seeds, items).reshape(-1, bootstrap.draws)
    flat = values.reshape(len(values), -1)
    found = np.isfinite(flat)
    if found.all():
        return flat @ weights / weights.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(found, flat, 0) @ weights / (found @ weights)


@lru_cache(maxsize=8)
def shuffles(shape: tuple[int, ...], permutations: Permutations) -> NDArray[np.int32]:
    """Random orders of the last axis for arrays of this shape: [draws, *shape]."""
    # all draws of one seed together: curves take them seed by seed
    orders = np.empty((*shape[:-1], permutations.draws, shape[-1]), np.int32)
    orders = np.moveaxis(orders, -2, 0)
    orders[:] = np.arange(shape[-1])
    return np.random.default_rng(permutations.seed).permuted(orders, axis=-1, out=orders)


def interval(draws: Array, confidence: float) -> tuple[Array, Array]:
    """Percentile interval over the last axis: float [..., draws] → low and high, [...].

    Draws that are NaN are left out; an interval of none but such is NaN.
    """
    tails = [(1 - confidence) / 2, 1 - (1 - confidence) / 2]
    low, high = np.quantile(draws, tails, axis=-1)
    if (some := np.isnan(low)).any():  # numpy takes row by row to leave NaN out
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "All-NaN slice")
            low[some], high[some] = np.nanquantile(draws[some], tails, axis=-1)
    return low, high


def mean(values: Array, axis: int | tuple[int, ...]) -> Array:
    """Mean over some axes without what is NaN; NaN where that leaves nothing."""
    found = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(found, values, 0).sum(axis=axis) / found.sum(axis=axis)
