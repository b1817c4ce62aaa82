"""Pre-rotation: every mapped picture is turned by a random angle of its own before all else.

Then what belongs to the picture moves along a curve over θ, and what belongs to the grid of pixels
does not (see `analysis.cases.pre_rotation_tests`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thetascope.files import seed_for
from thetascope.learning.rotation import View, rotate
from thetascope.learning.runtime import to_bytes


def pre_rotations(seed: object, dataset: str, ids: Iterable[str]) -> NDArray[np.float64]:
    """Draw the angle of every item: degrees, uniform in [0, 360), float [N].

    It depends on the run's seed, the data set and the item's id alone: the same at every θ, in
    every arm, and whichever other items are mapped.
    """
    return np.array([360 * (seed_for(seed, dataset, id_, "pre-rotation") / 2**63) for id_ in ids])


def pictures_to_map(
    images: Tensor, masks: NDArray[np.uint8], phi: NDArray[np.float64] | None, view: View
) -> tuple[Tensor, dict[str, NDArray]]:
    """Turn every picture and its mask by an angle of its own, counter-clockwise, if any is given.

    Turned pictures are pictures like others from then on: R_θ turns and resamples them once more.
    Were both rotations one, by θ + φ, then the mark that resampling leaves would move with φ as the
    content does. So would black from beyond the border, which blends into the disc where it touches
    the border, four times round the circle: the border is mirrored.

    Parameters
    ----------
    images : Tensor
        Float [N, C, S, S] in [0, 1].
    masks : ndarray
        Labels, uint8 [N, S, S].
    phi : ndarray or None
        Degrees, float [N].
    view : View
        How images are interpolated; labels are never blended. Its canvas is to be `disc`: corners
        hold what no picture showed.

    Returns
    -------
    images : Tensor
        As they came, or turned.
    arrays : dict of str to ndarray
        What is to lie beside the maps: `masks`, uint8 [N, S, S], in the first view's frame; of
        turned pictures also `pre_rotation`, φ, and `images`, uint8 [N, C, S, S].
    """
    labels, turned = torch.from_numpy(masks), {}
    if phi is not None:
        degrees = torch.from_numpy(phi)
        images = rotate(images, degrees, view.interpolation, "reflection")
        labels = rotate(labels[:, None].float(), degrees, "nearest")[:, 0].to(labels.dtype)
        turned = {"pre_rotation": phi, "images": to_bytes(images)}
    return images, {"masks": view.masks(labels).numpy(), **turned}
