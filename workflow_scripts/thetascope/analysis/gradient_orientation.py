"""Gradient orientation: whether curves over θ follow the directions that the pictures hold.

If pictures have preferred orientations, x and R_θ x look alike at some θ and not at others, and
what tells them apart could follow. Three measurements: which orientations a set has (`histogram`),
how much they resemble themselves turned by θ (`autocorrelation`, held against the curves in
`orientation_correlation`), and whether they tell x from R_θ x (`hog`).

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
from scipy import ndimage

from thetascope.analysis.bootstrap import bootstrap_means, interval
from thetascope.analysis.scores import DECIMALS, Array
from thetascope.analysis.settings import Bootstrap

METHODS = ("structure_tensor", "hog")
FINE = {"sigma": 1.0, "radius": 2}  # pixels; Gaussian that takes away what the grid does not carry
WINDOW = 2.0  # pixels, σ of the structure tensor's mean
# pixels from the rim of the picture: two resamplings, smoothing and gradient reach less far
MARGIN = 7


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


def orientations(image: NDArray, mask: NDArray[np.bool_], method: str) -> tuple[Array, Array]:
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


def binned(orientation: Array, weight: Array, cell: NDArray, cells: int, bins: int) -> Array:
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
        orientation, weight = orientations(image, seen(image), method)
        sums[i] = binned(orientation, weight, np.zeros(weight.shape, int), 1, bins)[0]
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


# -- tables ----------------------------------------------------------------------------------------


def _summary(values: Array, bootstrap: Bootstrap) -> dict[str, Array]:
    """Mean over items with interval: float [items, cells] → columns of [cells]; NaN left out."""
    low, high = interval(bootstrap_means(values.T[:, None], bootstrap), bootstrap.confidence)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")
        mean = np.nanmean(values, axis=0)
    found = np.isfinite(values).sum(axis=0)
    return {"value": mean, "ci_low": low, "ci_high": high, "n_items": found}


def orientation_tables(
    images: NDArray,
    bins: int,
    degrees: Sequence[float],
    bootstrap: Bootstrap,
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
    bootstrap : Bootstrap
        As for `tables.dice_table`.

    Returns
    -------
    histograms : DataFrame
        One row per `histogram` (one of `METHODS`) and `direction` (centre of the bin in degrees):
        `value` (mean over items), `ci_low`, `ci_high`, `n_items` (with any gradient).
    autocorrelations : DataFrame
        One row per `histogram` and `theta`: `value` (mean over the items' autocorrelations),
        `ci_low`, `ci_high`, `n_items`, and `of_mean`, the autocorrelation of the mean histogram:
        lower where every item has an orientation of its own.
    """
    shares, likeness = [], []
    for name in METHODS:
        of_items = histogram(images, bins, name)
        share = _summary(of_items, bootstrap)
        alike = _summary(autocorrelation(of_items, degrees), bootstrap)
        alike["of_mean"] = autocorrelation(share["value"][None], degrees)[0]
        directions = np.arange(bins) * 180 / bins
        shares.append(pd.DataFrame({"histogram": name, "direction": directions, **share}))
        likeness.append(pd.DataFrame({"histogram": name, "theta": degrees, **alike}))
    return pd.concat(shares, ignore_index=True), pd.concat(likeness, ignore_index=True)
