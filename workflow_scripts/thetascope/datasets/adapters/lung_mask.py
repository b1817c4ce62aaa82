"""Lung Mask: chest X-rays with masks of the lungs; foreground = lung.

The layouts of the Kaggle collection, `image/cxrimage_N.png` with `mask/cxrmask_N.jpeg`, and of its
relatives, `images/*` with `masks/*` under the same name or with `_mask` after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from thetascope.datasets.adapters import folder
from thetascope.datasets.items import Item
from thetascope.errors import UserError


def load(path: str, on_error: str = "stop") -> Iterator[Item]:
    """Yield the pairs of the folder that holds the two; every picture is a case.

    Raises
    ------
    UserError
        If the folder has neither layout, or as `folder.load`.
    """
    if (Path(path) / "image").is_dir():
        patterns = ("image/*", "mask/*", r"cxrimage_(\d+)", r"cxrmask_(\d+)")
    elif (Path(path) / "images").is_dir():
        patterns = ("images/*", "masks/*", "(.+)", "(.+?)(?:_mask)?")
    else:
        raise UserError(
            f"path: {path!r}: holds neither image/ and mask/ nor images/ and masks/; get the "
            "collection with a Kaggle account from "
            "kaggle.com/datasets/newra008/lung-mask-image-dataset and set `path` to its folder "
            "ChestXray/train, ChestXray/val or ChestXray/test"
        )
    yield from folder.load(path, *patterns, colour="grey", on_error=on_error)
