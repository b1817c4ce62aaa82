"""Encoders by timm's names: which there are, and that each goes through every stage."""

import inspect

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from factories import ENCODERS, both, mapping, pretraining, squares
from torch import nn

from thetascope.errors import UserError
from thetascope.learning import checkpoints
from thetascope.learning.encoders import Encoder, build_network, check_side
from thetascope.learning.pretraining import pretrain
from thetascope.learning.probe import pair_probe
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import Finetune, build_unet, finetune
from thetascope.learning.timm_names import known, timm_name
from thetascope.saliency.gradients import folded
from thetascope.saliency.maps import saliency_maps

# the follow-up's, by timm's names
FOLLOW_UP = (
    *("resnet18", "convnext_tiny", "vit_base_patch16_224", "efficientnet_b0", "regnety_004"),
    *("wide_resnet50_2", "mobilenetv2_100", "swin_tiny_patch4_window7_224"),
)
MAPS = mapping(noise_level=both(0.1), logit_over="all", items=1, chunk_size=8)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures():
    """Four pictures of 64 pixels and their masks."""
    images, masks = squares(4)
    return (m.repeat_interleave(2, -1).repeat_interleave(2, -2) for m in (images, masks))


@pytest.mark.parametrize("name", sorted({*FOLLOW_UP, *ENCODERS, "resnet50"}))
def test_an_encoder_goes_through_every_stage(name):
    images, masks = pictures()
    torch.manual_seed(0)
    encoder = Encoder(name)
    weights = {key: p for key, p in encoder.network.named_parameters() if p.ndim > 1}
    before = {key: p.sum().item() for key, p in weights.items()}
    options = pretraining(epochs=1, batch_size=2, lr=0.5)
    epochs = pretrain(encoder, images[:2], 90.0, View(), "simclr", options, generator())
    assert np.isfinite(epochs["loss"]).all()
    assert all(p.isfinite().all() for p in weights.values())
    changed = [key for key, p in weights.items() if p.sum().item() != before[key]]
    assert len(changed) > 0.5 * len(weights)  # of some the gradient is less than rounding

    items = pd.DataFrame({"id": ["a", "b"], "case": ["a", "b"]})
    probe = pair_probe(encoder, images, (0, 1), (2, 3), 90.0, View(), items, 4)
    assert probe["value"].between(0, 1).all()
    with torch.no_grad():  # as maps take it, without batch-norms
        without = folded(encoder, images)(images[:1])
        torch.testing.assert_close(without, encoder(images[:1]), rtol=1e-2, atol=1e-3)

    settings = Finetune(epochs=1, batch_size=2, lr=1e-3, patience=1, decoder_channels=[8] * 5)
    unet = build_unet(encoder, 2, settings, generator())
    table = finetune(unet, images, masks, (0, 1), (2,), settings, generator())
    assert np.isfinite(table["loss"]).all()
    maps = saliency_maps(encoder, unet, images[3:4], 90.0, View(), MAPS, generator())
    for model in "pretrained", "finetuned":
        of_x = maps[f"{model}.original.smoothgrad"]
        assert of_x.shape == (1, 64, 64) and np.isfinite(of_x).all() and of_x.max() > 0


@torch.no_grad()
def test_a_transformer_of_windows_takes_one_channel_and_comes_back_from_its_file(tmp_path):
    name = "swin_tiny_patch4_window7_224"
    checkpoints.save(tmp_path / "b.pt", {}, encoder=build_network(name).state_dict())
    one, rgb = (checkpoints.load_encoder(name, c, tmp_path / "b.pt").eval() for c in (1, 3))
    rgb.mean[:], rgb.std[:] = rgb.mean.mean(), rgb.std.mean()
    grey = torch.rand(2, 1, 64, 64, generator=generator())
    torch.testing.assert_close(one(grey), rgb(grey.expand(-1, 3, -1, -1)), rtol=1e-3, atol=1e-4)


def test_names_are_those_of_timm():
    assert set(timm.list_models()) <= known()
    assert {*FOLLOW_UP, *map(timm_name, ENCODERS)} <= known()
    assert len(known()) < 1.1 * len(timm.list_models())  # and what it is to drop


def test_every_kind_of_network_in_timm_has_a_feature_pyramid():
    """So that fine-tuning is possible for all; a release of timm in which it is not fails here."""
    kinds = {
        kind
        for module in vars(timm.models).values()
        if inspect.ismodule(module) and module.__name__.startswith("timm.models.")
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, nn.Module)
        if hasattr(kind, "forward_head") and hasattr(kind, "reset_classifier")
    }
    assert len(kinds) > 80
    assert all(hasattr(kind, "forward_intermediates") for kind in kinds)


def test_no_layer_drops_anything_at_random():
    """timm's Swin leaves out a tenth of its paths, from a random state that is no job's."""
    network = build_network("swin_tiny_patch4_window7_224").train()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network(images), network(images))


@pytest.mark.parametrize(
    ("name", "side", "said"),
    [
        ("vit_base_patch16_224", 40, "image_size: 40: vit_base_patch16_224 does not take"),
        ("mixer_s32_224", 64, "it takes 224"),
        ("inception_v3", 64, "inception_v3 does not take pictures of this size"),
    ],
)
def test_a_size_that_a_network_does_not_take_is_refused(name, side, said):
    with pytest.raises(UserError, match=said):
        check_side(name, side)


def test_sizes_that_networks_take():
    for name, side in ("resnet18", 52), ("swin_tiny_patch4_window7_224", 96), ("resnet18", 33):
        check_side(name, side)


def test_a_tag_of_weights_stays_with_its_name():
    assert timm_name("resnet18.a1_in1k") == "resnet18.a1_in1k"
    assert timm_name("efficientnet_lite0") == "tf_efficientnet_lite0"
