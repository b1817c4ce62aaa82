#!/usr/bin/env python3
"""Training with depthwise kernels' gradients as a sum over taps, and by oneDNN, in turn.

Usage: python bench/depthwise.py [ROUNDS]
EfficientNet-Lite0 on noise, as the rules train it: two epochs of MoCo and one of the U-Net.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from thetascope import contrastive, depthwise, runtime, segmentation  # noqa: E402
from thetascope.encoders import Encoder  # noqa: E402
from thetascope.rotation import View  # noqa: E402

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
runtime.setup("cpu", 1)


def seconds(work):
    """CPU seconds that a call takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


for size in 48, 64:
    images = torch.rand(36, 1, size, size)
    masks = (images[:, 0] > 0.5).to(torch.uint8)
    encoder = Encoder("efficientnet_lite0", 1)
    unet_settings = config["finetune"] | {"epochs": 1}
    unet = segmentation.build_unet(encoder, 2, unet_settings, runtime.generator(0))

    def pretrain(encoder=encoder, images=images):
        """Two epochs of MoCo."""
        settings = config["pretrain"] | {"epochs": 2}
        contrastive.pretrain(
            encoder, images, 30.0, View(), "moco", settings, runtime.generator(0), None
        )

    def finetune(unet=unet, images=images, masks=masks, settings=unet_settings):
        """One epoch of the U-Net."""
        rows = range(len(images))
        segmentation.finetune(
            unet, images, masks, rows[:32], rows[32:], settings, runtime.generator(0)
        )

    taps, onednn = [], []
    for _ in range(rounds + 1):  # the first warms up
        for small, times in (4, taps), (0, onednn):
            depthwise.SMALL = small
            times.append([seconds(pretrain), seconds(finetune)])
    ratio = np.median(np.array(onednn[1:]) / np.array(taps[1:]), axis=0)
    print(f"{size} px: pre-training {ratio[0]:.2f}, fine-tuning {ratio[1]:.2f} times as long")
