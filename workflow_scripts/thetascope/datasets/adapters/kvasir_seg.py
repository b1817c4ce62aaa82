"""Kvasir-SEG: endoscopic pictures of polyps (Jha et al. 2020); foreground = polyp.

1,000 pairs `images/*.jpg`, `masks/*.jpg` of differing sizes, masks as JPEG with its noise.
"""

from __future__ import annotations

from thetascope.datasets.adapters import folder
from thetascope.datasets.listing import Listed

# without a `path`, the entry of the configuration's `downloads` and the folder in that archive
ARCHIVE = ("kvasir_seg", "Kvasir-SEG")


def load(
    path: str, cases: str | None = None, case_key: str | None = None, on_error: str = "stop"
) -> Listed:
    """Find the pairs of the folder that holds `images` and `masks`.

    Every picture is a case unless `cases` or `case_key` tells, see `folder.load`.
    """
    return folder.load(
        path, "images/*.jpg", "masks/*.jpg", cases=cases, case_key=case_key, on_error=on_error
    )
