"""Convolutions: what is faster must be the same function with the same gradients."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from thetascope.learning import convolutions
from thetascope.learning.encoders import Encoder, build_network
from thetascope.learning.segmentation import UNet

thorough = settings(max_examples=150, deadline=None)


def gradients(conv, maps, upstream):
    maps = maps.clone().requires_grad_()
    output = conv(maps)
    return output, *torch.autograd.grad(output, [maps, *conv.parameters()], upstream)


def is_ours(output):
    """Whether the backward pass, below a bias, is that of `convolutions`."""
    node = output.grad_fn
    nodes = node, node.next_functions[0][0]
    return any(n is not None and n.name() == "_ConvolutionBackward" for n in nodes)


def assert_same(plain, kind, maps):
    """Both ways on maps of either memory format."""
    plain = plain.double()
    fast = nn.Sequential(copy.deepcopy(plain))
    convolutions.speed_up(fast)
    assert type(fast[0]) is kind
    upstream = torch.randn_like(plain(maps))
    small = max(m // s for m, s in zip(maps.shape[2:], plain.stride, strict=True)) <= kind.limit
    assert is_ours(fast(maps)) == small
    for given_maps in maps, maps.contiguous(memory_format=torch.channels_last):
        both = gradients(plain, given_maps, upstream), gradients(fast, given_maps, upstream)
        for a, b in zip(*both, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@given(
    items=st.integers(1, 4),
    channels=st.integers(2, 5),
    height=st.integers(1, convolutions.DEPTHWISE + 2),
    width=st.integers(1, convolutions.DEPTHWISE),
    kernel=st.sampled_from([1, 3, 5, 7, (3, 5)]),
    bias=st.booleans(),
)
@thorough
def test_depthwise(items, channels, height, width, kernel, bias):
    padding = tuple(k // 2 for k in kernel) if isinstance(kernel, tuple) else kernel // 2
    conv = nn.Conv2d(channels, channels, kernel, 1, padding, groups=channels, bias=bias)
    maps = torch.randn(items, channels, height, width, dtype=torch.float64)
    assert_same(conv, convolutions.DepthwiseConv2d, maps)


@given(
    items=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    height=st.integers(3, 2 * convolutions.DENSE + 2),
    width=st.integers(3, convolutions.DENSE),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    bias=st.booleans(),
)
@thorough
def test_over_all_channels(items, channels, height, width, kernel, stride, padding, bias):
    conv = nn.Conv2d(*channels, kernel, stride, padding, bias=bias)
    maps = torch.randn(items, channels[0], height, width, dtype=torch.float64)
    assert_same(conv, convolutions.Conv2d, maps)


@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.Conv2d(4, 8, 3, padding=1, groups=4),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, stride=2),
        nn.Conv2d(4, 4, 3, padding=2, groups=4, dilation=2),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv2d(4, 4, 2, padding=1, groups=4),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, 3, padding=2, dilation=2),
    ],
    ids=repr,
)
def test_other_convolutions_are_left_alone(conv):
    convolutions.speed_up(nn.Sequential(conv))
    assert type(conv) is nn.Conv2d


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("resnet18", convolutions.Conv2d),
        ("efficientnet_lite0", convolutions.DepthwiseConv2d),
        ("convnext_tiny", convolutions.DepthwiseConv2d),
    ],
)
def test_a_network_learns_the_same(name, kind):
    fast = UNet(Encoder(name, 1), 2, [16, 16, 8, 8, 8]).double().eval()
    assert [type(m) for m in fast.modules()].count(kind) >= 10
    assert type(fast.blocks[0][0]) is convolutions.Conv2d
    width = fast.blocks[0][0].in_channels
    assert is_ours(fast.blocks[0][0](torch.rand(1, width, 4, 4, dtype=torch.float64)))
    plain = copy.deepcopy(fast)
    plain.encoder.network = build_network(name, 1).double().eval()
    for conv in plain.blocks.modules():
        if isinstance(conv, convolutions.Conv2d):
            conv.__class__ = nn.Conv2d
    plain.load_state_dict(fast.state_dict())  # names have not changed
    images = torch.rand(2, 1, 64, 64, dtype=torch.float64)
    for model in fast, plain:
        model(images).square().sum().backward()
    for (key, a), b in zip(fast.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-9, atol=1e-12, msg=key)
