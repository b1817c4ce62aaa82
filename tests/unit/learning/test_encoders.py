"""Encoders: every family, any channel count, one normalisation."""

import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as tvf
from factories import ENCODERS

from thetascope.learning import checkpoints
from thetascope.learning.encoders import Encoder, build_network

SIZE = 64


def grey(n=2, size=SIZE):
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", ENCODERS)
@torch.no_grad()
def test_features_and_a_pyramid_whose_strides_double(name, channels):
    encoder = Encoder(name, channels).eval()
    images = grey().expand(-1, channels, -1, -1)
    features = encoder(images)
    assert features.shape == (2, encoder.num_features)
    assert features.isfinite().all()
    strides = [SIZE / m.shape[-1] for m in encoder.pyramid(images)]
    assert strides == [2.0 ** (i + 6 - len(strides)) for i in range(len(strides))]
    assert strides[0] in (2, 4)
    assert strides[-1] == 32


@torch.no_grad()
def test_a_transformers_maps_are_resampled_as_torch_does_it():
    encoder = Encoder("test_vit", 3).eval()
    images = grey().expand(-1, 3, -1, -1)
    network, (indices, _) = encoder.network, encoder.levels
    maps = network.forward_intermediates(
        encoder._normalise(images), indices=indices, output_fmt="NCHW", intermediates_only=True
    )
    for ours, theirs in zip(encoder.pyramid(images), maps, strict=True):
        size = ours.shape[-2:]
        theirs = F.interpolate(theirs, size=size, mode="bilinear", align_corners=False)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ENCODERS)
@torch.no_grad()
def test_features_belong_to_their_own_image(name):
    encoder = Encoder(name, 3).eval()
    images = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    both, alone = encoder(images), encoder(images[1:])
    torch.testing.assert_close(both[1:], alone, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(both[0], both[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0"])
@torch.no_grad()
def test_images_are_normalised_as_the_weights_expect(name):
    torch.manual_seed(0)
    encoder = Encoder(name, 3).eval()
    images = torch.rand(2, 3, SIZE, SIZE)
    cfg = build_network(name).pretrained_cfg
    theirs = encoder.network(tvf.normalize(images, cfg["mean"], cfg["std"]))
    torch.testing.assert_close(encoder(images), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channel_counts_take_the_mean_normalisation(channels):
    rgb, other = Encoder("resnet18", 3), Encoder("resnet18", channels)
    for key in ("mean", "std"):
        expected = getattr(rgb, key).mean().expand(1, channels, 1, 1)
        torch.testing.assert_close(getattr(other, key), expected)


@pytest.mark.parametrize(
    ("name", "exact"),
    # where the weights normalise R, G and B alike, a grey picture is the same to both networks;
    # ImageNet's own statistics differ by channel, and their mean is an approximation
    [("efficientnet_lite0", True), ("test_vit", True), ("resnet18", False)],
)
@torch.no_grad()
def test_grey_through_one_channel_equals_grey_through_rgb(tmp_path, name, exact):
    torch.manual_seed(0)
    checkpoints.save(tmp_path / "b.pt", {}, encoder=build_network(name).state_dict())
    one, rgb = (checkpoints.load_encoder(name, c, tmp_path / "b.pt").eval() for c in (1, 3))
    ours, theirs = one(grey()), rgb(grey().expand(-1, 3, -1, -1))
    error = ((ours - theirs).norm() / theirs.norm()).item()
    assert error < (1e-4 if exact else 0.15)


@torch.no_grad()
def test_our_own_checkpoint_comes_back_with_its_channels(tmp_path):
    torch.manual_seed(0)
    encoder = Encoder("resnet18", 1).eval()
    checkpoints.save(tmp_path / "p.pt", {}, encoder=checkpoints.to_cpu(encoder.network))
    again = checkpoints.load_encoder("resnet18", 1, tmp_path / "p.pt").eval()
    torch.testing.assert_close(again(grey()), encoder(grey()))
    half = checkpoints.load_encoder("resnet18", 1, tmp_path / "p.pt", "bfloat16").eval()
    assert 1e-4 < (half(grey()) - again(grey())).norm() / again(grey()).norm() < 0.1
