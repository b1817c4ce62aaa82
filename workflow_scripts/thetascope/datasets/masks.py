"""Decodes files of masks: grey or in colour, with a palette or in an alpha channel, with noise."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thetascope.datasets import pictures
from thetascope.datasets.pictures import Pixels, Stored
from thetascope.errors import UserError

log = logging.getLogger(__name__)

Labels = Sequence[int | str | Sequence[int]] | str | None

NOISE = 32  # what a lossy file adds to a value, but for edges
CLOSE = 96  # how far from its label a value of a lossy file may lie, in any channel
FLAT = 16  # a file with more values than these has soft edges or noise
COLOURS = 256  # and one with more colours than these
NAMED = 6  # values or colours in a message


class MaskReader:
    """Reads the masks of one set, and says in the end what cannot be right about them.

    Parameters
    ----------
    labels : sequence of int, of str or of sequences of int, "any", or None
        What is foreground, in the order of the classes 1, 2, …: values (of a palette the indices
        or, if they are none, the greys that it shows), or colours as "#rrggbb" or [r, g, b].
        "any" is whatever is not black, as one class. So is None, but for masks with soft edges or
        noise, of which only what reaches half of the range counts.

    Raises
    ------
    UserError
        If the labels are none.
    """

    def __init__(self, labels: Labels) -> None:
        self._any, self._values, self._colours = labels == "any", *_parse(labels)
        self._files = self._full = self._marked = self._dim = 0
        self._in_colour = 0  # files
        self._classes: set[int] = set()
        self._other: Counter[str] = Counter()  # pixels of values that no label names
        self._example: tuple[Path, Stored] | None = None  # the first that is not all 0

    def read(self, path: Path) -> Pixels:
        """Read a file as uint8 [H, W] with classes 1, 2, …; 0 is background.

        Raises
        ------
        UserError
            If the file cannot be read, or `labels` must say what is its foreground.
        """
        stored = pictures.read(path, None)
        shown = _shown(stored)
        if self._colours:
            mask = self._by_colour(shown, stored.lossy)
        elif self._values:
            mask = self._by_value(shown, stored, path)
        else:
            mask = self._by_strength(shown, stored, path)
        if self._example is None and stored.values.any():
            self._example = path, stored
        self._files += 1
        self._in_colour += shown.ndim == 3
        self._full += bool(mask.all())
        self._marked += int(np.count_nonzero(mask))
        self._classes |= set(_distinct(mask).tolist())
        return mask

    def check(self) -> None:
        """Judge all masks that were read.

        Raises
        ------
        UserError
            If none has any foreground though the files are not empty, or none any background.
        """
        wanted = self._colours or self._values
        for wrong, what in (
            (self._files and not self._marked, "foreground"),
            (not wanted and 1 < self._files == self._full, "background"),
        ):
            if wrong and self._example:
                path, stored = self._example
                raise UserError(f"{path}: no mask has any {what}; {_advice(stored)}")
        if self._in_colour and not wanted:
            log.info(
                "%d masks are in colour: all colours are one class, unless `labels` names some",
                self._in_colour,
            )
        lost = [str(label) for index, label in enumerate(wanted, 1) if index not in self._classes]
        if self._files and lost:
            log.warning("no mask holds the labels %s", ", ".join(lost))
        if self._other:
            named = ", ".join(f"{v} ({n} pixels)" for v, n in self._other.most_common(NAMED))
            log.warning("background, since `labels` does not name them: %s", named)
        if self._dim > self._marked / 5:
            log.warning(
                "%d pixels of masks are background, being below half of the range but not dark, "
                "and %d above; if these are several classes, name them in `labels`",
                self._dim,
                self._marked,
            )

    def _by_strength(self, shown: NDArray, stored: Stored, path: Path) -> Pixels:
        strength = shown if shown.ndim == 2 else shown.max(axis=2)
        noise = NOISE if stored.lossy else 0
        if self._any:
            return (strength > noise).astype(np.uint8)
        values = _distinct(strength)
        few = len(values) <= (2 if shown.ndim == 2 else FLAT)
        if few and not stored.lossy and (values[0] == 0 or len(values) == 1):
            return (strength > 0).astype(np.uint8)
        half = _half(strength)
        if noise < values[-1] < half:
            raise UserError(f"{path}: no value reaches half of the range; {_advice(stored)}")
        self._dim += int(np.count_nonzero((strength >= half / 4) & (strength < half)))
        return (strength >= half).astype(np.uint8)

    def _by_value(self, shown: NDArray, stored: Stored, path: Path) -> Pixels:
        values, labels = stored.values, np.array(self._values)
        indexed = stored.shown is not None or values.dtype == np.bool_
        if indexed and np.isin(labels[labels != 0], values).any():
            return self._exactly(values.astype(np.uint8), labels)
        if shown.ndim == 3:
            raise UserError(f"{path}: is in colour; {_advice(stored)}")
        if not stored.lossy:
            return self._exactly(shown, labels)
        apart = int(np.diff(np.unique([0, *labels])).min(initial=255))
        if apart <= NOISE:
            raise UserError(
                f"{path}: its compression blurs values that are only {apart} apart, as `labels` or "
                "one of them and 0 are; of values that lie together name one, or save masks as PNG"
            )
        return _nearest(shown[..., None], labels[:, None])

    def _by_colour(self, shown: NDArray, lossy: bool) -> Pixels:
        rgb = shown if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=2)
        codes, wanted = _code(rgb), np.array(self._colours)
        if lossy or len(np.unique(codes)) > COLOURS:
            return _nearest(rgb, wanted)
        return self._exactly(codes, _code(wanted), "#{:06x}")

    def _exactly(self, values: NDArray, labels: NDArray, form: str = "{}") -> Pixels:
        mask = np.zeros(values.shape, np.uint8)
        for index, label in enumerate(labels, start=1):
            mask[values == label] = index
        rest = _distinct(values[(mask == 0) & (values != 0)])
        if len(rest) <= FLAT:
            for value in rest:
                self._other[form.format(value)] += int(np.count_nonzero(values == value))
        elif len(rest):
            self._other[f"{len(rest)} others"] += int(np.count_nonzero(np.isin(values, rest)))
        return mask


def _parse(labels: Labels) -> tuple[tuple[int, ...], tuple[tuple[int, int, int], ...]]:
    """Labels as values or as colours."""
    if labels is None or labels == "any":
        return (), ()
    values = [label for label in labels if isinstance(label, int)]
    colours: list[tuple[int, int, int]] = []
    for label in () if isinstance(labels, str) else labels:
        if isinstance(label, str) and re.fullmatch("#[0-9a-fA-F]{6}", label):
            red, green, blue = bytes.fromhex(label[1:])
            colours.append((red, green, blue))
        elif not isinstance(label, int | str) and len(label) == 3 and set(label) <= set(range(256)):
            red, green, blue = label
            colours.append((red, green, blue))
    unlike = len(values or colours) != len(labels) or bool(values and colours)
    if unlike or not labels or len(set(values or colours)) != len(labels) or len(labels) > 255:
        shown = labels if isinstance(labels, str) else list(labels)
        raise UserError(
            f'labels: {shown!r}: must be "any", or different values such as [1, 2], or colours '
            'such as ["#ff0000", "#00ff00"] or [[255, 0, 0], [0, 255, 0]]'
        )
    return tuple(values), tuple(colours)


def _shown(stored: Stored) -> NDArray:
    """What a viewer shows of a mask on black: [H, W] of grey or [H, W, 3] in colour."""
    values = stored.values if stored.shown is None else stored.shown
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.ndim == 2:
        return values
    if values.dtype != np.uint8:
        values = (values * (255 / (2 * _half(values) - 1))).round().astype(np.uint8)
    if values.shape[2] in (2, 4):
        values, alpha = values[..., :-1], values[..., -1]
        if alpha.min() < 255:
            painted = (values.astype(np.uint16) * alpha[..., None] // 255).astype(np.uint8)
            if not painted.any() and alpha.min() < alpha.max():
                return alpha  # of black paint on nothing
            values = painted
    spread = values.max(axis=2) - values.min(axis=2)
    return values if spread.max() > (NOISE if stored.lossy else 0) else values[..., 0]


def _half(values: NDArray) -> float:
    """Half of the range that a mask's values can have."""
    if Stored(values).kind == "fractions":
        return 0.5 if values.max() <= 1 else 128
    return 128 if values.max() <= 255 else 2**15


def _distinct(values: NDArray) -> NDArray:
    """Different values in their order, without sorting the pixels of a large picture."""
    if values.dtype == np.uint8:
        # in parts, since bincount makes eight bytes of each
        parts = np.array_split(values.ravel(), 1 + values.size // 2**20)
        return np.flatnonzero(sum(np.bincount(part, minlength=256) for part in parts))
    return np.unique(values)


def _code(rgb: NDArray) -> NDArray:
    """Colours [..., 3] as one number each."""
    return rgb.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)


def _nearest(values: NDArray, labels: NDArray) -> Pixels:
    """Classes of values [H, W, k] by the nearest of labels [n, k]; 0 if black is, or none near."""
    mask = np.zeros(values.shape[:2], np.uint8)
    black = np.zeros_like(labels[:1])
    closest = np.full(values.shape[:2], CLOSE, np.int16)
    for index, label in enumerate(labels, start=1):
        distance = np.abs(values.astype(np.int16) - label.astype(np.int16)).max(axis=2)
        mask[distance < closest] = index
        closest = np.minimum(distance, closest)
    if labels.any(axis=1).all():
        mask[np.abs(values.astype(np.int16) - black).max(axis=2) < closest] = 0
    return mask


def _advice(stored: Stored) -> str:
    """Name what is in a mask, and what to write for it."""
    shown = _shown(stored)
    if stored.shown is None and shown.ndim == 3:
        return _advice_on_colours(shown, NOISE if stored.lossy else 0)
    values = stored.values if stored.shown is not None else shown
    found = [f"{v:g}" for v in _distinct(values)]
    what = "its palette's numbers" if stored.shown is not None else "its values"
    more = f" and {len(found) - NAMED} others" if len(found) > NAMED else ""
    chosen = ", ".join([v for v in found if v != "0"][-3:]) or "1"
    return (
        f"{what} are {', '.join(found[:NAMED])}{more}; say which are foreground, such as "
        f"`labels: [{chosen}]`, or `labels: any` for all that is not black"
    )


def _advice_on_colours(rgb: NDArray, noise: int) -> str:
    """The main colours: of those that lie together the commonest."""
    codes, counts = np.unique(_code(rgb), return_counts=True)
    main: dict[tuple[int, ...], int] = {}
    for code, count in sorted(
        zip(codes.tolist(), counts.tolist(), strict=True), key=lambda c: -c[1]
    )[:999]:
        colour = code >> 16, code >> 8 & 255, code & 255
        near = any(np.abs(np.subtract(colour, other)).max() < CLOSE for other in main)
        if max(colour) > noise and not near and count * 20 >= max(main.values(), default=0):
            main[colour] = count
    names = ['"#{:02x}{:02x}{:02x}"'.format(*colour) for colour in main][:NAMED]
    return (
        f"its colours are {', '.join(names)}; name one for each class, such as "
        f"`labels: [{', '.join(names[:2])}]`, or leave `labels` out to count all as one class"
    )
