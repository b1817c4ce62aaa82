"""Kvasir-SEG: endoscopic pictures of polyps (Jha et al. 2020); foreground = polyp.

1,000 pairs `images/*.jpg`, `masks/*.jpg` of differing sizes, masks as JPEG with its noise.
"""

from __future__ import annotations

from collections.abc import Iterator

from thetascope.datasets.adapters import folder
from thetascope.datasets.items import Item

# without a `path`, the entry of the configuration's `downloads` and the folder in that archive
ARCHIVE = ("kvasir_seg", "Kvasir-SEG")


def load(path: str, on_error: str = "stop") -> Iterator[Item]:
    """Yield the pairs of the folder that holds `images` and `masks`; every picture is a case."""
    yield from folder.load(path, "images/*.jpg", "masks/*.jpg", on_error=on_error)
