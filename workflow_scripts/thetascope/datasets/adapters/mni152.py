"""Axial slices of the ICBM152 2009a symmetric T1 template; foreground = white matter.

The template is an average of 152 healthy brains (Fonov et al. 2011, NeuroImage 54), which comes
with nilearn. The mask is the bundled white-matter probability above one half.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from thetascope.datasets.items import Item
from thetascope.errors import UserError


def load(
    first: int = 36, cases: int = 16, slices: int = 3, spacing: int = 1, pitch: int = 7
) -> Iterator[Item]:
    """Yield slices in blocks of neighbours, each block a case, with a gap between blocks.

    Parameters
    ----------
    first : int
        Lowest slice, in voxels of 1 mm from the bottom of the volume.
    cases, slices : int
        Number of blocks, and of slices in each.
    spacing, pitch : int
        Millimetres from slice to slice, and from block to block. The default leaves 5 mm between
        the last slice of a block and the first of the next.

    Yields
    ------
    Item
        One channel, 233 × 197 pixels of 1 mm, anterior up.

    Raises
    ------
    UserError
        If the template does not have such slices.
    """
    import importlib.util
    from pathlib import Path

    import nibabel

    spec = importlib.util.find_spec("nilearn")  # importing nilearn itself takes seconds
    assert spec is not None and spec.origin is not None  # noqa: S101 (for mypy)
    folder = Path(spec.origin).parent / "datasets" / "data"
    t1, white = (
        np.asanyarray(
            nibabel.load(folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz").dataobj
        )
        for kind in ("t1", "wm")
    )
    last = first + (cases - 1) * pitch + (slices - 1) * spacing
    if min(first, cases - 1, slices - 1, spacing - 1, pitch - 1) < 0 or last >= t1.shape[2]:
        raise UserError(
            f"first, cases, slices, spacing, pitch: slices {first} to {last}: the template has "
            f"slices 0 to {t1.shape[2] - 1}; choose others"
        )
    for case in range(cases):
        for index in range(slices):
            z = first + case * pitch + index * spacing
            yield Item(
                id=f"z{z:03d}",
                case=f"block-{case:02d}",
                image=np.rot90(t1[:, :, z])[None].copy(),
                mask=(np.rot90(white[:, :, z]) > 127).astype(np.uint8),  # 255 is certainty
                source=f"mni_icbm152_t1[z={z}]",
            )
