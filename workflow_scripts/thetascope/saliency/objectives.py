"""Scalars of the models whose gradients the saliency maps are.

Each is the mean over the K copies [N, K, C, S, S] of every item: see `smoothgrad`.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from thetascope.learning.encoders import Encoder
from thetascope.learning.segmentation import UNet
from thetascope.saliency.gradients import Objective


def pair_cosine(encoder: Encoder) -> Objective:
    """Scalar of the pretrained encoder: cos(f(x), f(y)) for copies [N, K, C, S, S] twice → [N].

    The mean over all K² pairs of a copy of x and one of y, which is the product of the mean unit
    vectors of both. All pairs have the same expectation, since their noise is independent; so many
    of them have less variance than K, for as many passes of the network.
    """

    def scalar(x: Tensor, y: Tensor) -> Tensor:
        of_x, of_y = (F.normalize(_outputs(encoder, z), dim=2).mean(dim=1) for z in (x, y))
        return (of_x * of_y).sum(dim=1)

    return scalar


def scalar_pixels(found: Tensor, over: str) -> Tensor:
    """Pixels that the fine-tuned model's scalar is over: bool [N, S, S], what it finds → the same.

    Those that it finds with `over` = predicted, all of them with `all` and where it finds none.
    """
    return found | (over == "all") | ~found.any(dim=(1, 2), keepdim=True)


def foreground_logit(model: UNet) -> Objective:
    """Scalar of the fine-tuned model: mean foreground logit over some pixels.

    Copies [N, K, C, S, S] and bool [N, S, S], which pixels of each item → [N]. Over the pixels that
    the model calls foreground it is the scalar of Seg-Grad-CAM (Vinogradova et al. 2020, arXiv
    2002.11434). With several foreground classes the logit is the log of the odds that a pixel is
    any of them.
    """

    def scalar(x: Tensor, where: Tensor) -> Tensor:
        logits = _outputs(model, x)
        odds = logits[:, :, 1:].logsumexp(dim=2) - logits[:, :, 0]
        return (odds.mean(dim=1) * where).sum(dim=(1, 2)) / where.sum(dim=(1, 2))

    return scalar


def _outputs(model: nn.Module, copies: Tensor) -> Tensor:
    """Outputs [N, K, ...] of a network for copies [N, K, C, S, S]."""
    outputs: Tensor = model(copies.flatten(0, 1))
    return outputs.unflatten(0, copies.shape[:2])
