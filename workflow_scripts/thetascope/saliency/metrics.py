"""Scoring of saliency maps against ground-truth masks.

A map holds finite values ≥ 0, a mask is bool, both of one shape; a larger value claims more
relevance. Maps are scored on the pixels that their picture shows, and nothing else counts: what the
view has cut away can be neither found nor missed. What holds for every metric:

- A mask that has none or all of these pixels leaves nothing to find: all metrics are NaN.
- A map that is 0 everywhere claims nothing: all metrics are NaN. In any other, pixels whose map is
  0 are never foreground.
- A map that is constant where it is not 0 is binarised to exactly the pixels where it is not 0, by
  every rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skimage.filters import threshold_otsu
from skimage.metrics import structural_similarity

Map = NDArray[np.floating]
Mask = NDArray[np.bool_]

METRICS = (
    "dice_otsu",
    "dice_area",
    "dice_quantile",
    "auroc",
    "auprc",
    "relevance_mass",
    "pointing_game",
)


@dataclass(frozen=True)
class Scoring:
    """How maps are scored: what the configuration's `saliency` says of it.

    Attributes
    ----------
    quantile : float
        For `binarise_quantile`, in (0, 1).
    extra_metrics : Sequence of str
        Beside `METRICS`: `dice_positive`, which calls every pixel above 0 foreground, or
        `overlap_otsu`, `overlap_area`, `overlap_quantile`, `overlap_positive`: `overlap` in the
        place of Dice.
    """

    quantile: float
    extra_metrics: Sequence[str]


def dice(a: Mask, b: Mask) -> float:
    """Dice coefficient 2 |a ∩ b| / (|a| + |b|) of two masks (Dice 1945); NaN if both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else np.nan


def overlap(a: Mask, b: Mask) -> float:
    """2 |a ∩ b| / (|a| + |b| + |a ∩ b|), which the first paper's public notebook calls Dice.

    With the true Dice D it is 2 D / (2 + D): 2/3 where two masks agree. NaN if both are empty.
    """
    both, total = int((a & b).sum()), int(a.sum()) + int(b.sum())
    return 2 * both / (total + both) if total else np.nan


def binarise_otsu(saliency: Map) -> Mask:
    """Foreground by Otsu's threshold (1979) over all pixels, 256 bins."""
    # float64, since 256 bins do not fit between float32 values that nearly agree
    threshold = threshold_otsu(saliency.astype(np.float64))
    return (saliency >= threshold) & (saliency > 0)


def binarise_area(saliency: Map, area: int) -> Mask:
    """Foreground as the `area` largest values; values tied with the smallest of them all count."""
    threshold = -np.partition(-saliency, area - 1, axis=None)[area - 1] if area else np.inf
    return (saliency >= threshold) & (saliency > 0)


def binarise_quantile(saliency: Map, quantile: float) -> Mask:
    """Foreground as the values above this quantile of the map: 0.9 marks its top tenth."""
    return binarise_area(saliency, round((1 - quantile) * saliency.size))


def _tally(saliency: Map, mask: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count mask and other pixels at each distinct value of the map, largest first."""
    _, level, count = np.unique(saliency, return_inverse=True, return_counts=True)
    inside = np.bincount(level.ravel(), weights=mask.ravel()).astype(np.int64)
    return inside[::-1], (count - inside)[::-1]


def auroc(saliency: Map, mask: Mask) -> float:
    """Chance that a pixel of the mask outranks one outside it, ties counting half.

    The area under the ROC curve, as the Mann-Whitney statistic with midranks (Hanley & McNeil
    1982); NaN for an empty or full mask.
    """
    inside, outside = _tally(saliency, mask)
    pairs = inside.sum() * outside.sum()
    outranked = outside.sum() - outside.cumsum() + outside / 2
    return float(inside @ outranked / pairs) if pairs else np.nan


def auprc(saliency: Map, mask: Mask) -> float:
    """Average precision: precision at each distinct value, weighted by the recall it adds.

    The step-wise area under the precision-recall curve, without interpolation; NaN for an empty
    or full mask.
    """
    inside, outside = _tally(saliency, mask)
    if not inside.any() or not outside.any():
        return np.nan
    precision = inside.cumsum() / (inside + outside).cumsum()
    return float(inside @ precision / inside.sum())


def relevance_mass(saliency: Map, mask: Mask) -> float:
    """Share of the map's sum that lies in the mask (Arras et al. 2022); NaN for an all-zero map."""
    total = saliency.sum(dtype=np.float64)
    return float(saliency[mask].sum(dtype=np.float64) / total) if total else np.nan


def pointing_game(saliency: Map, mask: Mask) -> float:
    """Whether the map's maximum lies in the mask (Zhang et al. 2018): 0 or 1.

    With several maximal pixels it is the share of them in the mask, the expected score of a random
    choice among them.
    """
    return float(mask[saliency == saliency.max()].mean())


def rank_correlation(a: Map, b: Map, where: Mask) -> float:
    """Spearman's rank correlation of two maps on these pixels; NaN if one is constant there."""
    of_a, of_b = (pd.Series(m[where]).rank() for m in (a, b))
    return float(of_a.corr(of_b))


def ssim(a: Map, b: Map, where: Mask) -> float:
    """Structural similarity of two maps (Wang et al. 2004), mean over these pixels.

    Each map is divided by its maximum, since a gradient has no scale of its own; NaN if one is 0.
    """
    if not a.any() or not b.any():
        return np.nan
    scaled = [m.astype(np.float64) / m.max() for m in (a, b)]
    return float(structural_similarity(*scaled, data_range=1, full=True)[1][where].mean())


def binarised(saliency: Map, mask: Mask, settings: Scoring) -> dict[str, Mask]:
    """Foreground of a map by every rule, that of `area` as large as the mask."""
    return {
        "otsu": binarise_otsu(saliency),
        "area": binarise_area(saliency, int(mask.sum())),
        "quantile": binarise_quantile(saliency, settings.quantile),
        "positive": saliency > 0,
    }


def score(saliency: Map, mask: Mask, settings: Scoring) -> dict[str, float]:
    """Score one map by all of `METRICS`, and by more on demand.

    Parameters
    ----------
    saliency : ndarray
        Float, finite and ≥ 0: the map on the pixels to score.
    mask : ndarray
        Bool, of the same shape.
    settings : Scoring
        Which quantile, and what more.

    Returns
    -------
    dict
        Metric → value in [0, 1], or NaN by the module's rules.
    """
    names = [*METRICS, *settings.extra_metrics]
    if not mask.any() or mask.all() or not saliency.any():
        return dict.fromkeys(names, np.nan)
    found = binarised(saliency, mask, settings)
    scores = {f"dice_{name}": dice(foreground, mask) for name, foreground in found.items()}
    scores |= {f"overlap_{name}": overlap(foreground, mask) for name, foreground in found.items()}
    for metric in (auroc, auprc, relevance_mass, pointing_game):
        scores[metric.__name__] = metric(saliency, mask)
    return {name: scores[name] for name in names}
