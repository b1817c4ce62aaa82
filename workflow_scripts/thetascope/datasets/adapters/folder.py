"""Anybody's images, with masks or without: files in a folder, foreground as the options say."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from thetascope.datasets import depths, listing, pictures
from thetascope.datasets import pairs as pairing
from thetascope.datasets.items import Item
from thetascope.datasets.listing import Listed
from thetascope.datasets.masks import MaskReader
from thetascope.datasets.pairs import Pair
from thetascope.datasets.pictures import MODES, Pixels
from thetascope.errors import UserError

log = logging.getLogger(__name__)


def load(
    path: str,
    images: str,
    masks: str | None,
    image_key: str = "(.+)",
    mask_key: str = "(.+?)(?:_mask|_seg)?",
    several_masks: str | None = None,
    colour: str = "rgb",
    value_range: Sequence[float] | None = None,
    labels: Sequence[int | str | Sequence[int]] | str | None = None,
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
    images : str
        Pattern of the files below it, such as `images/*.jpg`, see `listing.find`.
    masks : str or None
        The same of the masks; None for a set that has none.
    image_key, mask_key : str
        Regular expressions for a file's name without its suffix or, with a slash in them, for its
        path without it; their group is the key, which an image shares with its mask and which
        becomes the item's id.
    several_masks : {"unite", "classes"} or None
        What several mask files of one key are: parts of one foreground, or classes 1, 2, … in the
        order of what else is in their paths. None refuses them.
    colour : {"rgb", "grey"}
        Three channels or one.
    value_range : sequence of float or None
        Values in the images that are black and white, of deep pictures, see `depths.scale_of`.
    labels : sequence of int, of str or of sequences of int, "any", or None
        What is foreground in the masks, see `masks.MaskReader`.
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
        If the folder or a partner is missing, two files share a key, a file cannot be used, what
        is black and white in the images or foreground in the masks must be said, or an option is
        about masks that there are not.
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
    if masks is None and (labels or several_masks):
        raise UserError("masks: null: `labels` and `several_masks` tell of masks; take them away")
    depths.check(value_range)
    truth = MaskReader(labels)
    top = listing.descend(path, lambda folder: _fit(folder, images, masks))
    left_out: list[str] = []
    unused: list[str] = []
    pairs = pairing.pairs(top, images, masks, image_key, mask_key, several_masks, unused)
    keys = [pair.key for pair in pairs]
    neighbours = [f"case-{index // case_size:05d}" for index in range(len(keys))]
    folders = [top, listing.user_path(path)]
    of_case = pairing.cases(keys, folders, cases, case_key, neighbours)
    pairing.check([pair.problem for pair in pairs], on_error)
    told = bool(cases or case_key or case_size > 1)
    sound = [pair for pair in pairs if not pair.problem]
    used = {case for pair, case in zip(pairs, of_case, strict=True) if not pair.problem}
    files = [file for pair in sound for file in (pair.image, *pair.masks)]
    files += [pairing.case_file(folders, cases)] if cases else []
    items = _items(pairs, of_case, top, colour, value_range, truth, on_error, left_out, told)
    return Listed(top, files, used, items, left_out, unused)


def has_masks(masks: str | None = None, **_: object) -> bool:
    """Whether the set has masks."""
    return masks is not None


def _fit(folder: Path, images: str, masks: str | None) -> bool:
    return all(next(listing.find(folder, one), None) for one in (images, masks) if one is not None)


def _items(
    pairs: Sequence[Pair],
    of_case: Sequence[str],
    folder: Path,
    colour: str,
    value_range: Sequence[float] | None,
    truth: MaskReader,
    on_error: str,
    left_out: list[str],
    told: bool,
) -> Iterator[Item]:
    if not told and (hint := pairing.hint_of_cases([pair.key for pair in pairs])):
        log.warning(hint)
    scale = depths.scale_of([pair.image for pair in pairs if not pair.problem], value_range)
    for pair, case in zip(pairs, of_case, strict=True):
        try:
            if pair.problem:
                raise UserError(pair.problem)
            image = pictures.read_image(pair.image, colour, scale)
            mask = _mask(pair, image.shape[1:], truth) if pair.masks else None
        except UserError as error:
            if on_error == "stop":
                raise UserError(f"{error}; {pairing.REMEDY}") from error
            left_out.append(str(error))
            log.warning("skipped: %s", error)
            continue
        source = listing.relative(pair.image, folder).as_posix()
        yield Item(pair.key, case, image, mask, source)
    if left_out:
        counts = len(left_out), len(pairs), listing.printable(folder)
        log.warning("skipped %d of %d pairs in %s", *counts)
    if any(pair.masks for pair in pairs):
        truth.check()


def _mask(pair: Pair, shape: tuple[int, ...], truth: MaskReader) -> Pixels:
    """All masks of a picture as one; where they overlap the last counts."""
    mask = np.zeros(shape, np.uint8)
    for index, path in enumerate(pair.masks):
        part = truth.read(path)
        if part.shape != shape:
            raise UserError(f"{path}: mask of {part.shape} pixels for an image of {shape}")
        mask[part > 0] = pair.classes[index] if pair.classes else part[part > 0]
    return mask
