"""Whether curves over θ follow the autocorrelation of the images' gradient orientations."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import stats

from thetascope.analysis.curves import KEY, Curve, curve_table, exchangeable
from thetascope.analysis.gradient_orientation import METHODS
from thetascope.analysis.permutation import p_value, shuffled_sums
from thetascope.analysis.scores import DECIMALS, Array
from thetascope.analysis.settings import Permutations

CORRELATION = ["pearson", "spearman", "p", "permutations"]


def curve_correlation(
    curve: Curve, reference: Array, permutations: Permutations
) -> dict[str, float]:
    """Correlate a curve over θ with an autocorrelation, and test it by shuffling angles.

    H0: θ has no influence on the curve, so that its angles may change places within every seed (see
    `inference`). p is the share of shuffles whose correlation with the reference is at least as
    strong, of either sign. It does not tell the hypothesis from anything else that is tied to the
    axes of the image: canvas and resampling have their extremes at multiples of 90° too, where
    pictures of upright things have theirs.

    Parameters
    ----------
    curve : Curve
        Over any angles.
    reference : ndarray
        Float [angles], at every angle of `curve.angles`.
    permutations : Permutations
        Number B of draws and seed.

    Returns
    -------
    dict
        `pearson`, `spearman` of the mean curve; `p`; `permutations`. Correlations with what is
        constant are NaN, and so is p where angles may not change places.
    """
    mean, against = curve.mean.round(DECIMALS), reference.round(DECIMALS)
    pearson, p = _correlation(mean, against), np.nan
    if exchangeable(curve.key) and np.isfinite(pearson):
        weights = against[np.searchsorted(curve.angles, curve.theta)]
        weights = weights - weights.mean(axis=0)
        sums = np.abs(shuffled_sums(weights[None], curve.cells, permutations))
        p = float(p_value(sums, sums)[0])
    spearman = _correlation(stats.rankdata(mean), stats.rankdata(against))
    found = pearson, spearman, p, permutations.draws
    return dict(zip(CORRELATION, found, strict=True))


def _correlation(one: Array, other: Array) -> float:
    """Pearson's; NaN if either is constant."""
    one, other = one - one.mean(), other - other.mean()
    with np.errstate(invalid="ignore"):
        return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


def correlation_table(
    curves: Iterable[Curve], autocorrelations: pd.DataFrame, permutations: Permutations
) -> pd.DataFrame:
    """Hold every curve over θ against the autocorrelation of its data set's orientations.

    Parameters
    ----------
    curves : iterable of Curve
        Of all arms, models and metrics.
    autocorrelations : DataFrame
        `dataset`, `histogram`, `theta`, `value`, with every θ of the curves.
    permutations : Permutations
        As for `curve_correlation`.

    Returns
    -------
    DataFrame
        One row per curve (see `curves.curves` for its series) and `histogram`: the columns of
        `curve_correlation`.
    """
    means = autocorrelations.pivot(index=["dataset", "histogram"], columns="theta", values="value")
    rows = []
    for curve in curves:
        for name in METHODS:
            reference = means.loc[(curve.key["dataset"], name), curve.angles].to_numpy()
            found = curve_correlation(curve, reference, permutations)
            rows.append(curve.key | {"histogram": name} | found)
    return curve_table(rows, [*KEY, "histogram", *CORRELATION])
