"""Lung Mask: chest X-rays with masks of the lungs; foreground = lung.

The layouts of the Kaggle collection, `image/cxrimage_N.png` with `mask/cxrmask_N.jpeg`, and of its
relatives, `images/*` with `masks/*` under the same name or with `_mask` after it.
"""

from __future__ import annotations

from pathlib import Path

from thetascope.datasets import listing
from thetascope.datasets.adapters import folder
from thetascope.datasets.listing import Listed
from thetascope.errors import UserError

# folders → patterns and keys of the two
LAYOUTS = {
    ("image", "mask"): ("image/*", "mask/*", r"cxrimage_(\d+)", r"cxrmask_(\d+)"),
    ("images", "masks"): ("images/*", "masks/*", "(.+)", "(.+?)(?:_mask)?"),
}


def load(
    path: str, cases: str | None = None, case_key: str | None = None, on_error: str = "stop"
) -> Listed:
    """Find the pairs of the folder that holds the two.

    Every picture is a case unless `cases` or `case_key` tells, see `folder.load`.

    Raises
    ------
    UserError
        If the folder has neither layout, or as `folder.load`.
    """
    top = listing.descend(path, lambda one: _layout(one) is not None)
    layout = _layout(top)
    if layout is None:
        raise UserError(
            f"path: {path!r}: holds neither image/ and mask/ nor images/ and masks/ "
            f"({listing.inside(top)}); get the collection with a Kaggle account from "
            "kaggle.com/datasets/newra008/lung-mask-image-dataset and set `path` to its folder "
            "ChestXray/train, ChestXray/val or ChestXray/test, or take the adapter `folder`"
        )
    return folder.load(
        path, *layout, colour="grey", cases=cases, case_key=case_key, on_error=on_error
    )


def _layout(top: Path) -> tuple[str, str, str, str] | None:
    here = (LAYOUTS[two] for two in LAYOUTS if all((top / one).is_dir() for one in two))
    return next(here, None)
