"""Scores of all maps of one evaluation: beside chance, and beside the own cut."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thetascope.errors import UserError
from thetascope.saliency.metrics import (
    METRICS,
    Map,
    Mask,
    Scoring,
    binarised,
    rank_correlation,
    score,
    ssim,
)
from thetascope.vocabulary import ATTRIBUTION, OTHERS

Compared = tuple[Sequence[float], Sequence[float]]  # values and chance, one per item

DRAWS = 48  # random maps at most, where chance has no closed form
COLUMNS = ["item", "case", "pre_rotation", "model", "input", "attribution", "metric"]
COLUMNS += ["value", "chance", "own_cut"]

log = logging.getLogger(__name__)


def compare(saliency: Mapping[str, NDArray], key: str) -> dict[str, Compared]:
    """What tells of maps without a mask: other maps of the same items, and the model itself.

    Parameters
    ----------
    saliency : mapping
        As for `score_maps`.
    key : str
        `{model}.{input}.{attribution}`.

    Returns
    -------
    dict
        Metric → values of the n items and what is expected of a random map, over the pixels that
        the input shows:

        - `equivariance`, for the input `rotated`: rank correlation with the map of x; chance is 0.
        - `similarity_rank`, `similarity_ssim`, for randomised models: with the map of the intact
          model. Chance is 0, and the mean over random maps.
        - `deletion`, `insertion`, if `saliency` has them; chance is that of a random order.
    """
    model, input_, name = key.split(".")
    intact, randomised, _ = model.partition("-random-")
    where, maps = saliency[f"valid.{input_}"], saliency[key]
    found: dict[str, Compared] = {}
    if input_ == "rotated":
        of_x = saliency[f"{model}.original.{name}"]
        ranks = [rank_correlation(a, b, where) for a, b in zip(maps, of_x, strict=True)]
        found["equivariance"] = ranks, [0.0] * len(maps)
    if randomised:
        reference = saliency[f"{intact}.{input_}.{name}"]
        ranks = [rank_correlation(a, b, where) for a, b in zip(maps, reference, strict=True)]
        found["similarity_rank"] = ranks, [0.0] * len(maps)
        similar = [ssim(a, b, where) for a, b in zip(maps, reference, strict=True)]
        draws = quarter_turns(saliency[f"baseline.{input_}.random"])[:12]  # half a second per item
        of_draws = [float(np.mean([ssim(d, b, where) for d in draws])) for b in reference]
        found["similarity_ssim"] = similar, of_draws
    for area in ("deletion", "insertion"):
        if f"{key}.{area}" in saliency:
            claims = maps.any(axis=(1, 2))
            of_map, at_random = np.where(claims, saliency[f"{key}.{area}"], np.nan).tolist()
            found[area] = of_map, at_random
    return found


def quarter_turns(maps: NDArray) -> NDArray:
    """Random maps [n, S, S] turned by 90°, 180° and 270°: [at most `DRAWS`, S, S].

    They stand for other random maps: smooth noise and the pixels that a view shows are the same in
    distribution after a quarter turn.
    """
    turned = [np.rot90(maps, quarter, axes=(1, 2)) for quarter in (1, 2, 3)]
    return np.concatenate(turned)[:DRAWS]


def hits_by_rank(draws: NDArray, mask: Mask) -> NDArray[np.int32]:
    """How many of the highest 1, 2, … pixels of random maps lie in the mask.

    Float [draws, pixels] and bool [pixels] → [draws, pixels].
    """
    order = np.argsort(-draws, axis=1)
    return mask[order].cumsum(axis=1, dtype=np.int32)


def mean_precision(hits: NDArray[np.int32]) -> float:
    """Mean average precision of random maps: precision at the rank of every hit.

    Int [draws, pixels], as `hits_by_rank` gives it; NaN for a mask of no pixel.
    """
    if not hits[0, -1]:
        return np.nan
    in_mask = np.diff(hits, axis=1, prepend=0)
    precision = hits * in_mask / np.arange(1, hits.shape[1] + 1)
    return float(precision.sum(axis=1).mean() / hits[0, -1])


def chance(
    saliency: Map, mask: Mask, hits: NDArray[np.int32], precision: float, settings: Scoring
) -> dict[str, float]:
    """Scores that a random map can expect where this map was scored, at the cut that it was given.

    A random map has every pixel equally likely at every rank. So of k pixels that are called
    foreground, k · m / n are expected in a mask that has m of n pixels, however smooth the map is.
    That makes Dice 2 k m / (n (k + m)), relevance mass and pointing game m / n, AUROC 1/2. Average
    precision and `overlap` are not linear in the hits; they are the means over random maps.

    Parameters
    ----------
    saliency, mask, settings
        As for `score`; flat.
    hits : ndarray
        Of `hits_by_rank`: int [draws, pixels].
    precision : float
        Their `mean_precision`, which does not depend on the map.

    Returns
    -------
    dict
        As that of `score`, and NaN where that is.
    """
    names = [*METRICS, *settings.extra_metrics]
    if not mask.any() or mask.all() or not saliency.any():
        return dict.fromkeys(names, np.nan)
    m, n = int(mask.sum()), mask.size
    cuts = {name: int(found.sum()) for name, found in binarised(saliency, mask, settings).items()}
    expected = {f"dice_{name}": 2 * k * m / (n * (k + m)) for name, k in cuts.items()}
    for name, k in cuts.items():
        both = hits[:, k - 1] if k else 0
        expected[f"overlap_{name}"] = float(np.mean(2 * both / (k + m + both)))
    expected |= {"auprc": precision, "auroc": 0.5}
    expected |= dict.fromkeys(("relevance_mass", "pointing_game"), m / n)
    return {name: expected[name] for name in names}


def score_maps(
    saliency: Mapping[str, NDArray],
    ids: Sequence[str],
    cases: Sequence[str],
    settings: Scoring,
) -> pd.DataFrame:
    """Score all maps of one evaluation, each beside chance and beside the own cut.

    Parameters
    ----------
    saliency : mapping
        The contents of a `saliency.npz`: `{model}.{input}.{attribution}` float [n, S, S],
        `valid.{input}` bool [S, S] and `masks` uint8 [n, S, S] (foreground > 0); `pre_rotation`
        float [n] where pictures were turned first.
    ids, cases : sequence of str
        Of the n items.
    settings : Scoring
        As for `score`.

    Returns
    -------
    DataFrame
        Long format: `item`, `case`, `pre_rotation` (degrees; NaN where pictures were not turned),
        `model`, `input`, `attribution`, `metric`, `value`; `chance`, see `chance` and `compare`;
        and for maps of R_θ x `own_cut`, the score of the same model's map of x on the pixels that
        R_θ x shows. To the maps come two baselines: `others`, for every network the mean map of
        other cases (see `of_others`), and `footprint`, which calls all pixels foreground that the
        input shows; it has no own cut.

    Raises
    ------
    UserError
        If a map holds a value that is negative or not finite; names the item.
    """
    masks = saliency["masks"] > 0
    phi = saliency.get("pre_rotation", np.full(len(masks), np.nan))
    _check({key: of_items for key, of_items in saliency.items() if key.count(".") == 2}, ids)
    own = f".{ATTRIBUTION}"
    networks = [key.removesuffix(own) for key in saliency if key.endswith(own)]
    others = {f"{of}.{OTHERS}": of_others(saliency[of + own], cases) for of in networks}
    saliency = {**saliency, **others}
    rows = []
    for input_ in [key.removeprefix("valid.") for key in saliency if key.startswith("valid.")]:
        shown = saliency[f"valid.{input_}"]
        seen = masks[:, shown]
        if undefined := int((seen.all(axis=1) | ~seen.any(axis=1)).sum()):
            log.warning(
                "%d of %d masks have all or none of what %s shows: no score",
                *(undefined, len(seen), input_),
            )
        maps = {key: of_items for key, of_items in saliency.items() if _is_map(key, input_)}
        compared = {key: compare(saliency, key) for key in maps if key not in others}
        draws = quarter_turns(maps[f"baseline.{input_}.random"])[:, shown]
        maps[f"baseline.{input_}.footprint"] = np.ones(masks.shape, np.float32)
        for i, mask in enumerate(seen):
            hits = hits_by_rank(draws, mask)
            precision = mean_precision(hits)
            for key, of_items in maps.items():
                model, _, name = key.split(".")
                values = of_items[i][shown]
                value = score(values, mask, settings)
                by_chance = chance(values, mask, hits, precision, settings)
                own_cut = {}
                if input_ != "original" and (of_x := f"{model}.original.{name}") in saliency:
                    own_cut = score(saliency[of_x][i][shown], mask, settings)
                found = {m: (v, by_chance[m], own_cut.get(m, np.nan)) for m, v in value.items()}
                found |= {m: (v[i], c[i], np.nan) for m, (v, c) in compared.get(key, {}).items()}
                place = ids[i], cases[i], phi[i], model, input_, name
                rows += [(*place, metric, *scores) for metric, scores in found.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def _is_map(key: str, input_: str) -> bool:
    """Whether an array of a `saliency.npz` is maps of this input."""
    return key.count(".") == 2 and key.split(".")[1] == input_


def _check(maps: Mapping[str, NDArray], ids: Sequence[str]) -> None:
    """See that maps hold what can be scored, and say which claim nothing."""
    for key, of_items in maps.items():
        if zero := int((~of_items.any(axis=(1, 2))).sum()):
            log.info("%d of %d maps %s are zero everywhere: no score", zero, len(of_items), key)
        for item, values in zip(ids, of_items, strict=True):
            if not (np.isfinite(values).all() and values.min() >= 0):
                raise UserError(
                    f"saliency map {key} of item {item} holds values that are negative or not "
                    "finite; the model has probably diverged: check its losses and lower `lr`"
                )


def of_others(maps: NDArray, cases: Sequence[str]) -> NDArray[np.float64]:
    """Mean map of all items of other cases: [n, …] → the same shape, 0 where there are none.

    What it scores against an item's mask is not about that item's picture. It tells a map that
    follows the picture from one that shows where foreground mostly is, as human fixations on other
    pictures do in studies of gaze (Tatler et al. 2005). Items of one case, such as slices of a
    patient, show nearly the same, and foreground at the same place.
    """
    found, names = np.zeros(maps.shape), np.array(list(cases))
    for case in set(cases):
        own = names == case
        if not own.all():
            found[own] = maps[~own].mean(axis=0, dtype=float)
    return found


def sameness(maps: NDArray, cases: Sequence[str]) -> NDArray[np.float64]:
    """Pearson's correlation of each map with `of_others`.

    Float [n, pixels] and n names → [n]. NaN where there is no other case, or where either is
    constant.
    """
    of_all = maps.astype(float), of_others(maps, cases)
    a, b = (m - m.mean(axis=1, keepdims=True) for m in of_all)
    scale = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    varies = np.ptp(of_all, axis=2).all(axis=0)  # a constant is its mean but for rounding
    return np.divide((a * b).sum(axis=1), scale, out=np.full(len(maps), np.nan), where=varies)


def reliability_rows(
    saliency: Mapping[str, NDArray], ids: Sequence[str], cases: Sequence[str]
) -> pd.DataFrame:
    """How well the two halves of every map agree, and maps of different cases.

    Parameters
    ----------
    saliency, ids, cases
        As for `score_maps`.

    Returns
    -------
    DataFrame
        `item`, `case`, `model`, `input`, `attribution`, `split_half` (correlation of the maps of
        either half of the noise); `sameness` of the maps, and `mask_sameness` of the masks, with
        those of other cases on the pixels that the input shows; and, of the intact fine-tuned
        model, `predicted` (share of the picture's pixels that it calls foreground; 0 where its map
        is of all pixels for want of any).
    """
    shown = {k.removeprefix("valid."): v for k, v in saliency.items() if k.startswith("valid.")}
    masks = saliency["masks"] > 0
    of_masks = {k: sameness(masks[:, where], cases) for k, where in shown.items()}
    parts = []
    for key in (key for key in saliency if key.endswith(".split_half")):
        model, input_, name, _ = key.split(".")
        part = pd.DataFrame({"item": list(ids), "case": list(cases)})
        part = part.assign(model=model, input=input_, attribution=name, split_half=saliency[key])
        maps = saliency[key.removesuffix(".split_half")][:, shown[input_]]
        part["sameness"] = sameness(maps, cases)
        part["mask_sameness"] = of_masks[input_]
        predicted = saliency.get(f"predicted.{input_}") if model == "finetuned" else None
        parts.append(part.assign(predicted=np.nan if predicted is None else predicted))
    return pd.concat(parts, ignore_index=True)
