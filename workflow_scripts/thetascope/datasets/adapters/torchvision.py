"""Published image sets as torchvision reads them, by name; with masks where they have them.

torchvision is imported when pictures are read, not when options are checked: it takes seconds.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from thetascope.datasets import listing
from thetascope.datasets.items import Image, Item
from thetascope.datasets.listing import Listed
from thetascope.datasets.pictures import MODES
from thetascope.errors import UserError

log = logging.getLogger(__name__)

# torchvision's class → its argument that chooses a part, and the parts, the usual one first
SETS: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("CIFAR10", "CIFAR100"), ("train", ("train", "test"))),
    **dict.fromkeys(("MNIST", "FashionMNIST", "KMNIST", "USPS"), ("train", ("train", "test"))),
    "Food101": ("split", ("train", "test")),
    **dict.fromkeys(("DTD", "Flowers102"), ("split", ("train", "val", "test"))),
    "STL10": ("split", ("train", "test", "unlabeled")),
    "SVHN": ("split", ("train", "test", "extra")),
    "OxfordIIITPet": ("split", ("trainval", "test")),
    "VOCSegmentation": ("image_set", ("trainval", "train", "val")),
    **dict.fromkeys(("Caltech101", "Caltech256", "EuroSAT"), ("", ())),
}
# of those with masks what else their class is told
MASKED = {"OxfordIIITPet": {"target_types": "segmentation"}, "VOCSegmentation": {}}
BORDER = 255  # in VOC's masks: what belongs to nothing for certain
PET = 1  # in the pets' masks, beside 2 for the background and 3 for a border


def load(
    name: str,
    path: str | None = None,
    download: bool = False,
    part: str | None = None,
    items: int | None = None,
    colour: str = "rgb",
) -> Listed:
    """Find an image set of torchvision; every picture is a case of its own.

    Parameters
    ----------
    name : str
        Of torchvision's class, see `SETS`.
    path : str or None
        The folder that the class calls `root`. Nothing is ever downloaded into it.
    download : bool
        Instead of a `path`: the rule `fetch` has torchvision download the set.
    part : str or None
        Of the set as it was published, see `SETS`; None takes the usual one.
    items : int or None
        So many pictures, evenly spread over the part; None takes all.
    colour : {"rgb", "grey"}
        Three channels or one.

    Returns
    -------
    Listed
        Without the names of its files, which are torchvision's matter.

    Raises
    ------
    UserError
        If the folder is not there; from the items, if the set is not in it.
    """
    root = listing.user_path(path or "")
    if path is None or not root.is_dir():
        raise UserError(f"path: {path!r}: no such folder; set it to where {name} lies")
    return Listed(root, [], None, _items(name, root, part, items, colour))


def check(
    name: str,
    path: str | None = None,
    download: bool = False,
    part: str | None = None,
    items: int | None = None,
    colour: str = "rgb",
) -> None:
    """Look at options as far as they go without torchvision.

    Raises
    ------
    UserError
        If one is none of those there are, or it is not said where the set comes from.
    """
    if name not in SETS:
        close = difflib.get_close_matches(name, SETS, 1)
        hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(sorted(SETS))}"
        raise UserError(f"name: {name!r}: none of torchvision's sets; {hint}")
    parts = SETS[name][1]
    if part is not None and part not in parts:
        remedy = f"must be one of {', '.join(parts)}" if parts else f"{name} has none; take it away"
        raise UserError(f"part: {part!r}: {remedy}")
    if (path is None) != download:
        both = "is set beside `path`; keep one" if download else "set it to true, or set `path`"
        raise UserError(f"download: {str(download).lower()}: {both}")
    if items is not None and items < 3:
        raise UserError(f"items: {items}: must be at least 3, to divide them")
    if colour not in MODES:
        raise UserError(f"colour: {colour!r}: must be one of {', '.join(MODES)}")


def has_masks(name: str, **_: object) -> bool:
    """Whether the set has masks."""
    return name in MASKED


def fetch(root: Path, name: str, part: str | None = None, **_: object) -> None:
    """Have torchvision download a set into a folder, and check it.

    Raises
    ------
    UserError
        If it cannot.
    """
    root.mkdir(parents=True, exist_ok=True)
    try:
        _open(name, root, part, download=True)
    except Exception as error:  # those of sockets, archives and checksums
        raise UserError(
            f"{name}: torchvision cannot download it ({error}); fetch it elsewhere and set `path`"
        ) from error


def _open(name: str, root: Path, part: str | None, *, download: bool) -> Any:
    import torchvision.datasets

    options: dict[str, Any] = dict(MASKED.get(name, {}))
    argument, parts = SETS[name]
    if parts:
        chosen = part or parts[0]
        options[argument] = chosen == "train" if argument == "train" else chosen
    return getattr(torchvision.datasets, name)(str(root), download=download, **options)


def _items(
    name: str, root: Path, part: str | None, count: int | None, colour: str
) -> Iterator[Item]:
    try:
        pictures = _open(name, root, part, download=False)
    except Exception as error:  # each class says in its own way that something is missing
        raise UserError(
            f"{root}: torchvision finds no {name} there ({error}); set `path` to the folder that "
            "it calls `root`, or replace `path` by `download: true`"
        ) from error
    every = len(pictures)
    chosen = np.linspace(0, every - 1, min(count or every, every)).round().astype(int)
    log.info("%s: %d of %d pictures", name, len(chosen), every)
    for index in chosen.tolist():
        picture, target = pictures[index]
        pixels = np.asarray(picture.convert(MODES[colour]), np.uint8)
        image = pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]
        mask = _foreground(name, np.asarray(target)) if name in MASKED else None
        yield Item(f"{index:06}", f"{index:06}", image, mask, f"{name} {index}")


def _foreground(name: str, labels: Image) -> Image:
    """Pets, or objects of any class; what is marked as uncertain is background."""
    if name == "OxfordIIITPet":
        return (labels == PET).astype(np.uint8)
    return ((labels > 0) & (labels != BORDER)).astype(np.uint8)
