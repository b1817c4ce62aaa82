"""Whether histograms of oriented gradients (HoG) and an SVM tell x from R_θ x."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from thetascope.analysis.bootstrap import interval
from thetascope.analysis.gradient_orientation import FINE, binned, orientations, seen
from thetascope.analysis.scores import Array
from thetascope.analysis.settings import Bootstrap

HOG_SIDE = 224  # pixels; cells are given for images of this side
HOG_BINS = 9
FOLDS = 5
ACCURACY = ["accuracy", "ci_low", "ci_high", "n_items", "n_cases"]


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
    orientation, weight = orientations(image, mask, "hog")
    features = binned(orientation, weight, index, cells**2, HOG_BINS).ravel()
    return features / (np.linalg.norm(features) or 1)


def hog_pairs(images: NDArray, degrees: float, cells: Sequence[int]) -> list[Array]:
    """HoG of x and of R_θ x, resampled alike, of the pixels that both show.

    Parameters
    ----------
    images : ndarray
        [N, C, S, S].
    degrees : float
        θ.
    cells : sequence of int
        As for `hog`.

    Returns
    -------
    list of ndarray
        Float [N, 2, F] for each of `cells`; F differs.
    """
    found: list[list[list[Array]]] = [[] for _ in cells]
    for x in images:
        views, mask = matched_views(x, degrees), seen(x, degrees)
        for pairs, cell in zip(found, cells, strict=True):
            pairs.append([hog(view, mask, cell) for view in views])
    return [np.array(pairs) for pairs in found]


def hog_svm(pairs: Array, cases: Sequence[str] | NDArray, bootstrap: Bootstrap) -> dict[str, float]:
    """How well HoG and an SVM tell x from R_θ x in cases that they were not trained on.

    The experiment of both papers, with what else could tell the two apart taken away: both views
    are resampled alike, only pixels count that both show (`hog_pairs`), and no case is trained and
    tested on. Chance is 0.5, and exactly that where the two views are equal, since both views of an
    image are tested together and get the same answer.

    RBF kernel, C = 1, scikit-learn's default width, features standardised; five folds of whole
    cases, fewer if there are fewer cases.

    Parameters
    ----------
    pairs : ndarray
        Of `hog_pairs`, [N, 2, F].
    cases : sequence
        What each image belongs to, [N]; two or more different ones.
    bootstrap : Bootstrap
        Of the interval.

    Returns
    -------
    dict
        `accuracy`; `ci_low`, `ci_high`: percentile interval over cases drawn with replacement,
        1.5 times as wide for five folds, since they are trained on much the same (Nadeau & Bengio
        2003), of no width where all are right; `n_items`, `n_cases`.
    """
    names, number = np.unique(cases, return_inverse=True)
    n, folds = len(names), min(FOLDS, len(names))
    correct = np.empty(pairs.shape[:2], dtype=bool)
    for train, test in GroupKFold(folds).split(pairs, groups=number):
        model = make_pipeline(StandardScaler(), SVC())
        model.fit(np.concatenate(pairs[train]), np.tile([0, 1], len(train)))
        correct[test] = model.predict(np.concatenate(pairs[test])).reshape(-1, 2) == [0, 1]
    size, hits = (np.bincount(number, weight) for weight in (None, correct.mean(axis=1)))
    draws = np.random.default_rng(bootstrap.seed).multinomial(n, np.full(n, 1 / n), bootstrap.draws)
    accuracy = correct.mean()
    # training sets of the folds overlap, which the draws do not see
    wider = np.sqrt(1 + folds / (folds - 1))
    distance = wider * ((draws @ hits) / (draws @ size) - accuracy)
    low, high = np.clip(accuracy + np.array(interval(distance, bootstrap.confidence)), 0, 1)
    measures = (accuracy, low, high, len(pairs), n)
    return dict(zip(ACCURACY, measures, strict=True))


def hog_svm_table(
    images: NDArray,
    cases: Sequence[str] | NDArray,
    degrees: Sequence[float],
    cells: Sequence[int],
    bootstrap: Bootstrap,
) -> pd.DataFrame:
    """`hog_svm` for every size of cell and every θ, in the columns `hog_cell` and `theta`."""
    table = pd.DataFrame(
        {"hog_cell": cell, "theta": theta, **hog_svm(pairs, cases, bootstrap)}
        for theta in degrees  # outermost, since turning is what takes long
        for cell, pairs in zip(cells, hog_pairs(images, theta, cells), strict=True)
    )
    return table.sort_values(["hog_cell", "theta"], ignore_index=True)
