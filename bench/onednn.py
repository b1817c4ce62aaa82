#!/usr/bin/env python3
"""How near the machine's limit torch's convolutions are: those of ResNet-18 at 96 px.

Usage: python bench/onednn.py [ROUNDS]
Batches of 16, channels last, float32, one thread; a product of two large matrices beside them. What
multiplies padding does not count as work.
"""

import sys
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from in_turn import in_turn

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
torch.set_num_threads(1)


def backward(image, kernel, gradient, wanted):
    """Gradient of a convolution with respect to what is wanted of image, kernel and bias."""
    ones = [1, 1]
    return torch.ops.aten.convolution_backward(
        gradient, image, kernel, None, ones, ones, ones, False, [0, 0], 1, wanted
    )


square = torch.randn(1024, 1024)
(seconds,) = in_turn({"product": lambda: square @ square}, rounds).values()
print(f"product of matrices: {2 * 1024**3 / np.median(seconds) / 1e9:.0f} GFLOP/s")
for channels, size in (64, 24), (128, 12), (256, 6), (512, 3):
    maps = (16, channels, size, size)
    tensors = [
        torch.randn(shape).contiguous(memory_format=torch.channels_last)
        for shape in (maps, (channels, channels, 3, 3), maps)
    ]
    ways = {
        "forward": partial(F.conv2d, *tensors[:2], padding=1),
        "to the image": partial(backward, *tensors, [True, False, False]),
        "to the kernel": partial(backward, *tensors, [False, True, False]),
    }
    work = 2 * 16 * (3 * size - 2) ** 2 * channels**2
    speeds = {name: work / np.median(s) / 1e9 for name, s in in_turn(ways, rounds).items()}
    told = ", ".join(f"{name} {speed:.0f}" for name, speed in speeds.items())
    print(f"{channels} channels, {size} px: {told} GFLOP/s")
