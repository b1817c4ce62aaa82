"""Which values are black and white in the pictures of a set: one scale for all of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thetascope.datasets import pictures
from thetascope.errors import UserError

log = logging.getLogger(__name__)

DEPTHS = (8, 10, 12, 14, 16)  # bit: of sensors, whatever a file has room for
FULL = 16


def check(value_range: Sequence[float] | None) -> None:
    """Raise a `UserError` if these are not the values of black and white."""
    if value_range is None:
        return
    if len(value_range) != 2 or not value_range[0] < value_range[1]:
        raise UserError(
            f"value_range: {list(value_range)}: must be two values, the one that is black and a "
            "higher one that is white"
        )


def scale_of(paths: Sequence[Path], value_range: Sequence[float] | None) -> pictures.Scale:
    """Find the values that are black and white in all pictures of a set.

    Without a range of the user's, black is 0 and white is 255 for bytes, 1 for fractions, and for
    other integers the highest number of the fewest bits, among 8, 10, 12, 14 and 16, that hold the
    highest value of the whole set.

    Parameters
    ----------
    paths : sequence of Path
        The images; what cannot be read is left to `read_image`.
    value_range : sequence of float or None
        The user's two values, see `check`; they hold for every file.

    Raises
    ------
    UserError
        If there is none and the values do not tell it: integers below 0 or of more than 16 bits,
        fractions outside 0–1, or pictures of fewer bits beside others.
    """
    if value_range is not None:
        return dict.fromkeys(("bytes", "integers", "fractions"), tuple(value_range))  # type: ignore[arg-type]
    seen = _survey(paths)
    scale = dict(pictures.BYTES)
    if "fractions" in seen:
        scale["fractions"] = (0, 1)
        _refuse_outside(seen["fractions"], 1, "fractions outside 0–1")
    if "integers" in seen:
        extremes = seen["integers"]
        _refuse_outside(extremes, 2**FULL - 1, "integers below 0 or of more than 16 bit")
        bits = next(bits for bits in DEPTHS if extremes.high < 2**bits)
        scale["integers"] = (0, 2**bits - 1)
        if bits < FULL and len(seen) > 1:
            other = seen.get("bytes", seen.get("fractions"))
            assert other  # noqa: S101 (there are two)
            raise UserError(
                f"{extremes.highest} holds integers up to {extremes.high:g} and {other.highest} "
                "values of another kind, so they share no scale; save all alike, or, if a number "
                f"is as bright in all, say so, such as with `value_range: [0, {2**bits - 1}]`"
            )
    for kind, extremes in seen.items():
        if kind != "bytes":
            _report(extremes, scale[kind])
    return scale


@dataclass
class Extremes:
    """Lowest and highest values of the files of one kind, and where they are."""

    low: float
    high: float
    bright: float  # the highest of their 99 % quantiles
    lowest: Path
    highest: Path


def _survey(paths: Sequence[Path]) -> dict[str, Extremes]:
    seen: dict[str, Extremes] = {}
    for path in paths:
        try:
            if pictures.is_bytes(path):
                seen.setdefault("bytes", Extremes(0, 255, 255, path, path))
                continue
            stored = pictures.read(path, None)
            values = pictures.without_alpha(stored.values)
            pictures.finite(values, path)
        except UserError:
            continue  # `read_image` will say so, or skip it
        low, high, bright = values.min(), values.max(), np.quantile(values, 0.99)
        found = seen.setdefault(stored.kind, Extremes(low, high, bright, path, path))
        if low < found.low:
            found.low, found.lowest = low, path
        if high > found.high:
            found.high, found.highest = high, path
        found.bright = max(found.bright, bright)
    return seen


def _refuse_outside(found: Extremes, most: float, what: str) -> None:
    if found.low < 0 or found.high > most:
        where = found.highest if found.high > most else found.lowest
        raise UserError(
            f"{where}: {what}, so black and white are not known: the set's values go from "
            f"{found.low:g} (in {found.lowest.name}) to {found.high:g} (in {found.highest.name}); "
            f"say which are black and white, such as `value_range: [{found.low:g}, {found.high:g}]`"
        )


def _report(found: Extremes, scale: tuple[float, float]) -> None:
    log.info(
        "deep pictures have values from %g to %g: %g is black, %g white (`value_range` changes it)",
        found.low,
        found.high,
        *scale,
    )
    if found.bright < scale[1] / 4:
        log.warning(
            "in every picture 99 %% of the pixels are below %g, a quarter of white, which is %g; "
            "if that is too dark, set `value_range`, such as [0, %.4g]",
            scale[1] / 4,
            scale[1],
            found.bright,
        )
