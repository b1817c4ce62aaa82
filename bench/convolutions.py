#!/usr/bin/env python3
"""Training with the kernels' gradients on small maps by ours and by oneDNN.

Usage: python bench/convolutions.py [ROUNDS]
On noise, as the rules train, both in turn: an epoch of MoCo and one of the U-Net, one thread.
"""

import sys
from functools import partial
from pathlib import Path

import torch
import yaml
from in_turn import compare

from thetascope.learning import (
    contrastive,
    convolutions,
    pretraining,
    runtime,
    segmentation,
)
from thetascope.learning.encoders import Encoder
from thetascope.learning.rotation import View

ROOT = Path(__file__).parents[1]

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
runtime.setup("cpu", 1)


def trainings(encoder, size):
    """Ways to train, by either gradient."""
    images = torch.rand(36, 3, size, size)
    masks = (images[:, 0] > 0.5).to(torch.uint8)
    section = config["pretrain"] | {"epochs": 1}
    moco = contrastive.Pretrain(**{k: section[k] for k in section if k not in ("init", "weights")})
    unet_settings = segmentation.Finetune(**config["finetune"] | {"epochs": 1})
    unet = segmentation.build_unet(encoder, 2, unet_settings, runtime.generator(0))

    def pretrain():
        pretraining.pretrain(encoder, images, 30.0, View(), "moco", moco, runtime.generator(0))

    def finetune():
        parts = range(32), range(32, 36)
        segmentation.finetune(unet, images, masks, *parts, unet_settings, runtime.generator(0))

    def limited(train, dense, depthwise):
        convolutions.Conv2d.limit, convolutions.DepthwiseConv2d.limit = dense, depthwise
        train()

    limits = {"oneDNN": (0, 0), "ours": (convolutions.DENSE, convolutions.DEPTHWISE)}
    for train in pretrain, finetune:
        yield train.__name__, {name: partial(limited, train, *limits[name]) for name in limits}


for name, size in (
    ("resnet18", 96),
    ("resnet50", 96),
    ("efficientnet_lite0", 64),
    ("efficientnet_lite0", 48),
):
    for training, ways in trainings(Encoder(name, 3), size):
        print(f"{name}, {size} px, {training}")
        compare(ways, rounds)
