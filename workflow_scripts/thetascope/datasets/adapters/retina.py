"""Tiles of a fundus photograph; foreground = blood vessels.

The picture, of a healthy retina, comes with scikit-image. Vessels are dark ridges of the green
channel: the Sato filter (Sato et al. 1998) at widths of 2 to 6 pixels, above its 88 % quantile
inside the field of view, without specks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from thetascope.datasets import tiles
from thetascope.datasets.items import Item

RIM = 25  # pixels; the edge of the field of view is a ridge of its own


def load(block: int = 196, tile: int = 144, minimum_foreground: float = 0.1) -> Iterator[Item]:
    """Yield tiles of the 1411 × 1411 picture that lie inside the field of view.

    Parameters
    ----------
    block, tile : int
        Sides in pixels, see `tiles.cut`; each block is a case.
    minimum_foreground : float
        Least share of vessels in a tile.
    """
    from scipy import ndimage
    from skimage import data, filters
    from skimage.morphology import remove_small_objects

    picture = data.retina()
    brightest = filters.gaussian(picture.max(axis=2).astype(float), sigma=3)
    lit = ndimage.binary_fill_holes(brightest > 25)
    view = ndimage.binary_erosion(lit, iterations=RIM)
    ridges = filters.sato(picture[..., 1] / 255, sigmas=[2, 3, 4, 6], black_ridges=True)
    vessels = (ridges > np.quantile(ridges[view], 0.88)) & view
    vessels = remove_small_objects(vessels, max_size=200)
    yield from tiles.cut(
        picture, vessels.astype(np.uint8), view, "retina", block, tile, minimum_foreground
    )
