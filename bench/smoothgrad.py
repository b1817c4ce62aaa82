#!/usr/bin/env python3
"""SmoothGrad beside the bare gradient and captum's NoiseTunnel: U-Net on EfficientNet-Lite0, 64 px.

Usage: python bench/smoothgrad.py [PAIRS]. All four run in turn, since a machine's speed drifts; it
prints medians of ratios of CPU seconds, with quartiles. A chunk holds all images.
"""

import sys

import captum.attr
import torch
from in_turn import compare
from skimage.data import immunohistochemistry

from thetascope.learning.checkpoints import initial_backbone
from thetascope.learning.encoders import Encoder
from thetascope.learning.segmentation import UNet
from thetascope.saliency.gradients import folded, gradient_of, smoothgrad
from thetascope.saliency.objectives import foreground_logit

SAMPLES, LEVEL = 8, 0.15


def logit(model):
    """Mean foreground logit over all pixels."""
    scalar = foreground_logit(model)
    return lambda images: scalar(images, torch.ones_like(images[:, 0], dtype=torch.bool))


def main():
    """Time four ways to the same maps and print their ratios to the bare gradient."""
    torch.set_num_threads(1)
    encoder = Encoder("efficientnet_lite0")
    weights = initial_backbone("efficientnet_lite0", "imagenet", None, 0)
    encoder.network.load_state_dict(weights)
    unet = UNet(encoder, 2, [128, 64, 32, 16, 16]).eval().requires_grad_(False)
    picture = torch.from_numpy(immunohistochemistry()).permute(2, 0, 1)[None] / 255
    x = torch.cat([picture[:, :, i : i + 64, i : i + 64] for i in (0, 100, 200, 300)])
    fast = folded(unet, x)
    noisy = (x.repeat_interleave(SAMPLES, 0) + LEVEL * torch.randn(len(x) * SAMPLES, *x.shape[1:]),)
    options = {"nt_samples": SAMPLES, "nt_samples_batch_size": SAMPLES, "stdevs": LEVEL}
    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(logit(unet)))

    def bare(model):
        inputs = tuple(images.clone().requires_grad_() for images in noisy)
        torch.autograd.grad(logit(model)(*inputs).sum(), inputs)

    def ours(model):
        gradient = gradient_of(logit(model), 1, x.device)
        smoothgrad(gradient, (x,), SAMPLES, LEVEL, len(noisy[0]), torch.Generator())

    ways = {
        "bare gradient, folded": lambda: bare(fast),
        "smoothgrad, folded": lambda: ours(fast),
        "smoothgrad, not folded": lambda: ours(unet),
        "captum's NoiseTunnel": lambda: tunnel.attribute(x.clone(), **options),
    }
    compare(ways, int(sys.argv[1]) if len(sys.argv) > 1 else 20)


if __name__ == "__main__":
    main()
