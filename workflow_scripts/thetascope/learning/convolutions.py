"""Convolutions that train fast on small maps.

On the CPU oneDNN is slow at the gradient of the kernels where maps are small, as those of the deep
half of an encoder are, above all for small images: 10 to 20 ms for 1,152 depthwise kernels on maps
of 2 × 2 pixels, against 0.2 ms for the maps' own; for kernels from 512 to 512 channels half as
many operations per second as it does forward on maps of 6 × 6, and an eighth on 2 × 2. Here it is
one product of matrices, or for depthwise kernels a sum per tap.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_input

# pixels per side of the maps, over the stride, up to which this is faster than oneDNN: kernels over
# all channels, and depthwise
DENSE, DEPTHWISE = 8, 4


class _Convolution(torch.autograd.Function):
    """A convolution that pads with zeros; over all channels, or depthwise."""

    @staticmethod
    def forward(
        ctx: Any,
        maps: Tensor,
        kernel: Tensor,
        stride: tuple[int, int],
        padding: tuple[int, int],
        groups: int,
    ) -> Tensor:
        ctx.save_for_backward(maps, kernel)
        ctx.options = stride, padding, groups
        return F.conv2d(maps, kernel, None, stride, padding, groups=groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None, None, None]:
        maps, kernel = ctx.saved_tensors
        stride, (down, right), groups = ctx.options
        of_maps = None
        if ctx.needs_input_grad[0]:
            of_maps = conv2d_input(
                maps.shape, kernel, gradient, stride, (down, right), groups=groups
            )
        rows, columns = kernel.shape[2:]
        upstream = gradient.permute(0, 2, 3, 1)  # channels last, as the maps of encoders are
        padded = F.pad(maps.permute(0, 2, 3, 1), (0, 0, right, right, down, down))
        # a view: [N, H, W, channels, rows, columns], what each pixel of the output looks at
        windows = padded.unfold(1, rows, stride[0]).unfold(2, columns, stride[1])
        if groups == 1:
            seen = windows.permute(0, 1, 2, 4, 5, 3).reshape(-1, kernel[0].numel())
            of_kernel = upstream.reshape(-1, len(kernel)).T @ seen
            of_kernel = of_kernel.unflatten(1, (rows, columns, -1)).permute(0, 3, 1, 2)
            return of_maps, of_kernel, None, None, None
        taps = [
            (windows[..., i, j] * upstream).sum(dim=(0, 1, 2))
            for i in range(rows)
            for j in range(columns)
        ]
        return of_maps, torch.stack(taps, dim=1).view_as(kernel), None, None, None


class Conv2d(nn.Conv2d):
    """A convolution over all channels: the same function and, up to rounding, gradients."""

    limit = DENSE

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        side = max(input.shape[-2] // self.stride[0], input.shape[-1] // self.stride[1])
        if not (input.is_cpu and weight.requires_grad and input.ndim == 4 and side <= self.limit):
            return super()._conv_forward(input, weight, bias)
        output = self._convolve(input, weight)
        return output if bias is None else output + bias[:, None, None]

    def _convolve(self, input: Tensor, weight: Tensor) -> Tensor:
        output: Tensor = _Convolution.apply(input, weight, self.stride, self.padding, self.groups)
        return output


class DepthwiseConv2d(Conv2d):
    """A depthwise convolution of stride 1 that keeps the size of the map."""

    limit = DEPTHWISE

    def _convolve(self, input: Tensor, weight: Tensor) -> Tensor:
        # taps further from the centre meet nothing but padding
        height, width = input.shape[2:]
        y, x = (side // 2 for side in weight.shape[2:])
        down, right = min(y, height - 1), min(x, width - 1)
        kernel = weight[:, :, y - down : y + down + 1, x - right : x + right + 1]
        output: Tensor = _Convolution.apply(input, kernel, (1, 1), (down, right), self.groups)
        return output


def speed_up(network: nn.Module) -> None:
    """Make the convolutions of a network, where that is possible, those of this module, in place.

    Weights and names stay. Left alone are those with dilation, other padding than zeros or several
    groups, but for depthwise ones of stride 1 that keep the size of the map.
    """
    for conv in network.modules():
        if type(conv) is not nn.Conv2d or isinstance(conv.padding, str):
            continue
        if conv.padding_mode != "zeros" or conv.dilation != (1, 1):
            continue
        same = conv.padding == tuple((side - 1) / 2 for side in conv.kernel_size)
        if conv.groups == 1:
            conv.__class__ = Conv2d
        elif (
            conv.groups == conv.in_channels == conv.out_channels and conv.stride == (1, 1) and same
        ):
            conv.__class__ = DepthwiseConv2d
