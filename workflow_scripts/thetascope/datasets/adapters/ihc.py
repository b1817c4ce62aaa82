"""Tiles of a stained tissue section; foreground = where the antibody stain (DAB) is.

The picture, of colonic glands with FHL2 stained brown and nuclei blue, comes with scikit-image.
The stains are told apart by colour deconvolution (Ruifrok & Johnston 2001), and DAB is thresholded
once for the whole picture by Otsu's method.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from thetascope.datasets import tiles
from thetascope.datasets.items import Item


def load(block: int = 128, tile: int = 96, minimum_foreground: float = 0.05) -> Iterator[Item]:
    """Yield tiles of 128-pixel blocks of the 512 × 512 picture, each block a case.

    Parameters
    ----------
    block, tile : int
        Sides in pixels, see `tiles.cut`.
    minimum_foreground : float
        Least share of stain in a tile.
    """
    from skimage import data, filters
    from skimage.color import rgb2hed

    picture = data.immunohistochemistry()
    dab = filters.gaussian(rgb2hed(picture)[..., 2], sigma=1)  # below a cell's size: pixel noise
    mask = (dab > filters.threshold_otsu(dab)).astype(np.uint8)
    everywhere = np.ones(mask.shape, dtype=bool)
    yield from tiles.cut(picture, mask, everywhere, "ihc", block, tile, minimum_foreground)
