"""Gradient orientation: whether curves over θ follow the directions that the pictures hold.

If pictures have preferred orientations, x and R_θ x look alike at some θ and not at others, and
what tells them apart could follow. Three measurements: which orientations a set has (`histogram`),
how much they resemble themselves turned by θ (`autocorrelation`, held against the curves by
`curve_correlation`), and whether they tell x from R_θ x (`hog_svm`).

Orientations are of the gradient, across an edge and not along it, in degrees counter-clockwise from
the right, modulo 180: an edge looks the same with its sides exchanged. Only pixels count whose
gradient shows the picture and neither canvas nor padding (see `seen`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage, stats
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from thetascope.oscillation import DECIMALS, KEY, curves
from thetascope.tables import Array, Scores, bootstrap_means, interval

METHODS = ("structure_tensor", "hog")
FINE = {"sigma": 1.0, "radius": 2}  # pixels; Gaussian that takes away what the grid does not carry
WINDOW = 2.0  # pixels, σ of the structure tensor's mean
# pixels from the rim of the picture: two resamplings, smoothing and gradient reach less far
MARGIN = 7
HOG_SIDE = 224  # pixels; cells are given for images of this side
HOG_BINS = 9
FOLDS = 5
ACCURACY = ["accuracy", "ci_low", "ci_high", "n_items", "n_cases"]
CORRELATION = ["pearson", "spearman", "p", "shifts"]


# -- gradients -------------------------------------------------------------------------------------


def seen(image: NDArray, degrees: float = 0.0) -> NDArray[np.bool_]:
    """Which pixels show the picture in x and in R_θ x alike, `MARGIN` away from any rim.

    They lie in the inscribed disc, which a rotation maps onto itself, and not on black that made a
    square of the picture, neither where it lies in x nor where it lies in R_θ x: such an edge is
    straight and says nothing of the picture.

    Parameters
    ----------
    image : ndarray
        x, [C, S, S].
    degrees : float
        θ.

    Returns
    -------
    ndarray
        Bool [S, S].
    """
    size = image.shape[-1]
    filled: NDArray[np.bool_] = np.any(image, axis=0)
    padding = []
    for lines in filled, filled[::-1], filled.T[::-1], filled.T:  # from above, below, right, left
        first = lines.any(axis=1).argmax()
        # black that ends in a mostly filled line; a dark background does not end all at once
        padding.append(first if lines[first].mean() > 0.5 else 0)
    limits = size / 2 - MARGIN - np.array(padding)
    axis = np.arange(size) - (size - 1) / 2
    x, y = axis[None], -axis[:, None]
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    inside = np.hypot(x, y) <= size / 2 - MARGIN
    for right, up in (x, y), (cos * x + sin * y, cos * y - sin * x):
        for distance, limit in zip((up, -up, right, -right), limits, strict=True):
            inside &= distance <= limit
    return inside


def _gradient(image: NDArray, smooth: bool) -> tuple[Array, Array]:
    """Rightward and upward derivative of the channel that changes most: [C, S, S] → [S, S] each."""
    image = image.astype(np.float64)
    if smooth:
        down, right = (
            ndimage.gaussian_filter(image, order=order, axes=(1, 2), **FINE)
            for order in ((1, 0), (0, 1))
        )
    else:
        down, right = np.gradient(image, axis=(1, 2))
    strongest = np.hypot(down, right).argmax(axis=0)[None]
    right, down = (np.take_along_axis(part, strongest, axis=0)[0] for part in (right, down))
    return right, -down


def _orientation(image: NDArray, mask: NDArray[np.bool_], method: str) -> tuple[Array, Array]:
    """Orientation in [0, 180) and its weight, 0 outside the mask: [S, S] each."""
    right, up = (part * mask for part in _gradient(image, method == "structure_tensor"))
    if method == "hog":
        return np.rad2deg(np.arctan2(up, right)) % 180, np.hypot(right, up)
    xx, xy, yy = (
        ndimage.gaussian_filter(product, WINDOW) for product in (right**2, right * up, up**2)
    )
    # the length of this vector is coherence × energy, the difference of the eigenvalues
    along, across = xx - yy, 2 * xy
    return np.rad2deg(np.arctan2(across, along) / 2) % 180, np.hypot(along, across) * mask


def _binned(orientation: Array, weight: Array, cell: NDArray, cells: int, bins: int) -> Array:
    """Sum weights per cell and bin, divided between the two nearest bins: [cells, bins].

    Bin k is centred at k · 180 / bins.
    """
    place = orientation * bins / 180
    lower = np.floor(place).astype(int)
    share = place - lower
    total = np.zeros(cells * bins)
    for part, offset in (1 - share, 0), (share, 1):
        index = cell * bins + (lower + offset) % bins
        total += np.bincount(index.ravel(), (weight * part).ravel(), cells * bins)
    return total.reshape(cells, bins)


# -- histograms ------------------------------------------------------------------------------------


def histogram(images: NDArray, bins: int, method: str) -> Array:
    """How much gradient each picture has in every orientation.

    Parameters
    ----------
    images : ndarray
        [N, C, S, S]; at every pixel the channel of strongest gradient counts.
    bins : int
        Over 180°; bin k is centred at k · 180 / bins.
    method : {"structure_tensor", "hog"}
        `structure_tensor`: dominant orientation round each pixel, weighted by coherence × energy
        (Bigün & Granlund 1987). `hog`: gradient between the neighbours of each pixel, weighted by
        its magnitude (Dalal & Triggs 2005). That leans towards the diagonals where detail is of a
        few pixels, and towards all multiples of 45° where 8-bit images differ by a few grey levels.

    Returns
    -------
    ndarray
        Float [N, bins], each picture's sum 1; NaN for one without any gradient.
    """
    sums = np.empty((len(images), bins))
    for i, image in enumerate(images):
        orientation, weight = _orientation(image, seen(image), method)
        sums[i] = _binned(orientation, weight, np.zeros(weight.shape, int), 1, bins)[0]
    with np.errstate(invalid="ignore"):
        return sums / sums.sum(axis=1, keepdims=True)


def autocorrelation(histograms: Array, degrees: Sequence[float] | Array) -> Array:
    """Correlation of each histogram with itself turned by θ.

    Parameters
    ----------
    histograms : ndarray
        Float [N, bins], over 180°.
    degrees : sequence of float
        θ, [angles]; between whole bins interpolated linearly, period 180.

    Returns
    -------
    ndarray
        Float [N, angles], 1 at multiples of 180; NaN for a histogram that is flat or NaN.
    """
    bins = histograms.shape[1]
    about = histograms - histograms.mean(axis=1, keepdims=True)
    about[(abs(about) < 10.0**-DECIMALS).all(axis=1)] = 0
    products = np.stack([(about * np.roll(about, -k, axis=1)).sum(axis=1) for k in range(bins)])
    with np.errstate(invalid="ignore"):
        correlation = products / products[0]
    lags = np.arange(bins) * 180 / bins
    return np.stack([np.interp(degrees, lags, column, period=180) for column in correlation.T])


# -- curves ----------------------------------------------------------------------------------------


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


# -- can HoG tell x from R_θ x? --------------------------------------------------------------------


def turn(images: NDArray, degrees: float) -> NDArray:
    """Turn [..., S, S] counter-clockwise by cubic splines; multiples of 90° are exact."""
    if degrees % 90 == 0:
        return np.rot90(images, round(degrees / 90), axes=(-2, -1))
    return ndimage.rotate(images, degrees, axes=(-1, -2), reshape=False, mode="mirror")


def matched_views(image: NDArray, degrees: float) -> Array:
    """R_−h R_h x and R_θ−h R_h x: x and R_θ x, resampled alike, as `rotation.View` matches them.

    x as it is would be sharper than R_θ x. So both are turned by h, half of what θ is beyond the
    nearest multiple of 90°, and then the one back and the other on. At multiples of 90° nothing is
    resampled, and at 0 and 360 both are x.

    That makes both as blurred, but not in the same places: blur follows the moiré of the grids
    before and after, which in one view is the mirror image of that in the other. With bilinear
    interpolation that is enough to tell white noise from itself turned by 10° without a mistake.
    Hence cubic splines, and a filter that takes away what they cannot carry.

    Parameters
    ----------
    image : ndarray
        x, [C, S, S].
    degrees : float
        θ.

    Returns
    -------
    ndarray
        Float [2, C, S, S].
    """
    via = ((degrees + 45) % 90 - 45) / 2
    half = turn(image.astype(np.float64), via)
    views = np.stack([turn(half, -via), turn(half, degrees - via)])
    return ndimage.gaussian_filter(views, axes=(2, 3), **FINE)


def hog(image: NDArray, mask: NDArray[np.bool_], cell: int) -> Array:
    """Histogram of oriented gradients (Dalal & Triggs 2005), of the pixels in a mask.

    9 bins, in one block of all cells with L2 norm. Cells lie centred, what is left at the rim is
    left out. Unlike scikit-image's it can leave out corners.

    Parameters
    ----------
    image : ndarray
        [C, S, S].
    mask : ndarray
        Bool [S, S].
    cell : int
        Side of the cells in pixels, on images of 224 and more; on smaller images they shrink with
        the side.

    Returns
    -------
    ndarray
        Float [cells · cells · 9].
    """
    size = image.shape[-1]
    side = max(1, round(cell * min(1, size / HOG_SIDE)))
    cells = size // side
    place = (np.arange(size) - (size - cells * side) // 2) // side
    within = (place >= 0) & (place < cells)
    mask = mask & within[:, None] & within
    index = np.where(mask, place[:, None] * cells + place, 0)
    orientation, weight = _orientation(image, mask, "hog")
    features = _binned(orientation, weight, index, cells**2, HOG_BINS).ravel()
    return features / (np.linalg.norm(features) or 1)


def hog_svm(
    images: NDArray,
    cases: Sequence[str] | NDArray,
    degrees: float,
    cell: int,
    bootstrap: int,
    confidence: float,
    seed: int,
) -> dict[str, float]:
    """How well HoG and an SVM tell x from R_θ x in cases that they were not trained on.

    The experiment of both papers, with what else could tell the two apart taken away: both views
    are resampled alike (`matched_views`), only pixels count that both show (`seen`), and no case is
    trained and tested on. Chance is 0.5, and exactly that where the two views are equal, since both
    views of an image are tested together and get the same answer.

    RBF kernel, C = 1, scikit-learn's default width, features standardised; five folds of whole
    cases, fewer if there are fewer cases.

    Parameters
    ----------
    images : ndarray
        [N, C, S, S].
    cases : sequence
        What each image belongs to, [N]; two or more different ones.
    degrees : float
        θ.
    cell : int
        As for `hog`.
    bootstrap, confidence, seed
        Number of draws, of the interval, of the random state.

    Returns
    -------
    dict
        `accuracy`; `ci_low`, `ci_high`: percentile interval over cases drawn with replacement,
        1.5 times as wide for five folds, since they are trained on much the same (Nadeau & Bengio
        2003), of no width where all are right; `n_items`, `n_cases`.
    """
    pairs = np.array(
        [[hog(view, seen(x, degrees), cell) for view in matched_views(x, degrees)] for x in images]
    )
    names, number = np.unique(cases, return_inverse=True)
    n, folds = len(names), min(FOLDS, len(names))
    correct = np.empty(pairs.shape[:2], dtype=bool)
    for train, test in GroupKFold(folds).split(pairs, groups=number):
        model = make_pipeline(StandardScaler(), SVC())
        model.fit(np.concatenate(pairs[train]), np.tile([0, 1], len(train)))
        correct[test] = model.predict(np.concatenate(pairs[test])).reshape(-1, 2) == [0, 1]
    size, hits = (np.bincount(number, weight) for weight in (None, correct.mean(axis=1)))
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), bootstrap)
    accuracy = correct.mean()
    # training sets of the folds overlap, which the draws do not see
    wider = np.sqrt(1 + folds / (folds - 1))
    distance = wider * ((draws @ hits) / (draws @ size) - accuracy)
    low, high = np.clip(accuracy + np.array(interval(distance, confidence)), 0, 1)
    measures = (accuracy, low, high, len(images), n)
    return dict(zip(ACCURACY, measures, strict=True))


# -- tables ----------------------------------------------------------------------------------------


def _summary(values: Array, bootstrap: int, confidence: float, seed: int) -> dict[str, Array]:
    """Mean over items with interval: float [items, cells] → columns of [cells]; NaN left out."""
    low, high = interval(bootstrap_means(values.T[:, None], bootstrap, seed), confidence)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")
        mean = np.nanmean(values, axis=0)
    found = np.isfinite(values).sum(axis=0)
    return {"mean": mean, "ci_low": low, "ci_high": high, "n_items": found}


def orientation_tables(
    images: NDArray,
    bins: int,
    degrees: Sequence[float],
    bootstrap: int,
    confidence: float,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Orientations of a data set, and how much they resemble themselves turned by θ.

    Parameters
    ----------
    images : ndarray
        [N, C, S, S].
    bins : int
        As for `histogram`.
    degrees : sequence of float
        θ.
    bootstrap, confidence, seed
        As for `tables.dice_table`.

    Returns
    -------
    histograms : DataFrame
        One row per `histogram` (one of `METHODS`) and `direction` (centre of the bin in degrees):
        `mean` over items, `ci_low`, `ci_high`, `n_items` (with any gradient).
    autocorrelations : DataFrame
        One row per `histogram` and `theta`: `mean` over the items' autocorrelations, `ci_low`,
        `ci_high`, `n_items`, and `of_mean`, the autocorrelation of the mean histogram: lower
        where every item has an orientation of its own.
    """
    options = (bootstrap, confidence, seed)
    shares, likeness = [], []
    for name in METHODS:
        of_items = histogram(images, bins, name)
        share = _summary(of_items, *options)
        alike = _summary(autocorrelation(of_items, degrees), *options)
        alike["of_mean"] = autocorrelation(share["mean"][None], degrees)[0]
        directions = np.arange(bins) * 180 / bins
        shares.append(pd.DataFrame({"histogram": name, "direction": directions, **share}))
        likeness.append(pd.DataFrame({"histogram": name, "theta": degrees, **alike}))
    return pd.concat(shares, ignore_index=True), pd.concat(likeness, ignore_index=True)


def hog_svm_table(
    images: NDArray,
    cases: Sequence[str] | NDArray,
    degrees: Sequence[float],
    cells: Sequence[int],
    bootstrap: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """`hog_svm` for every size of cell and every θ: one row each, `cell`, `theta`, its columns."""
    options = (bootstrap, confidence, seed)
    return pd.DataFrame(
        {"cell": cell, "theta": theta, **hog_svm(images, cases, theta, cell, *options)}
        for cell in cells
        for theta in degrees
    )


def correlation_table(scores: Sequence[Scores], autocorrelations: pd.DataFrame) -> pd.DataFrame:
    """Hold every curve over θ against the autocorrelation of its data set's orientations.

    Parameters
    ----------
    scores : sequence of Scores
        Of all arms, models and metrics.
    autocorrelations : DataFrame
        `dataset`, `histogram`, `theta`, `mean`, with every θ of the curves.

    Returns
    -------
    DataFrame
        One row per curve (see `oscillation.curves`: before and after the null is subtracted, and
        the null itself) and `histogram`: the columns of `curve_correlation`.
    """
    means = autocorrelations.pivot(index=["dataset", "histogram"], columns="theta", values="mean")
    rows = [
        curve.key
        | {"histogram": name}
        | curve_correlation(
            curve.theta, curve.mean, means.loc[(curve.key["dataset"], name), curve.theta].to_numpy()
        )
        for curve in curves(scores)
        for name in METHODS
    ]
    table = pd.DataFrame(rows, columns=[*KEY, "histogram", *CORRELATION])
    # series keep their order
    return table.sort_values(KEY[:-1], kind="stable", ignore_index=True)
