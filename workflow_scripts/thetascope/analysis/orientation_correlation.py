"""Whether curves over θ follow the autocorrelation of the images' gradient orientations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from thetascope.analysis.curves import KEY, curve_table, curves
from thetascope.analysis.gradient_orientation import METHODS
from thetascope.analysis.scores import DECIMALS, Array, Scores

CORRELATION = ["pearson", "spearman", "p", "shifts"]


def curve_correlation(theta: Array, curve: Array, reference: Array) -> dict[str, float]:
    """Correlate a curve over θ with an autocorrelation, and test it by shifting one of them.

    H0: where on the circle the curve lies has nothing to do with the reference. p is the share of
    all its shifts whose Pearson correlation is at least as strong, of either sign; the curve as it
    lies is one of them. This leaves the shape of both as it is. It does not tell the hypothesis
    from anything else that is tied to the axes of the image: canvas and resampling have their
    extremes at multiples of 90° too, where pictures of upright things have theirs.

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles]; where both 0 and 360 are there, 360 is left out.
    curve, reference : ndarray
        Float [angles]; the reference has period 180.

    Returns
    -------
    dict
        `pearson`, `spearman`; `p`; `shifts`: number of different shifts, p is a multiple of 1 /
        shifts. A shift by 180° changes nothing, so an even number of angles has half as many.
        Correlations with what is constant are NaN. Shifting needs equal steps round the full
        circle: on other grids p is NaN and `shifts` 0.
    """
    theta, once = np.unique(theta % 360, return_index=True)
    values, against = curve[once].round(DECIMALS), reference[once].round(DECIMALS)
    angles = len(theta)
    pearson, p, shifts = _correlation(values, against), np.nan, 0
    if np.allclose(np.diff(theta, append=theta[0] + 360), 360 / angles):
        shifts = angles if angles % 2 else angles // 2
        shifted = [abs(_correlation(np.roll(values, k), against)) for k in range(shifts)]
        if np.isfinite(pearson):
            p = float(np.mean(np.array(shifted) >= shifted[0] * (1 - 1e-9)))
    spearman = _correlation(stats.rankdata(values), stats.rankdata(against))
    return dict(zip(CORRELATION, (pearson, spearman, p, shifts), strict=True))


def _correlation(one: Array, other: Array) -> float:
    """Pearson's; NaN if either is constant."""
    one, other = one - one.mean(), other - other.mean()
    with np.errstate(invalid="ignore"):
        return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


def correlation_table(scores: Sequence[Scores], autocorrelations: pd.DataFrame) -> pd.DataFrame:
    """Hold every curve over θ against the autocorrelation of its data set's orientations.

    Parameters
    ----------
    scores : sequence of Scores
        Of all arms, models and metrics.
    autocorrelations : DataFrame
        `dataset`, `histogram`, `theta`, `value`, with every θ of the curves.

    Returns
    -------
    DataFrame
        One row per curve (see `curves.curves` for its series) and `histogram`: the columns of
        `curve_correlation`.
    """
    means = autocorrelations.pivot(index=["dataset", "histogram"], columns="theta", values="value")
    rows = [
        curve.key
        | {"histogram": name}
        | curve_correlation(
            curve.theta, curve.mean, means.loc[(curve.key["dataset"], name), curve.theta].to_numpy()
        )
        for curve in curves(scores)
        for name in METHODS
    ]
    return curve_table(rows, [*KEY, "histogram", *CORRELATION])
