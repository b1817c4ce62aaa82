"""Tiles of a stained tissue section; foreground = cell nuclei.

The picture, of colonic glands with FHL2 stained brown (DAB) and nuclei stained blue (haematoxylin),
comes with scikit-image. Nuclei are clearly blue between the glands but grey among the brown inside
them, so no one threshold finds both: a nucleus is what is bluer than its surroundings and not pale,
in CIELAB.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from thetascope.datasets import tiles
from thetascope.datasets.items import Item

SURROUNDINGS = 51  # pixels, odd; two to three nuclei
BLUER = 2  # units of b*, which falls from yellow to blue
PALE = 80  # L*; white is 100


def load(block: int = 128, tile: int = 96, minimum_foreground: float = 0.05) -> Iterator[Item]:
    """Yield tiles of 128-pixel blocks of the 512 × 512 picture, each block a case.

    Parameters
    ----------
    block, tile : int
        Sides in pixels, see `tiles.cut`.
    minimum_foreground : float
        Least share of nuclei in a tile.
    """
    from skimage import data, filters
    from skimage.color import rgb2lab
    from skimage.morphology import disk, opening, remove_small_objects

    picture = data.immunohistochemistry()
    smooth = filters.gaussian(rgb2lab(picture), sigma=1, channel_axis=2)  # pixel noise
    lightness, blueness = smooth[..., 0], -smooth[..., 2]
    around = filters.threshold_local(blueness, SURROUNDINGS, method="gaussian")
    nuclei = opening((blueness > around + BLUER) & (lightness < PALE), disk(2))
    nuclei = remove_small_objects(nuclei, max_size=40)
    everywhere = np.ones(nuclei.shape, dtype=bool)
    yield from tiles.cut(
        picture, nuclei.astype(np.uint8), everywhere, "ihc", block, tile, minimum_foreground
    )
