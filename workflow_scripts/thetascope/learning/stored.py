"""Images as they are stored, made what a network sees batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

KEPT = 4e9  # bytes of floats that are kept, at most: those of 6,600 RGB images of 224 px
PART = 256  # images that are made at a time, which bounds what their making takes


class Images(Protocol):
    """What trainings take images from: a float tensor [N, C, S, S] or `Stored`."""

    @property
    def device(self) -> torch.device:
        """Where they are."""

    def __len__(self) -> int:
        """N."""

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Float [B, C, S, S] of rows [B]."""


@dataclass(frozen=True)
class Stored:
    """Images that take a byte per pixel and channel, and become floats when they are asked for.

    Attributes
    ----------
    stored : Tensor
        Uint8 [N, C, S, S], or float in [0, 1].
    view : callable
        What is made of a float batch [B, C, S, S], each image by itself.
    """

    stored: Tensor
    view: Callable[[Tensor], Tensor]

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.stored.device

    def __len__(self) -> int:
        """N."""
        return len(self.stored)

    def __getitem__(self, rows: Tensor | Sequence[int]) -> Tensor:
        """Float [B, C, S, S] of rows [B]."""
        batch = self.stored[rows]
        return self.view(batch.float() / 255 if batch.dtype == torch.uint8 else batch)

    def kept(self, limit: float = KEPT) -> Images:
        """All of them made once and for all, if that takes no more than `limit` bytes."""
        if self.stored.numel() * 4 > limit:
            return self
        parts = torch.arange(len(self), device=self.device).split(PART)
        return torch.cat([self[rows] for rows in parts])
