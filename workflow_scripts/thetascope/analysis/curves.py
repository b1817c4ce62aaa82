"""Curves of a metric over θ.

A curve is the mean score over items and seeds at each angle of a sweep.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from thetascope.analysis.bootstrap import mean
from thetascope.analysis.scores import RUN, SCORE, Array, Scores
from thetascope.angles import degrees, is_fixed

KEY = [*RUN, "sweep", "at", *SCORE, "series"]
COUNTS = ["n_angles", "n_items", "n_left_out", "n_seeds"]
MIN_ANGLES = 4
DECIMALS = 9  # scores have six digits; what lies beyond these is rounding, no peak and no ripple

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Curve:
    """Scores over θ.

    Attributes
    ----------
    key : dict
        What the curve is of: `dataset`, `view`, `encoder`, `method`, `sweep`, `at`, `model`,
        `orientation`, `map`, `metric`, `series`.
    theta : ndarray
        Angles in degrees, ascending, float [angles]. 0 and 360 are separate.
    values : ndarray
        Float [angles, seeds, items], finite.
    left_out : int
        Items that are not in `values`, since they lack a score at some angle or seed.
    """

    key: dict[str, str]
    theta: Array
    values: Array
    left_out: int

    @property
    def mean(self) -> Array:
        """Mean over seeds and items, float [angles]."""
        return self.values.mean(axis=(1, 2))

    @property
    def cells(self) -> Array:
        """Means over items, each seed about its mean over angles: float [angles, seeds]."""
        means = self.values.mean(axis=2)
        return (means - means.mean(axis=0)).round(DECIMALS)

    @property
    def counts(self) -> dict[str, int]:
        """Columns that say how much the curve rests on."""
        angles, seeds, items = self.values.shape
        return dict(zip(COUNTS, (angles, items, self.left_out, seeds), strict=True))


def _sweeps(scores: Scores) -> Iterator[tuple[str, str, list[str], Array, Array]]:
    """Yield (sweep, at, angles of the curve, value, null) wherever there are enough angles."""
    chosen = defaultdict(list)  # sweep, at, which of the two angles varies → cells
    for i, (angle, evaluated) in enumerate(scores.cells):
        if angle == evaluated:
            chosen["diagonal", "same", 0].append(i)
        chosen["eval", angle, 1].append(i)
        if is_fixed(angle):
            chosen["train", evaluated, 0].append(i)
    for (sweep, at, varies), cells in chosen.items():
        if len(cells) >= MIN_ANGLES:
            labels = [scores.cells[i][varies] for i in cells]
            yield sweep, at, labels, scores.value[cells], scores.null[cells]
    # the margins, where every run is evaluated at every angle
    trained = [i for i, cell in enumerate(scores.cells) if is_fixed(cell[0])]
    angles, evaluated = (sorted({scores.cells[i][varies] for i in trained}) for varies in (0, 1))
    sizes = len(angles), len(evaluated)
    if min(sizes) >= MIN_ANGLES and len(trained) == sizes[0] * sizes[1]:
        grids = [
            array[trained].reshape(*sizes, *array.shape[1:])
            for array in (scores.value, scores.null)
        ]
        for sweep, labels, other in ("train", angles, 1), ("eval", evaluated, 0):
            value, null = (mean(grid, axis=other) for grid in grids)
            yield sweep, "mean", labels, value, null


def curves(scores: Iterable[Scores]) -> Iterator[Curve]:
    """Yield every curve over at least four distinct angles, in four series each.

    The sweeps are `diagonal` (angle = eval_angle), `eval` (angle fixed at `at`) and `train`
    (eval_angle fixed at `at`); with every run evaluated at every angle also the margins, `at` =
    `mean` over the angles of the other. The series are `value`, `footprint` (its null), `excess`
    (value − null) and `residual` (value − share · null, see `footprint_share`). An angle at which
    no item has a score is no part of the curve; such is θ = 0 for the plain gradient of a pair's
    cosine, which is at its maximum there. An item that lacks a score at any other angle is left out
    of the whole curve, so that no angle is averaged over other items than its neighbours.

    Parameters
    ----------
    scores : sequence of Scores
        Of all arms, models and metrics.
    """
    for one in scores:
        for sweep, at, labels, value, null in _sweeps(one):
            found = np.isfinite(value) & np.isfinite(null)
            scored = found.any(axis=(1, 2))
            theta = np.array([degrees(label) for label in labels])[scored]
            if len(set(theta % 360)) < MIN_ANGLES:
                continue
            value, null = value[scored], null[scored]
            complete = found[scored].all(axis=(0, 1))
            place = one.key | {"sweep": sweep, "at": at}
            if not complete.any():
                log.warning("no item has a score at all angles, left out: %s", place)
                continue
            value, null = value[..., complete], null[..., complete]
            series = {
                "value": value,
                "footprint": null,
                "excess": value - null,
                "residual": value - footprint_share(value, null) * null,
            }
            for name, values in series.items():
                yield Curve(place | {"series": name}, theta, values, int((~complete).sum()))


def footprint_share(value: Array, footprint: Array) -> float:
    """Share of the footprint's curve that takes most away from a curve, 0 to 1.

    Maps that know nothing follow the footprint, maps that claim no corner do not notice it, and
    subtracting it gives these a wave that they do not have. How much of it a map takes up is not
    known; what is left after this share is the least that any share leaves of the mean curve.

    Parameters
    ----------
    value, footprint : ndarray
        Float [angles, seeds, items].
    """
    of_value, of_footprint = (array.mean(axis=(1, 2)) for array in (value, footprint))
    of_footprint = (of_footprint - of_footprint.mean()).round(DECIMALS)
    square = float(of_footprint @ of_footprint)
    return float(np.clip(of_value @ of_footprint / square, 0, 1)) if square > 0 else 0.0


def exchangeable(key: Mapping[str, str]) -> bool:
    """Whether angles of such a curve may change places under H0 (see `inference`)."""
    chance = key["series"] != "footprint" and key["model"] != "baseline"
    return chance and key["sweep"] != "eval"


def curve_table(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Put rows of curves into a table, sorted by those of its columns that tell curves apart."""
    if not rows:
        log.warning("no sweep has %d angles or more: no curves, an empty table", MIN_ANGLES)
    key = [column for column in KEY[:-1] if column in columns]
    # series and periods keep their order
    return pd.DataFrame(rows, columns=columns).sort_values(key, kind="stable", ignore_index=True)
