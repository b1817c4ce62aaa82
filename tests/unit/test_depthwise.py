"""Depthwise convolutions: what is faster must be the same function with the same gradients."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from thetascope import depthwise
from thetascope.encoders import Encoder, build_network


def gradients(conv, maps, upstream):
    maps = maps.clone().requires_grad_()
    output = conv(maps)
    return output, *torch.autograd.grad(output, [maps, *conv.parameters()], upstream)


@given(
    items=st.integers(1, 4),
    channels=st.integers(2, 5),
    height=st.integers(1, depthwise.SMALL + 2),
    width=st.integers(1, depthwise.SMALL),
    kernel=st.sampled_from([1, 3, 5, 7, (3, 5)]),
    bias=st.booleans(),
    channels_last=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_the_same_outputs_and_gradients(
    items, channels, height, width, kernel, bias, channels_last
):
    padding = tuple(k // 2 for k in kernel) if isinstance(kernel, tuple) else kernel // 2
    plain = nn.Conv2d(
        channels, channels, kernel, padding=padding, groups=channels, bias=bias
    ).double()
    fast = copy.deepcopy(plain)
    depthwise.speed_up(nn.Sequential(fast))
    assert type(fast) is depthwise.DepthwiseConv2d
    maps = torch.randn(items, channels, height, width, dtype=torch.float64)
    if channels_last:
        maps = maps.contiguous(memory_format=torch.channels_last)
    upstream = torch.randn_like(maps)
    for a, b in zip(gradients(plain, maps, upstream), gradients(fast, maps, upstream), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(4, 4, 3, padding=1),
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.Conv2d(4, 8, 3, padding=1, groups=4),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, stride=2),
        nn.Conv2d(4, 4, 3, padding=2, groups=4, dilation=2),
        nn.Conv2d(4, 4, 3, groups=4),
    ],
)
def test_other_convolutions_are_left_alone(conv):
    depthwise.speed_up(nn.Sequential(conv))
    assert type(conv) is nn.Conv2d


@pytest.mark.parametrize("name", ["efficientnet_lite0", "convnext_tiny"])
def test_an_encoder_learns_the_same(name):
    encoder = Encoder(name, 1).double().eval()
    kinds = [type(m) for m in encoder.modules()]
    assert kinds.count(depthwise.DepthwiseConv2d) >= 10
    plain = copy.deepcopy(encoder)
    plain.network = build_network(name, 1).double().eval()
    plain.load_state_dict(encoder.state_dict())  # names have not changed
    images = torch.rand(2, 1, 64, 64, dtype=torch.float64)
    for model in encoder, plain:
        model(images).square().sum().backward()
    for (key, a), b in zip(encoder.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-9, atol=1e-12, msg=key)
