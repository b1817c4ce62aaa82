"""Tiles of one large picture, in blocks that share no pixel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from thetascope.datasets.items import Item
from thetascope.errors import UserError


def cut(
    image: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    inside: NDArray[np.bool_],
    name: str,
    block: int,
    tile: int,
    minimum_foreground: float,
) -> Iterator[Item]:
    """Cut a picture into blocks, and each block into four tiles at its corners.

    Tiles of a block overlap and are one case; tiles of different blocks share nothing.

    Parameters
    ----------
    image, mask : ndarray
        uint8 [H, W, C] and [H, W].
    inside : ndarray
        bool [H, W]; a tile must lie wholly inside.
    name : str
        Of the picture, for ids and sources.
    block, tile : int
        Sides in pixels, tile ≤ block.
    minimum_foreground : float
        Tiles with a smaller share of foreground are left out: Dice says nothing about them.

    Yields
    ------
    Item
        In reading order of the blocks. The source names the tile's rows and columns.

    Raises
    ------
    UserError
        If tiles are larger than blocks, so that cases would share pixels.
    """
    if not 0 < tile <= block:
        raise UserError(f"tile: {tile}: must be above 0 and at most `block` ({block})")
    height, width = mask.shape
    offset = block - tile
    for top in range(0, height - block + 1, block):
        for left in range(0, width - block + 1, block):
            for y in (top, top + offset):
                for x in (left, left + offset):
                    box = np.s_[y : y + tile, x : x + tile]
                    if inside[box].all() and mask[box].mean() >= minimum_foreground:
                        yield Item(
                            id=f"{name}-{y:04d}-{x:04d}",
                            case=f"block-{top // block}-{left // block}",
                            image=np.ascontiguousarray(image[box].transpose(2, 0, 1)),
                            mask=mask[box],
                            source=f"{name}[{y}:{y + tile},{x}:{x + tile}]",
                        )
