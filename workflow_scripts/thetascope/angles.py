"""Angles: degrees as a float everywhere, but text in paths (`030.0`), or a word there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from thetascope.errors import UserError

# how an encoder was trained: at a fixed angle, with random rotation, not at all
FIXED, RANDOM, NONE = "fixed", "random", "none"
SAME = "same"  # among angles of evaluation: that of training


def label(degrees: float) -> str:
    """Write degrees as in paths: 30 → '030.0'. 360 stays apart from 0.

    Raises
    ------
    UserError
        If it is outside 0–360 or finer than a tenth of a degree.
    """
    tenths = Decimal(str(degrees)) * 10
    if not 0 <= tenths <= 3600 or tenths != int(tenths):
        raise UserError(
            f"angles: {degrees} is not an angle from 0 to 360 in steps of 0.1; change it"
        )
    return f"{tenths / 10:05.1f}"


def degrees(label: str) -> float:
    """Read degrees from a path's angle: '030.0' → 30.0."""
    return float(label)


def training(label: str) -> str:
    """How a run with this angle in its path was trained: `fixed`, `random` or `none`."""
    return label if label in (RANDOM, NONE) else FIXED


def is_fixed(label: str) -> bool:
    """Whether this is an angle in degrees rather than `random` or `none`."""
    return training(label) == FIXED


def divides_circle(period: float) -> bool:
    """Whether waves of this period in degrees come round to themselves after 360."""
    turns = 360 / period
    return math.isfinite(turns) and abs(turns - round(turns)) < 1e-9


def expand(spec: Mapping[str, float] | Sequence[float | str]) -> list[str]:
    """Angles of a grid {start, stop, step}, stop included, or of a list, as path labels.

    Raises
    ------
    UserError
        If an angle is out of range or listed more than once.
    """
    values: list[float | str]
    if isinstance(spec, Mapping):
        start, stop, step = (Decimal(str(spec[key])) for key in ("start", "stop", "step"))
        if step <= 0 or stop < start:
            raise UserError(
                f"angles: {dict(spec)} is empty; `step` must be above 0, `stop` ≥ `start`"
            )
        values = [float(start + i * step) for i in range(int((stop - start) / step) + 1)]
    else:
        values = list(spec)
    labels = [v if v in (RANDOM, NONE, SAME) else label(float(v)) for v in values]
    twice = (
        sorted({x for x in labels if labels.count(x) > 1}) if len(set(labels)) < len(labels) else []
    )
    if twice:
        raise UserError(f"angles: {', '.join(twice)} is listed more than once; remove one")
    return [str(x) for x in labels]
