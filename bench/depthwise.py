#!/usr/bin/env python3
"""Training with depthwise kernels' gradients as a sum over taps, and by oneDNN, in turn.

Usage: python bench/depthwise.py [ROUNDS]
EfficientNet-Lite0 on noise, as the rules train it: two epochs of MoCo and one of the U-Net.
"""

import sys
from functools import partial
from pathlib import Path

import torch
import yaml
from in_turn import compare

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from thetascope import contrastive, depthwise, runtime, segmentation  # noqa: E402
from thetascope.encoders import Encoder  # noqa: E402
from thetascope.rotation import View  # noqa: E402

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
runtime.setup("cpu", 1)


def trainings(size):
    """Ways to train: two epochs of MoCo and one of the U-Net, by either gradient."""
    images = torch.rand(36, 1, size, size)
    masks = (images[:, 0] > 0.5).to(torch.uint8)
    encoder = Encoder("efficientnet_lite0", 1)
    moco, unet_settings = config["pretrain"] | {"epochs": 2}, config["finetune"] | {"epochs": 1}
    unet = segmentation.build_unet(encoder, 2, unet_settings, runtime.generator(0))

    def pretrain(small):
        depthwise.SMALL = small
        contrastive.pretrain(encoder, images, 30.0, View(), "moco", moco, runtime.generator(0))

    def finetune(small):
        depthwise.SMALL = small
        parts = range(32), range(32, 36)
        segmentation.finetune(unet, images, masks, *parts, unet_settings, runtime.generator(0))

    gradients = {"sum over taps": depthwise.SMALL, "oneDNN": 0}
    for train in pretrain, finetune:
        yield train.__name__, {name: partial(train, small) for name, small in gradients.items()}


for size in 48, 64:
    for name, ways in trainings(size):
        print(f"{name}, {size} px")
        compare(ways, rounds)
