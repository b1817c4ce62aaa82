"""Curves of a metric over θ.

A curve is the mean score over items and seeds at each angle of a sweep.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thetascope.analysis.bootstrap import mean
from thetascope.analysis.scores import DECIMALS, MEASURES, Array, Scores
from thetascope.analysis.sweeps import OF_ONE_MODEL, sweeps
from thetascope.angles import FIXED
from thetascope.vocabulary import ARM, SCORE, SHARED

KEY = [*ARM, "training", "sweep", "held_angle", *SCORE, "series"]
COUNTS = ["n_angles", "n_angles_per_seed", "n_items", "n_left_out", "n_cases", "n_seeds"]
MIN_ANGLES = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Curve:
    """Scores over θ.

    Attributes
    ----------
    key : dict
        What the curve is of: the columns `KEY`. `held_angle` is None where no angle is held.
    theta : ndarray
        Angles in degrees, ascending, float [angles, seeds]: on a staggered grid every seed has its
        own. 0 and 360 are separate.
    values : ndarray
        Float [angles, seeds, items], finite.
    cases : ndarray
        The case of every item, text [items].
    counts : dict
        How much the curve rests on: the columns `COUNTS`. Left out are items that lack a score at
        some angle or seed.
    pre_rotation : ndarray or None
        Degrees by which each item's picture was turned beforehand, float [seeds, items]; NaN where
        it was not.
    """

    key: dict[str, Any]
    theta: Array
    values: Array
    cases: NDArray[np.str_]
    counts: dict[str, int]
    pre_rotation: Array | None = None

    @property
    def angles(self) -> Array:
        """All angles of all seeds, ascending, float [different angles]."""
        return np.unique(self.theta)

    @property
    def mean(self) -> Array:
        """Mean over seeds and items at each of `angles`; levels of seeds do not count in it."""
        means = self.values.mean(axis=2)
        about = (means - means.mean(axis=0)).ravel()
        _, place = np.unique(self.theta, return_inverse=True)
        curve: Array = np.bincount(place.ravel(), about) / np.bincount(place.ravel())
        return curve + means.mean()

    @property
    def cells(self) -> Array:
        """Means over items, each seed about its mean over angles: float [angles, seeds]."""
        means = self.values.mean(axis=2)
        return (means - means.mean(axis=0)).round(DECIMALS)

    @property
    def of_means(self) -> Curve:
        """The same with `cells` alone, of hardly any memory."""
        cases = np.array(["all"])
        return replace(self, values=self.cells[..., None], cases=cases, pre_rotation=None)

    @property
    def of_cases(self) -> Array:
        """Means over the items of every case, in their order: float [angles, seeds, cases]."""
        names, place = np.unique(self.cases, return_inverse=True)
        share = (place == np.arange(len(names))[:, None]) / np.bincount(place)[:, None]
        return self.values @ share.T


def _measures(scores: Scores) -> dict[str, Array]:
    """Value, chance, own cut and, of a network's map, value of the others' mean map."""
    named = {name: getattr(scores, name) for name in (*MEASURES, "others")}
    return {name: array for name, array in named.items() if array is not None}


def _margins(scores: Scores) -> Iterator[tuple[str, Array, dict[str, Array]]]:
    """Yield sweep, θ and measures of both means over the other angle, if all were crossed."""
    trained = [i for i, (how, *_) in enumerate(scores.cells) if how == FIXED]
    angles, evaluated = (sorted({scores.cells[i][place] for i in trained}) for place in (1, 2))
    sizes = len(angles), len(evaluated)
    if min(sizes) < MIN_ANGLES or len(trained) < sizes[0] * sizes[1]:
        return
    for sweep, theta, other in ("train_margin", angles, 1), ("eval_margin", evaluated, 0):
        measures = {
            name: mean(array[trained].reshape(*sizes, *array.shape[1:]), axis=other)
            for name, array in _measures(scores).items()
        }
        yield sweep, np.array(theta), measures


def _swept(scores: Scores) -> Iterator[tuple[dict[str, Any], Array, dict[str, Array]]]:
    """Yield what tells a sweep from others, its θ, and its measures."""
    for sweep, cells in sweeps(scores.cells).items():
        if len(cells) >= MIN_ANGLES:
            theta = np.array([sweep.theta(scores.cells[i]) for i in cells])
            place = {
                "training": sweep.training,
                "sweep": sweep.kind,
                "held_angle": sweep.held_angle,
            }
            yield place, theta, {name: m[cells] for name, m in _measures(scores).items()}
    for margin, theta, measures in _margins(scores):
        yield {"training": FIXED, "sweep": margin, "held_angle": None}, theta, measures


def curves(scores: Iterable[Scores]) -> Iterator[Curve]:
    """Yield every curve over at least four distinct angles, in three to five series each.

    The sweeps are `diagonal` (angle = eval_angle), `eval` (angle held at `held_angle`) and `train`
    (eval_angle held); with every run evaluated at every angle also the margins `train_margin` and
    `eval_margin`, means over the other angle. The series are `value`, `chance`, `excess`
    (value − chance), of maps of R_θ x `turning` (value − own cut): what turning the image did
    beyond cutting its corners off, and of a network's maps `picture` (value − that of the others'
    mean map): what a map owes to its own picture.

    An angle at which no item has a score is no part of the curve; such is θ = 0 for the plain
    gradient of a pair's cosine, which is at its maximum there. An item that lacks a score at any
    other angle is left out of the whole curve, so that no angle is averaged over other items than
    its neighbours.

    Parameters
    ----------
    scores : sequence of Scores
        Of all arms, models and metrics.
    """
    for one in scores:
        for place, theta, measures in _swept(one):
            value, chance = measures["value"], measures["chance"]
            found = np.isfinite(value)
            # chance may be known where there is no value: it stands beside values
            series = {"value": value, "chance": np.where(found, chance, np.nan)}
            series["excess"] = value - chance
            for name, other in ("turning", "own_cut"), ("picture", "others"):
                if other in measures and np.isfinite(measures[other]).any():
                    series[name] = value - measures[other]
            for name, values in series.items():
                key = one.key | place | {"series": name}
                if curve := _curve(key, theta, values, found, one):
                    yield curve


def _curve(
    key: dict[str, Any], theta: Array, values: Array, scored: NDArray[np.bool_], of: Scores
) -> Curve | None:
    """One series as a curve, None if of too few angles; `scored`: where it has a value."""
    some = np.asarray(scored.any(axis=2))  # [cells, seeds]
    seeds = np.flatnonzero(some.any(axis=0))  # on a staggered grid one may have none of them
    some, values = some[:, seeds], values[:, seeds]
    if len(set(some.sum(axis=0))) > 1:
        some[:] = some.any(axis=1, keepdims=True)
    if len(set(theta[some.any(axis=1)] % 360)) < MIN_ANGLES:
        return None
    # each seed has its own angles, as many as the others
    places = np.nonzero(some.T)[1].reshape(len(seeds), -1).T
    theta, values = theta[places], values[places, np.arange(len(seeds))]
    complete = np.isfinite(values).all(axis=(0, 1))
    if not complete.any():
        log.warning("no item has a score at all angles, left out: %s", key)
        return None
    turned = None if of.pre_rotation is None else of.pre_rotation[seeds][:, complete]
    cases = of.cases[complete]
    items = int(complete.sum()), int((~complete).sum()), len(set(cases))
    angles = len(np.unique(theta)), len(theta)
    counts = dict(zip(COUNTS, (*angles, *items, len(seeds)), strict=True))
    return Curve(key, theta, values[..., complete], cases, counts, turned)


def of_means(found: Iterable[Curve]) -> list[Curve]:
    """All curves without their items, which would fill the memory of a large study.

    Those of one model keep them: they are tested by their cases.
    """
    return [curve if curve.key["sweep"] in OF_ONE_MODEL else curve.of_means for curve in found]


def exchangeable(key: Mapping[str, Any]) -> bool:
    """Whether angles of such a curve may change places under H0 (see `inference`)."""
    random = key["model"] != "baseline" or key["attribution"] == "random"
    random &= key["attribution"] not in SHARED
    return random and key["series"] != "chance" and key["sweep"] not in OF_ONE_MODEL


def curve_table(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Put rows of curves into a table, sorted by those of its columns that tell curves apart."""
    return _sorted(pd.DataFrame(rows, columns=columns).astype({"held_angle": float}))


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table of several `curve_table`, the first of which may be of no curves."""
    filled = [table for table in tables if len(table)]  # types of columns are theirs
    if not filled:
        log.warning("no sweep has %d angles or more: no curves, an empty table", MIN_ANGLES)
    return _sorted(pd.concat(filled or tables[:1]))


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    """Rows by what tells curves apart; series and periods keep their order."""
    key = [column for column in KEY[:-1] if column in table]
    return table.sort_values(key, kind="stable", ignore_index=True)


def place(row: Mapping[Any, Any], columns: Sequence[str]) -> tuple[Any, ...]:
    """What a row of curves is of, to compare: what is missing equals itself only as None."""
    return tuple(None if pd.isna(row[column]) else row[column] for column in columns)


def by_place(table: pd.DataFrame, columns: list[str], value: str) -> dict[tuple[Any, ...], Any]:
    """Values of one column by the place of their rows."""
    rows = table[[*columns, value]].to_dict("records")
    return {place(row, columns): row[value] for row in rows}
