"""Which results make a curve over θ: the one definition for tables, figures and explorer.

It needs the standard library alone, so that the rules can ask it which files to show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from thetascope.angles import FIXED, NONE, RANDOM, degrees, training

# how an encoder was trained (fixed, random, none), its angle if fixed, and that of evaluation
Cell = tuple[str, float | None, float]


OF_ONE_MODEL = ("eval", "eval_margin")  # sweeps whose angles all come from one run


@dataclass(frozen=True)
class Sweep:
    """What varies along a curve, and what is held.

    Attributes
    ----------
    kind : {"diagonal", "train", "eval"}
        Both angles together, that of training, or that of evaluation.
    training : {"fixed", "random", "none"}
        How the encoders were trained.
    held_angle : float or None
        The angle that does not vary, degrees; None where there is none.
    """

    kind: str
    training: str
    held_angle: float | None = None

    @property
    def meaning(self) -> str:
        """What θ is along the curve, in words."""
        if self.kind == "diagonal":
            return "Trained and evaluated at θ"
        if self.kind == "train":
            return f"Trained at θ, evaluated at {self.held_angle:g}°"
        trained = {
            RANDOM: "Trained at random angles",
            NONE: "No self-supervision",
            FIXED: f"Trained at {self.held_angle}°",
        }
        return f"{trained[self.training]}, evaluated at θ"

    def theta(self, cell: Cell) -> float:
        """Where on the curve a cell lies, in degrees."""
        _, angle, evaluated = cell
        return evaluated if self.kind == "eval" or angle is None else angle


def cell(angle: str, eval_angle: str) -> Cell:
    """Cell of two angles as paths have them: ('030.0', '060.0') → ('fixed', 30.0, 60.0)."""
    how = training(angle)
    return how, degrees(angle) if how == FIXED else None, degrees(eval_angle)


def sweeps(cells: Sequence[Cell]) -> dict[Sweep, list[int]]:
    """Every sweep over these cells, and which of them it holds, in their order."""
    return _sweeps(tuple(cells))


@lru_cache(maxsize=8)  # all metrics of an arm have the same cells
def _sweeps(cells: tuple[Cell, ...]) -> dict[Sweep, list[int]]:
    found = defaultdict(list)
    for i, (how, angle, evaluated) in enumerate(cells):
        if angle == evaluated:
            found[Sweep("diagonal", how)].append(i)
        found[Sweep("eval", how, angle)].append(i)
        if how == FIXED:
            found[Sweep("train", how, evaluated)].append(i)
    return dict(found)


def shown(cells: Sequence[Cell]) -> Sweep:
    """The sweep that figures, explorer and pictures of maps show.

    All training angles, each evaluated at itself if it was, else all at the smallest angle of
    evaluation. Where nothing was trained at a fixed angle: all angles of evaluation.
    """
    fixed = [one for one in cells if one[0] == FIXED]
    if not fixed:
        return Sweep("eval", max(how for how, *_ in cells))  # `random` rather than `none`
    trained = {angle for _, angle, _ in fixed}
    if trained == {angle for _, angle, evaluated in fixed if angle == evaluated}:
        return Sweep("diagonal", FIXED)
    return Sweep("train", FIXED, min(evaluated for *_, evaluated in fixed))


def of_curve(evaluations: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Those of these wildcards that lie on the curve that is shown, by their `theta` there."""
    cells = [cell(one["angle"], one["eval_angle"]) for one in evaluations]
    sweep = shown(cells)
    places = sweeps(cells)[sweep]
    found = [{**evaluations[i], "theta": sweep.theta(cells[i])} for i in places]
    return sorted(found, key=lambda one: float(one["theta"]))
