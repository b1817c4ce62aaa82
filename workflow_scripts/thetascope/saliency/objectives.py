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


def foreground_logit(model: UNet) -> Objective:
    """Scalar of the fine-tuned model: mean foreground logit over pixels, [N, C, S, S] → [N].

    With several foreground classes it is the log of the odds that a pixel is any of them.
    """

    def scalar(x: Tensor) -> Tensor:
        logits = model(x)
        return (logits[:, 1:].logsumexp(dim=1) - logits[:, 0]).mean(dim=(1, 2))

    return scalar
