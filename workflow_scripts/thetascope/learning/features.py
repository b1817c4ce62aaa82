"""What an encoder makes of images: features to compare with those of other encoders."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thetascope.learning.encoders import Encoder
from thetascope.learning.rotation import View
from thetascope.learning.stored import Stored

BATCH = 64  # images per pass: memory, not results


@torch.no_grad()
def features_of(encoder: Encoder, images: Tensor, view: View) -> NDArray[np.float32]:
    """Pooled features of images as they are, on the view's canvas and not turned.

    Parameters
    ----------
    encoder : Encoder
        Put into evaluation mode.
    images : Tensor
        Uint8 [N, C, S, S] as stored, or float in [0, 1], on the encoder's device.
    view : View
        How the encoder sees pictures.

    Returns
    -------
    ndarray
        Float32 [N, D].
    """
    encoder.eval()
    stored = Stored(images, view.original)
    rows = torch.arange(len(images), device=images.device).split(BATCH)
    found: NDArray[np.float32] = torch.cat([encoder(stored[part]) for part in rows]).cpu().numpy()
    return found
