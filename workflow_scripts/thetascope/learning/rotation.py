"""Rotation of image batches: the only place that turns what a network sees or what is scored.

Angles are in degrees, counter-clockwise positive (as a viewer sees the picture, first row on top).
Images are square and rotate about their centre, the middle of the pixel grid. Multiples of 90° are
exact permutations of pixels; every other angle resamples once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

PART = 256  # masks that are floats at a time, which bounds the memory
CROP = 1 / math.sqrt(2)  # the largest central square that a rotation of any angle leaves filled


def _grid(size: int, degrees: Tensor, scale: float) -> Tensor:
    """Where each output pixel looks in the input: [N, size, size, 2] in units of half the side."""
    axis = ((torch.arange(size, dtype=torch.float64) * 2 + 1) / size - 1) * scale
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    cos, sin = (f(torch.deg2rad(degrees.double())).view(-1, 1, 1) for f in (torch.cos, torch.sin))
    return torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)


def rotate(
    images: Tensor,
    degrees: float | Tensor,
    interpolation: str = "bilinear",
    padding: str = "zeros",
    scale: float = 1.0,
    via: float = 0.0,
) -> Tensor:
    """Rotate a batch of square images counter-clockwise about the centre.

    Parameters
    ----------
    images : Tensor
        Float, shape [N, C, S, S].
    degrees : float or Tensor
        One angle for all images, or one for each, shape [N].
    interpolation : {"nearest", "bilinear", "bicubic"}
        Bicubic results are held to the range of their input, so that they do not overshoot.
    padding : {"zeros", "reflection"}
        What lies outside the canvas.
    scale : float
        Side of the field that the output shows, as a share of the input's side; below 1 it is a
        central crop, resampled to S × S in the same step as the rotation.
    via : float
        If not 0, turn by this angle first and by the rest then: the picture is resampled twice.
        The canvas between the two is twice as wide, so that nothing is lost there.

    Returns
    -------
    Tensor
        Shape and dtype of `images`.

    Raises
    ------
    ValueError
        If the images are not square.
    """
    if images.ndim != 4 or images.shape[-1] != images.shape[-2]:
        raise ValueError(f"expected square images [N, C, S, S], got {tuple(images.shape)}")
    size = images.shape[-1]
    if via:
        grid = _grid(2 * size, torch.tensor([via], dtype=torch.float64), 2.0)
        images = _resample(images, grid, interpolation, padding)
        degrees, scale = degrees - via, scale / 2
    if not isinstance(degrees, Tensor):
        if degrees % 90 == 0 and not via:
            if scale != 1:
                images = rotate(images, torch.tensor([0.0]), interpolation, padding, scale)
            return torch.rot90(images, round(degrees / 90), dims=(-2, -1))
        degrees = torch.tensor([degrees], dtype=torch.float64)
    return _resample(images, _grid(size, degrees, scale), interpolation, padding)


def _resample(images: Tensor, grid: Tensor, interpolation: str, padding: str) -> Tensor:
    """Look up images [N, C, S, S] at a grid [1 or N, T, T, 2] → [N, C, T, T]."""
    grid = grid.to(images).expand(len(images), -1, -1, -1)
    turned = F.grid_sample(images, grid, interpolation, padding, align_corners=False)
    if interpolation == "bicubic":
        low, high = (extreme((2, 3), keepdim=True) for extreme in (images.amin, images.amax))
        if padding == "zeros":
            low, high = low.clamp(max=0), high.clamp(min=0)
        turned = turned.clamp(low, high)
    return turned


@dataclass(frozen=True)
class View:
    """A way of making the pair (x, R_θ x): one entry of the configuration's `views`.

    Attributes
    ----------
    canvas : {"zero", "reflect", "disc", "crop"}
        What fills the corners that a rotation uncovers: black; the mirrored picture; nothing, since
        both views are cut to the inscribed disc; nothing, since both views show the central square
        of side S/√2 of the rotated picture, enlarged to S × S.
    interpolation : {"nearest", "bilinear", "bicubic"}
        How angles that are no multiple of 90° are resampled.
    sham : bool
        The second view is R_−θ R_θ x: resampled as often, but not turned.
    matched : bool
        Both views, and both maps on their way back, are resampled equally: the first view is the
        sham R_−h R_h x, the second R_θ−h R_h x, where 2h is what θ is beyond the nearest multiple
        of 90°. So both are exact where 2h is 0, and see as much of x as if `matched` were false.
        There and back blurs a little less than there and on: the second keeps 0.7–1 of the first
        one's fine detail (energy of the Laplacian, a retina at 64 px); without `matched` 0.3–0.6.
    """

    canvas: str = "zero"
    interpolation: str = "bilinear"
    sham: bool = False
    matched: bool = False

    @property
    def _scale(self) -> float:
        return CROP if self.canvas == "crop" else 1.0

    def _via(self, degrees: float) -> float:
        return ((degrees + 45) % 90 - 45) / 2 if self.matched else 0.0

    def _turn(self, images: Tensor, degrees: float, scale: float, via: float = 0.0) -> Tensor:
        padding = "reflection" if self.canvas == "reflect" else "zeros"
        turned = rotate(images, degrees, self.interpolation, padding, scale, via)
        return turned * self._disc(images).to(turned) if self.canvas == "disc" else turned

    @staticmethod
    def _disc(images: Tensor) -> Tensor:
        return _grid(images.shape[-1], torch.zeros(1), 1.0)[0].norm(dim=-1) <= 1

    def original(self, images: Tensor, degrees: float = 0.0) -> Tensor:
        """First view x on this view's canvas: float [N, C, S, S] → [N, C, S, S].

        θ matters only where views are matched; without it, this is x as it is.
        """
        return self._turn(images, 0.0, self._scale, self._via(degrees))

    def rotated(self, images: Tensor, degrees: float) -> Tensor:
        """Second view R_θ x (or the sham R_−θ R_θ x): float [N, C, S, S] → [N, C, S, S]."""
        if self.sham:
            return self._turn(self._turn(images, degrees, 1.0), -degrees, self._scale)
        return self._turn(images, degrees, self._scale, self._via(degrees))

    def settle(self, maps: Tensor, degrees: float) -> Tensor:
        """Cut maps of the first view to what it shows: float [N, S, S] ≥ 0 → [N, S, S].

        Where views are matched, resampled as `align` does with those of the second view.
        """
        return self._moved(maps, 0.0, self._via(degrees)) * self.valid(maps, 0.0).to(maps)

    def align(self, maps: Tensor, degrees: float) -> Tensor:
        """Bring maps of the second view back onto the first: float [N, S, S] ≥ 0 → [N, S, S].

        Pixels that the second view could not see are 0.
        """
        turn = 0.0 if self.sham else -degrees
        return self._moved(maps, turn, self._via(turn)) * self.valid(maps, degrees).to(maps)

    def _moved(self, maps: Tensor, degrees: float, via: float) -> Tensor:
        """Turn maps [N, S, S]; a mirrored border, so that no pixel at the edge is half black."""
        return rotate(maps[:, None], degrees, self.interpolation, "reflection", via=via)[:, 0]

    def valid(self, images: Tensor, degrees: float) -> Tensor:
        """Which pixels of the first view's frame the second view shows: bool [S, S].

        This is the footprint of the canvas rotated there and back; it depends on θ alone, whatever
        the images hold. Maps are scored within it.
        """
        if self.canvas == "disc":
            return self._disc(images).to(images.device)
        if degrees % 90 == 0:
            return torch.ones(images.shape[-2:], dtype=torch.bool, device=images.device)
        grid = _grid(images.shape[-1], torch.tensor([-degrees]), 1.0)[0]
        return (grid.abs().amax(dim=-1) <= 1).to(images.device)

    def shown(self, images: Tensor, degrees: float) -> Tensor:
        """Which pixels of the second view's own frame show the picture: bool [S, S]."""
        if self.canvas in ("reflect", "crop"):
            return torch.ones(images.shape[-2:], dtype=torch.bool, device=images.device)
        return self.valid(images, degrees if self.sham else -degrees)

    def masks(self, masks: Tensor) -> Tensor:
        """Labels in the first view's frame: uint8 [N, S, S] → [N, S, S], never blended."""
        nearest = View(self.canvas, "nearest")
        parts = (nearest.original(part[:, None].float())[:, 0] for part in masks.split(PART))
        return torch.cat([part.to(masks.dtype) for part in parts])
