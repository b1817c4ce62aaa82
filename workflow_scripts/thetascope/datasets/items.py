"""What every adapter yields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Item:
    """One picture with its mask, if the set has masks, as the adapter found it.

    Attributes
    ----------
    id : str
        Unique within the data set.
    case : str
        What must not be divided between train, validation and test: a patient, a block of tiles.
    image : ndarray
        uint8 [C, H, W].
    mask : ndarray or None
        uint8 [H, W]; 0 is background, 1, 2, … are the classes of the foreground. None in all items
        of a set without masks (see `options.has_masks`).
    source : str
        Where it comes from, for the manifest and for messages.
    """

    id: str
    case: str
    image: Image
    mask: Image | None
    source: str
