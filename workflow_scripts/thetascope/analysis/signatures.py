"""Whether one can tell from a curve over θ which data set or encoder it came from.

The follow-up (OpenReview 85rdlgTS50) calls such curves signatures. A curve is recognised by curves
of other seeds: runs of one seed, data set and angle share their random state, whatever their
encoder is, so that curves of one seed would be recognised by that. What is recognised need not have
been learnt: the same is asked of the footprint's curves and of probes of untrained encoders.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thetascope.analysis.bootstrap import shuffles
from thetascope.analysis.curves import KEY, Curve, place
from thetascope.analysis.downstream import NO_MAPS
from thetascope.analysis.inference import EXPLORATORY, corrected, question_of
from thetascope.analysis.permutation import p_value
from thetascope.analysis.scores import Array
from thetascope.analysis.settings import Analysis, Permutations
from thetascope.analysis.waves import staggered
from thetascope.angles import NONE
from thetascope.vocabulary import OF_OTHER_SEEDS

FACTORS = ["dataset", "encoder"]
KIND = [column for column in KEY if column not in FACTORS]
FOUND = ["accuracy", "chance", "p", "q", "permutations", "n_levels", "n_curves", "n_angles"]
COLUMNS = ["question", "factor", "across", "classifier", *KIND, *FOUND]
NO_LEARNING = "no learning"  # in the place of a question: what is known of curves without any
PART = 2**22  # similarities that are held at a time


@dataclass(frozen=True)
class Curves:
    """Curves to recognise: one of every level of a factor in every slot.

    A slot is one seed at one level of the other factor.

    Attributes
    ----------
    values : ndarray
        Float [slots, levels, angles], each curve about its mean.
    known : ndarray
        Bool [slots, slots]: by the curves of which slots those of each slot are recognised.
    """

    values: Array
    known: NDArray[np.bool_]

    @property
    def products(self) -> Array:
        """Inner products of all curves, float [slots · levels, slots · levels]."""
        flat = self.values.reshape(-1, self.values.shape[2])
        return flat @ flat.T


def _share_of_hits(scores: Array) -> Array:
    """Share of curves whose own level scores highest: [B, slots, own, level] → [B].

    Levels of equal score share the hit.
    """
    best = scores.max(axis=3, keepdims=True)
    size = np.abs(scores).max(axis=3, keepdims=True)
    first = scores >= best - 1e-9 * size
    own = np.diagonal(first, axis1=2, axis2=3) / first.sum(axis=3)
    share: Array = own.mean(axis=(1, 2))
    return share


def nearest_centroid(products: Array, known: NDArray[np.bool_]) -> Array:
    """Share of curves that are nearest to the mean of their own level, by Euclidean distance.

    Float [B, slots, levels, slots, levels] → [B].
    """
    share = known / known.sum(axis=1, keepdims=True)
    cross = np.einsum("tr,btcrk->btck", share, products)
    within = np.einsum("brksk->bkrs", products)
    own = np.einsum("tr,bkrs,ts->btk", share, within, share, optimize=True)
    return _share_of_hits(2 * cross - own[:, :, None])


def weighted_similarity(similarity: Array, known: NDArray[np.bool_]) -> Array:
    """Share of curves that resemble those of their own level most, by a weighted mean.

    A slot weighs as much as its curves resemble those of their own level in the other known slots
    more than those of other levels; where none does so, all weigh the same. Shapes as for
    `nearest_centroid`.
    """
    levels = similarity.shape[2]
    same = np.einsum("brksk->brs", similarity) / levels
    whole = similarity.mean(axis=(2, 4))
    margin = (same - whole) * (1 - np.eye(len(known)))
    weights = np.einsum("ts,brs->btr", known, margin).clip(min=0) * known
    weights = np.where(weights.any(axis=2, keepdims=True), weights, known)
    weights = weights / weights.sum(axis=2, keepdims=True)
    return _share_of_hits(np.einsum("btr,btcrk->btck", weights, similarity))


def _similarities(products: Array) -> dict[str, Array]:
    """Cosine and negative Euclidean distance of all curves; a flat one has no direction: 0."""
    squares = np.diagonal(products)
    size = np.sqrt(np.outer(squares, squares))
    distance = np.sqrt((squares + squares[:, None] - 2 * products).clip(min=0))
    cosine = np.divide(products, size, out=np.zeros_like(products), where=size > 0)
    return {"cosine": cosine, "euclidean": -distance}


def accuracies(curves_: Curves, permutations: Permutations) -> dict[str, Array]:
    """Share of curves that each classifier recognises, as observed and with levels shuffled.

    H0: curves of all levels are draws from one distribution. Then the curves of a slot may change
    places. Levels whose curves differ in noise alone break it for the two classifiers that see a
    curve's size; `cosine` sees its shape alone.

    Returns
    -------
    dict
        `centroid`: see `nearest_centroid`; `cosine`, `euclidean`: see `weighted_similarity`. Each
        float [1 + B], the observed share first.
    """
    slots, levels, _ = curves_.values.shape
    orders = shuffles((slots, levels), permutations)
    orders = np.concatenate([np.arange(levels)[None].repeat(slots, axis=0)[None], orders])
    places = (orders + levels * np.arange(slots)[:, None]).reshape(len(orders), -1)
    part = max(1, PART // places.shape[1] ** 2)

    def shuffled(of_pairs: Array, classify: Any) -> Array:
        found = [
            classify(
                of_pairs[some[:, :, None], some[:, None]].reshape(-1, *2 * (slots, levels)),
                curves_.known,
            )
            for some in np.split(places, range(part, len(places), part))
        ]
        return np.concatenate(found)

    products = curves_.products
    found = {"centroid": shuffled(products, nearest_centroid)}
    for name, similarity in _similarities(products).items():
        found[name] = shuffled(similarity, weighted_similarity)
    return found


def _arranged(found: dict[tuple[str, str], Curve], factor: str) -> Iterator[tuple[str, Curves]]:
    """Yield curves by how they are recognised: `seeds`, or `others`, levels of the other factor."""
    step = 1 if factor == FACTORS[0] else -1
    cells = {names[::step]: curve.cells for names, curve in found.items()}
    levels, others = (sorted(set(names)) for names in zip(*cells, strict=True))
    complete = [one for one in others if all((level, one) in cells for level in levels)]
    if len(levels) < 2 or not complete:
        return
    each = [[cells[level, one] for level in levels] for one in complete]
    values = np.moveaxis(np.array(each), 3, 1)  # [others, seeds, levels, angles]
    other, seed = (index.ravel() for index in np.indices(values.shape[:2]))
    values = values.reshape(-1, *values.shape[2:])
    another_seed = seed[:, None] != seed
    same = other[:, None] == other
    for across, known in ("seeds", another_seed & same), ("others", another_seed & ~same):
        if known.any(axis=1).all():
            yield across, Curves(values, known)


def _asked(curves: Iterable[Curve], analysis: Analysis) -> Iterator[tuple[str, Curve]]:
    """Yield curves that a question asks for, those of no map, and those without any learning."""
    # likeness to other seeds is one curve for two seeds: it would be recognised by itself
    found = [
        curve
        for curve in curves
        if not staggered(curve.theta) and curve.key["attribution"] != OF_OTHER_SEEDS
    ]
    keys = pd.DataFrame([curve.key for curve in found], columns=KEY)
    for curve, question in zip(
        found, question_of(keys, analysis.questions, {"period"}), strict=True
    ):
        key = curve.key
        plain = key["series"] == "value"
        untrained = key["training"] == NONE and key["attribution"] in NO_MAPS
        if plain and (untrained or key["attribution"] == "footprint"):
            yield NO_LEARNING, curve
        elif question != EXPLORATORY or (plain and key["attribution"] in NO_MAPS):
            yield question, curve


def signature_table(curves: Iterable[Curve], analysis: Analysis) -> pd.DataFrame:
    """Recognise data sets and encoders by the shape of their curves.

    Parameters
    ----------
    curves : iterable of Curve
        Of all arms, models and metrics.
    analysis : Analysis
        The configuration's section: its questions say which curves are meant, whichever period they
        ask for.

    Returns
    -------
    DataFrame
        One row per `factor` (what is recognised), `across` (`seeds`: by curves of other seeds of
        the same arm; `others`: by those of other seeds and other levels of the other factor, data
        set or encoder), `classifier` (see `accuracies`) and kind of curve, the columns `KIND`, with
        its `question`: `NO_LEARNING` for the footprint and for probes of encoders that were not
        trained. `accuracy`, `chance` (1 / levels), `p` (one-sided, of `accuracies`), `q`, corrected
        over rows of the same question and classifier; `n_levels`, `n_curves` and `n_angles`. There
        are no rows with one seed, one level, or seeds at angles of their own.
    """
    kinds: dict[Any, dict[tuple[str, str], Curve]] = defaultdict(dict)
    for question, curve in _asked(curves, analysis):
        names = curve.key["dataset"], curve.key["encoder"]
        kinds[question, place(curve.key, KIND), curve.theta.tobytes()][names] = curve
    rows = []
    for (question, kind, _), found in kinds.items():
        for factor in FACTORS:
            for across, of_kind in _arranged(found, factor):
                slots, levels, angles = of_kind.values.shape
                for classifier, shares in accuracies(of_kind, analysis.tests).items():
                    numbers = shares[0], 1 / levels, float(p_value(shares, shares)), np.nan
                    counts = analysis.permutations, levels, slots * levels, angles
                    rows.append((question, factor, across, classifier, *kind, *numbers, *counts))
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"held_angle": float, "q": float})
    table = corrected(table, ["question", "classifier"])
    return table.sort_values(COLUMNS[: 4 + len(KIND)], ignore_index=True)
