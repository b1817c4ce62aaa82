"""Scalars of the models whose gradients the saliency maps are."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from thetascope.learning.encoders import Encoder
from thetascope.learning.segmentation import UNet
from thetascope.saliency.gradients import Objective


def pair_cosine(encoder: Encoder) -> Objective:
    """Scalar of the pretrained encoder: cos(f(x), f(y)) for pairs [N, C, S, S] twice → [N]."""
    return lambda x, y: F.cosine_similarity(encoder(x), encoder(y), dim=1)


def scalar_pixels(found: Tensor, over: str) -> Tensor:
    """Pixels that the fine-tuned model's scalar is over: bool [N, S, S], what it finds → the same.

    Those that it finds with `over` = predicted, all of them with `all` and where it finds none.
    """
    return found | (over == "all") | ~found.any(dim=(1, 2), keepdim=True)


def foreground_logit(model: UNet) -> Objective:
    """Scalar of the fine-tuned model: mean foreground logit over some pixels.

    Images [N, C, S, S] and bool [N, S, S], which pixels of each → [N]. Over the pixels that the
    model calls foreground it is the scalar of Seg-Grad-CAM (Vinogradova et al. 2020, arXiv
    2002.11434). With several foreground classes the logit is the log of the odds that a pixel is
    any of them.
    """

    def scalar(x: Tensor, where: Tensor) -> Tensor:
        logits = model(x)
        odds = logits[:, 1:].logsumexp(dim=1) - logits[:, 0]
        return (odds * where).sum(dim=(1, 2)) / where.sum(dim=(1, 2))

    return scalar
