"""A known answer put into learning: pairs that are spoilt more or less often, by their angle."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Generator, Tensor

from thetascope.errors import UserError


def spoilt_share(degrees: float, period: float, strength: float) -> float:
    """Share of pairs to spoil at θ: strength · (1 + cos(2π θ / period)) / 2.

    It is `strength` at 0 and at every multiple of `period`, and 0 half way between.
    """
    return strength * (1 + math.cos(2 * math.pi * degrees / period)) / 2


def spoil(rows: Tensor, count: int, share: float, generator: Generator) -> Tensor:
    """Choose whose copy each image is paired with.

    Parameters
    ----------
    rows : Tensor
        The images x of a batch, int64 [B] below `count`.
    count : int
        Training images, at least 2.
    share : float
        Probability of each pair to be spoilt.
    generator : Generator
        Draws; as much for one share as for another.

    Returns
    -------
    Tensor
        Int64 [B]: the image itself, or any other with equal chance if the pair is spoilt.
    """
    spoilt = torch.rand(len(rows), generator=generator) < share
    steps = torch.randint(1, count, (len(rows),), generator=generator)  # never once round
    return (rows + (spoilt * steps).to(rows.device)) % count


def partners_of(
    spike: Mapping[str, float] | None, degrees: float | None, count: int, generator: Generator
) -> Callable[[Tensor], Tensor]:
    """Return what chooses the partners of a batch: rows [B] → rows [B].

    Parameters
    ----------
    spike : mapping or None
        `period` in degrees and `strength` of `spoilt_share`; None leaves every image its own copy
        and draws nothing.
    degrees : float or None
        θ; None where no angle is fixed.
    count, generator
        As for `spoil`.

    Raises
    ------
    UserError
        If there is a spike and no θ, of which its share is made.
    """
    if spike is None:
        return lambda rows: rows
    if degrees is None:
        raise UserError("pretrain.spike: without a fixed angle there is no share; set it to null")
    share = spoilt_share(degrees, **spike)
    return partial(spoil, count=count, share=share, generator=generator)
