"""Anybody's images and masks: pairs of files in a folder, foreground as the options say."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from thetascope.datasets import depths, pictures
from thetascope.datasets.items import Item
from thetascope.datasets.masks import MaskReader
from thetascope.datasets.pictures import MODES
from thetascope.errors import UserError

log = logging.getLogger(__name__)


def load(
    path: str,
    images: str,
    masks: str,
    image_key: str = "(.+)",
    mask_key: str = "(.+?)(?:_mask|_seg)?",
    colour: str = "rgb",
    value_range: Sequence[float] | None = None,
    labels: Sequence[int | str | Sequence[int]] | str | None = None,
    cases: str | None = None,
    case_size: int = 1,
    on_error: str = "stop",
) -> Iterator[Item]:
    """Yield the pairs of images and masks in a folder, in the natural order of their keys.

    Parameters
    ----------
    path : str
        The folder.
    images, masks : str
        Patterns of the files below it, such as `images/*.jpg`.
    image_key, mask_key : str
        Regular expressions for a file's name without its suffix; their group is the key, which an
        image shares with its mask and which becomes the item's id.
    colour : {"rgb", "grey"}
        Three channels or one.
    value_range : sequence of float or None
        Values in the images that are black and white, of deep pictures, see `depths.scale_of`.
    labels : sequence of int, of str or of sequences of int, "any", or None
        What is foreground in the masks, see `masks.MaskReader`.
    cases : str or None
        A CSV file with columns `id` and `case`: which items belong together.
    case_size : int
        Without such a file, how many neighbours in the order of keys make a case: 1 if every
        picture is of another patient, more for the frames of a video.
    on_error : {"stop", "skip"}
        What to do about a file that cannot be used.

    Raises
    ------
    UserError
        If the folder or a partner is missing, two files share a key, a file cannot be used, or what
        is black and white in the images or foreground in the masks must be said.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UserError(f"path: {path!r}: no such folder; set it to where the image set lies")
    for name, value, known in (("colour", colour, MODES), ("on_error", on_error, ("stop", "skip"))):
        if value not in known:
            raise UserError(f"{name}: {value!r}: must be one of {', '.join(known)}")
    if case_size < 1:
        raise UserError(f"case_size: {case_size}: must be at least 1")
    for name, value in ("image_key", image_key), ("mask_key", mask_key):
        _check_key(name, value)
    pictured, truths = _by_key(folder, images, image_key), _by_key(folder, masks, mask_key)
    skipped, truth = 0, MaskReader(labels)
    keys = sorted(pictured.keys() | truths.keys(), key=lambda key: (_natural(key), key))
    of_case = _read_cases(cases, keys) if cases else None
    scale = depths.scale_of([pictured[key] for key in keys if key in pictured], value_range)
    for index, key in enumerate(keys):
        try:
            for kind, files in ("image", pictured), ("mask", truths):
                if key not in files:
                    partner = (pictured.get(key) or truths[key]).relative_to(folder)
                    raise UserError(f"{folder / partner}: has no {kind} of the key {key!r}")
            image = pictures.read_image(pictured[key], colour, scale)
            mask = truth.read(truths[key])
            if image.shape[1:] != mask.shape:
                raise UserError(
                    f"{truths[key]}: mask of {mask.shape} pixels for an image of {image.shape[1:]}"
                )
        except UserError as error:
            if on_error == "stop":
                raise UserError(f"{error}; fix it, or set `on_error: skip`") from error
            skipped += 1
            log.warning("skipped: %s", error)
            continue
        case = of_case[key] if of_case else f"case-{index // case_size:05d}"
        yield Item(key, case, image, mask, pictured[key].relative_to(folder).as_posix())
    if skipped:
        log.warning("skipped %d of %d pairs in %s", skipped, len(keys), folder)
    truth.check()


def _check_key(name: str, key: str) -> None:
    try:
        groups = re.compile(key).groups
    except re.error as error:
        raise UserError(f"{name}: {key!r}: is no regular expression ({error})") from error
    if not groups:
        raise UserError(f"{name}: {key!r}: must have a group, (…), which is the key")


def _by_key(folder: Path, pattern: str, key: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.glob(pattern)):
        match = re.fullmatch(key, path.stem)
        if match and path.is_file():
            if match[1] in found:
                raise UserError(
                    f"{path} and {found[match[1]]} share the key {match[1]!r}; rename one"
                )
            found[match[1]] = path
    if not found:
        raise UserError(f"{folder / pattern}: no file of this pattern with a name like {key!r}")
    return found


def _natural(key: str) -> list[tuple[str, int]]:
    """Sort key under which a9 comes before a10, and both before b1."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", key)]


def _read_cases(path: str, keys: Sequence[str]) -> Mapping[str, str]:
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        cases = dict(zip(table["id"], table["case"], strict=True))
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"cases: {path}: needs to be a CSV with columns id and case") from error
    missing = [key for key in keys if not cases.get(key)]
    if missing:
        raise UserError(
            f"cases: {path}: has no case for {len(missing)} items, first {missing[0]!r}"
        )
    return cases
