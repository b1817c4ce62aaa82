"""Anybody's images and masks: pairs of files in a folder, foreground as the options say."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thetascope.datasets import listing
from thetascope.datasets import pairs as pairing
from thetascope.datasets.items import Item
from thetascope.datasets.listing import Listed
from thetascope.datasets.pairs import Pair
from thetascope.errors import UserError

log = logging.getLogger(__name__)

MODES = {"grey": "L", "rgb": "RGB"}
Pixels = NDArray[np.uint8]


def load(
    path: str,
    images: str,
    masks: str,
    image_key: str = "(.+)",
    mask_key: str = "(.+?)(?:_mask|_seg)?",
    several_masks: str | None = None,
    colour: str = "rgb",
    labels: Sequence[int] | None = None,
    cases: str | None = None,
    case_key: str | None = None,
    case_size: int = 1,
    on_error: str = "stop",
) -> Listed:
    """Find the pairs of images and masks in a folder, in the natural order of their keys.

    Parameters
    ----------
    path : str
        The folder, or one above it that holds no other that the patterns fit.
    images, masks : str
        Patterns of the files below it, such as `images/*.jpg`, see `listing.find`.
    image_key, mask_key : str
        Regular expressions for a file's name without its suffix or, with a slash in them, for its
        path without it; their group is the key, which an image shares with its mask and which
        becomes the item's id.
    several_masks : {"unite", "classes"} or None
        What several mask files of one key are: parts of one foreground, or classes 1, 2, … in the
        order of what else is in their paths. None refuses them.
    colour : {"rgb", "grey"}
        Three channels or one.
    labels : sequence of int or None
        Values in the masks that are foreground, in the order of their classes 1, 2, …; None takes
        everything from half of the range as the one class, whatever noise a JPEG has added.
    cases : str or None
        A CSV file with columns `id` and `case`: which items belong together.
    case_key : str or None
        Instead of such a file, a regular expression for ids, whose group is the case.
    case_size : int
        Without either, how many neighbours in the order of keys make a case: 1 if every picture is
        of another patient, more for the frames of a video.
    on_error : {"stop", "skip"}
        What to do about a file that cannot be used.

    Returns
    -------
    Listed
        Its items raise what is wrong inside the files.

    Raises
    ------
    UserError
        If the folder or a partner is missing, two files share a key, a file cannot be used, or the
        masks hold small numbers and `labels` does not say which are foreground.
    """
    for name, value, known in (
        ("colour", colour, MODES),
        ("several_masks", several_masks, (None, "unite", "classes")),
        ("on_error", on_error, ("stop", "skip")),
    ):
        if value not in known:
            raise UserError(f"{name}: {value!r}: must be one of {', '.join(filter(None, known))}")
    if case_size < 1:
        raise UserError(f"case_size: {case_size}: must be at least 1")
    top = listing.descend(path, lambda folder: _fit(folder, images, masks))
    left_out: list[str] = []
    unused: list[str] = []
    pairs = pairing.pairs(top, images, masks, image_key, mask_key, several_masks, unused)
    keys = [pair.key for pair in pairs]
    neighbours = [f"case-{index // case_size:05d}" for index in range(len(keys))]
    folders = [top, listing.user_path(path)]
    of_case = pairing.cases(keys, folders, cases, case_key, neighbours)
    pairing.check([pair.problem for pair in pairs], on_error)
    sound = [pair for pair in pairs if not pair.problem]
    used = {case for pair, case in zip(pairs, of_case, strict=True) if not pair.problem}
    files = [file for pair in sound for file in (pair.image, *pair.masks)]
    files += [pairing.case_file(folders, cases)] if cases else []
    items = _items(pairs, of_case, top, colour, labels, on_error, left_out)
    return Listed(top, files, used, items, left_out, unused)


def _fit(folder: Path, images: str, masks: str) -> bool:
    return all(next(listing.find(folder, pattern), None) for pattern in (images, masks))


def _items(
    pairs: Sequence[Pair],
    of_case: Sequence[str],
    folder: Path,
    colour: str,
    labels: Sequence[int] | None,
    on_error: str,
    left_out: list[str],
) -> Iterator[Item]:
    marked = False
    used: list[Path] = []
    for pair, case in zip(pairs, of_case, strict=True):
        try:
            if pair.problem:
                raise UserError(pair.problem)
            image = read_image(pair.image, colour)
            mask = _mask(pair, image.shape[1:], labels)
        except UserError as error:
            if on_error == "stop":
                raise UserError(f"{error}; {pairing.REMEDY}") from error
            left_out.append(str(error))
            log.warning("skipped: %s", error)
            continue
        used += pair.masks
        marked |= bool(mask.any())
        source = listing.relative(pair.image, folder).as_posix()
        yield Item(pair.key, case, image, mask, source)
    if left_out:
        counts = len(left_out), len(pairs), listing.printable(folder)
        log.warning("skipped %d of %d pairs in %s", *counts)
    if used and labels is None and not marked:
        highest, where = max((int(_labels(truth).max()), truth) for truth in used)
        if highest:
            raise UserError(
                f"{where}: its highest value is {highest}, and no mask reaches half of the range; "
                f"say which values are foreground, such as `labels: [{highest}]`"
            )


def _mask(pair: Pair, shape: tuple[int, ...], labels: Sequence[int] | None) -> Pixels:
    """All masks of a picture as one; where they overlap the last counts."""
    mask = np.zeros(shape, np.uint8)
    for index, path in enumerate(pair.masks):
        part = read_mask(path, labels)
        if part.shape != shape:
            raise UserError(f"{path}: mask of {part.shape} pixels for an image of {shape}")
        mask[part > 0] = pair.classes[index] if pair.classes else part[part > 0]
    return mask


def read_image(path: Path, colour: str) -> Pixels:
    """Read an image file as uint8 [C, H, W]: 16-bit is scaled down, an alpha channel dropped."""
    pixels = _read(path, MODES[colour])
    return np.ascontiguousarray(np.moveaxis(np.atleast_3d(pixels), -1, 0))


def read_mask(path: Path, labels: Sequence[int] | None) -> Pixels:
    """Read a mask file as uint8 [H, W] with classes 1, 2, … as `load` explains."""
    if labels is None:
        return (_read(path, "L") >= 128).astype(np.uint8)
    pixels = _labels(path)
    mask = np.zeros(pixels.shape, dtype=np.uint8)
    for label, value in enumerate(labels, start=1):
        mask[pixels == value] = label
    return mask


def _labels(path: Path) -> NDArray:
    """Values of a mask file as they are; the first channel of grey that is stored in colour."""
    pixels = _read(path, None)
    return pixels[..., 0] if pixels.ndim == 3 else pixels


def _read(path: Path, mode: str | None) -> NDArray:
    from PIL import Image

    try:
        with Image.open(path) as file:
            image: Image.Image = file
            if file.mode == "F":
                raise UserError(f"{path}: floating-point pixels; save it with 8 or 16 bit")
            if mode and file.mode.startswith("I"):  # 16 bit; PIL would clip it at 255
                image = Image.fromarray((np.asarray(file) // 257).astype(np.uint8))
            return np.asarray(image.convert(mode) if mode else image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read as an image ({error})") from error
