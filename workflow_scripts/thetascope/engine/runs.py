"""The runs that a configuration asks for: angle and seed of each, and what is done with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from thetascope import angles
from thetascope.datasets.options import has_masks
from thetascope.errors import UserError

GPU_RULES = ("pretrain", "finetune", "saliency", "perceptron")  # whose jobs compute with torch


def angles_and_seeds(config: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Angle, as path label, and seed of every run of an arm, by angle and then seed.

    Every angle with every seed; of a staggered grid each seed at its own angles, those of the first
    seed moved on by its place among the seeds, as a share of a step.

    Raises
    ------
    UserError
        If an angle is out of range or listed more than once, or the grid cannot be staggered.
    """
    spec, seeds = config["angles"], config["seeds"]
    each = [angles.expand(spec)] * len(seeds)
    if isinstance(spec, Mapping) and spec.get("stagger") and len(seeds) > 1:
        each = [angles.expand(grid) for grid in _staggered(spec, len(seeds))]
    return [pair for labels in zip(*each, strict=True) for pair in zip(labels, seeds, strict=True)]


def _staggered(spec: Mapping[str, float], seeds: int) -> list[dict[str, float]]:
    """The grid of every seed."""
    start, stop, step = (Decimal(str(spec[key])) for key in ("start", "stop", "step"))
    if step * 10 % seeds:
        raise UserError(
            f"angles: a step of {step} cannot be shared out among {seeds} seeds in tenths of a "
            f"degree; take a step that is a multiple of {seeds / 10}, or more or fewer seeds"
        )
    later, length = step / seeds, (stop - start) // step * step
    starts = [start + place * later for place in range(seeds)]
    if (last := starts[-1] + length) > 360:
        raise UserError(
            f"angles: staggered, the last of {seeds} seeds would end at {last}, beyond 360; a grid "
            "with both ends, 0 and 360, cannot be staggered: set `stop` to "
            f"{360 - step + later} or less, or take `stagger` away"
        )
    return [{"start": float(s), "stop": float(s + length), "step": float(step)} for s in starts]


def masked(config: Mapping[str, Any]) -> list[str]:
    """Names of the image sets that have masks, so that models can be fine-tuned and maps scored."""
    return [
        name
        for name, dataset in config["datasets"].items()
        if has_masks(dataset["adapter"], dataset)
    ]


def weights_of(pretrain: Mapping[str, Any], encoder: str) -> str | None:
    """File of an encoder's weights, where the configuration names one for it or one for all."""
    weights: Any = pretrain["weights"]
    found: str | None = weights.get(encoder) if isinstance(weights, Mapping) else weights
    return found


def notes(config: Mapping[str, Any]) -> Iterator[str]:
    """Sentences about what the workflow leaves out, and why."""
    for name in sorted(config["datasets"].keys() - masked(config)):
        yield f"{name} has no masks: no fine-tuned model, no scores of maps; probes remain"


def eval_angles(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """For each angle of training those at which its runs are evaluated, as path labels.

    `same`, alone or in a list, means the run's own angle; `random` and `none` have none of their
    own and are evaluated at every number of `angles`, as `all` does for every run: with a staggered
    grid at those of all seeds together.
    """
    spec = config["eval_angles"]
    trained = dict.fromkeys(angle for angle, _ in angles_and_seeds(config))
    numbers = list(filter(angles.is_fixed, trained))
    if isinstance(spec, str):
        asked = numbers if spec == "all" else [angles.SAME]
    else:
        asked = angles.expand(spec)
    found = {}
    for angle in trained:
        own = [angle] if angles.is_fixed(angle) else numbers
        found[angle] = sorted({x for one in asked for x in (own if one == angles.SAME else [one])})
    return found
