"""Lung Mask: chest X-rays with masks of the lungs; foreground = lung.

The layouts of the Kaggle collection, `image/cxrimage_N.png` with `mask/cxrmask_N.jpeg`, and of its
relatives, `images/*` with `masks/*` under the same name or with `_mask` after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from thetascope.datasets import Item, folder


def load(path: str, on_error: str = "stop") -> Iterator[Item]:
    """Yield the pairs of the folder that holds the two; every picture is a case."""
    if (Path(path) / "image").is_dir():
        patterns = ("image/*", "mask/*", r"cxrimage_(\d+)", r"cxrmask_(\d+)")
    else:
        patterns = ("images/*", "masks/*", "(.+)", "(.+?)(?:_mask)?")
    yield from folder.load(path, *patterns, colour="grey", on_error=on_error)
