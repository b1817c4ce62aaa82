"""Baselines: maps that need no network, which Adebayo et al. (2018) compare with."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sobel(images: Tensor) -> Tensor:
    """Magnitude of the Sobel gradient, maximum over channels: float [N, C, S, S] → [N, S, S].

    A constant picture has none: what is below a millionth is rounding, since the smallest edge of
    an 8-bit picture is 1 / 2040.
    """
    kernel = torch.tensor([[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0]]) / 8
    kernels = torch.stack([kernel, kernel.T])[:, None].to(images)
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    gradients = F.conv2d(padded.flatten(0, 1)[:, None], kernels)
    edges = gradients.norm(dim=1).view_as(images).amax(dim=1)
    return torch.where(edges > 1e-6, edges, 0)


def centre(images: Tensor) -> Tensor:
    """Gaussian about the centre, a quarter of the side wide: float [N, C, S, S] → [N, S, S].

    What people photograph or scan is mostly in the middle, so saliency maps are compared with such
    a prior (Judd et al. 2012).
    """
    size = images.shape[-1]
    offset = (torch.arange(size).to(images) + 0.5) / size - 0.5
    gaussian = torch.exp(-((offset / 0.25) ** 2) / 2)
    return torch.outer(gaussian, gaussian).expand(len(images), -1, -1)


# maps that need no network, what Adebayo et al. (2018) compare with
BASELINES = {"sobel": sobel, "centre": centre}
