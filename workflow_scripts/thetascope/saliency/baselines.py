"""Baselines: maps that need no network, which Adebayo et al. (2018) compare with."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torchvision.transforms.v2.functional import gaussian_blur

HOG_CELLS = 14  # per side: cells of 16 pixels on an image of 224, the smaller of the first paper's


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


def hog(images: Tensor) -> Tensor:
    """Energy of the histogram of oriented gradients per cell: float [N, C, S, S] → [N, S, S].

    What all bins of a cell hold together, before blocks are normalised (Dalal & Triggs 2005): the
    mean magnitude of the gradient by central differences, of the channel where it is largest. Every
    pixel of a cell has its cell's energy.
    """
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    magnitude = torch.hypot(across, down).amax(dim=1, keepdim=True)
    size = images.shape[-1]
    energy = F.adaptive_avg_pool2d(magnitude, min(HOG_CELLS, size))
    return F.interpolate(energy, size=(size, size), mode="nearest-exact")[:, 0]


def random(images: Tensor, sigma: float, generator: Generator) -> Tensor:
    """Smooth noise that knows nothing of the image: float [N, C, S, S] → [N, S, S].

    White noise from 0 to 1, smoothed as all maps are. It is drawn beyond the border too, so that
    every pixel has the same distribution: smoothing that ends at the border averages over less
    there.

    Parameters
    ----------
    images : Tensor
        Their number, size and device alone count.
    sigma : float
        Standard deviation of the Gaussian, pixels; 0 for none.
    generator : Generator
        Draws the noise, on the CPU.
    """
    size, margin = images.shape[-1], taps(sigma) // 2
    noise = torch.rand(len(images), *[size + 2 * margin] * 2, generator=generator).to(images)
    return blur(noise, sigma)[:, margin : margin + size, margin : margin + size]


def taps(sigma: float) -> int:
    """Size of a Gaussian kernel that reaches over four standard deviations to each side."""
    return 2 * round(4 * sigma) + 1


def blur(maps: Tensor, sigma: float) -> Tensor:
    """Smooth maps [N, S, S] by a Gaussian of this standard deviation in pixels; 0 for not at all.

    A map's border is mirrored, and the kernel is no larger than that allows.
    """
    size = min(taps(sigma), 2 * maps.shape[-1] - 1)
    return gaussian_blur(maps, [size] * 2, [sigma] * 2) if size > 1 else maps
