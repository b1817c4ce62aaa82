"""Depthwise convolutions that train fast on small maps.

On the CPU oneDNN takes 10 to 20 ms for the gradient of 1,152 depthwise kernels over maps of 2 × 2
pixels, against 0.2 ms for the maps' own: it has no fast path for maps as small as the kernel. The
deep half of an encoder for small images consists of these.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_input

SMALL = 4  # pixels per side up to which the sum over taps is faster than oneDNN


class _SumOverTaps(torch.autograd.Function):
    """Depthwise convolution of stride 1; its kernel's gradient is a sum of products per tap."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, kernel: Tensor, down: int, right: int) -> Tensor:
        ctx.save_for_backward(maps, kernel)
        ctx.padding = down, right
        return F.conv2d(maps, kernel, padding=(down, right), groups=len(kernel))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        maps, kernel = ctx.saved_tensors
        (height, width), (rows, columns) = gradient.shape[2:], kernel.shape[2:]
        down, right = ctx.padding
        of_maps = conv2d_input(
            maps.shape, kernel, gradient, padding=ctx.padding, groups=len(kernel)
        )
        padded = F.pad(maps, (right, right, down, down))
        taps = [
            (padded[:, :, i : i + height, j : j + width] * gradient).sum(dim=(0, 2, 3))
            for i in range(rows)
            for j in range(columns)
        ]
        return of_maps, torch.stack(taps, dim=1).view_as(kernel), None, None


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution of stride 1: the same function and, up to rounding, gradients."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        height, width = input.shape[2:]
        if not (input.is_cpu and weight.requires_grad and max(height, width) <= SMALL):
            return super()._conv_forward(input, weight, bias)
        # taps further from the centre meet nothing but padding
        y, x = (side // 2 for side in weight.shape[2:])
        down, right = min(y, height - 1), min(x, width - 1)
        kernel = weight[:, :, y - down : y + down + 1, x - right : x + right + 1]
        output: Tensor = _SumOverTaps.apply(input, kernel, down, right)
        return output if bias is None else output + bias[:, None, None]


def speed_up(network: nn.Module) -> None:
    """Make `DepthwiseConv2d` of a network's depthwise convolutions, in place.

    Those of stride 1 that pad with zeros to keep the size of the map; weights and names stay.
    """
    for conv in network.modules():
        if type(conv) is nn.Conv2d and conv.groups == conv.in_channels == conv.out_channels > 1:
            half = tuple(side // 2 for side in conv.kernel_size)
            if (conv.stride, conv.dilation, conv.padding) == ((1, 1), (1, 1), half):
                conv.__class__ = DepthwiseConv2d
