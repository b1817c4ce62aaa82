"""Where public code of self-supervised learning puts the backbone in its files."""

import argparse
import logging
import shlex
import subprocess
import sys

import numpy as np
import pytest
import torch
import torchvision

from thetascope.errors import UserError
from thetascope.learning import checkpoints, layouts
from thetascope.learning.encoders import build_network

HEAD = torch.zeros(4, 4)


def drawn(name="resnet18", seed=0):
    torch.manual_seed(seed)
    return build_network(name)


@pytest.fixture(scope="module")
def body():
    return drawn().state_dict()


@pytest.fixture(scope="module")
def other():
    """A momentum encoder's weights, which are not the ones that are wanted."""
    return drawn(seed=1).state_dict()


def under(prefix, state):
    return {prefix + key: value for key, value in state.items()}


def numbered(state):
    """As children of a torchvision ResNet in an nn.Sequential, by torchvision itself."""
    network = torchvision.models.resnet18(weights=None)
    network.load_state_dict({**network.state_dict(), **state})
    return torch.nn.Sequential(*list(network.children())[:-1]).state_dict()


LAYOUTS = {
    "torchvision, VICReg, Barlow Twins": lambda b, o: {**b, "fc.weight": HEAD, "fc.bias": HEAD},
    "MoCo v2": lambda b, o: {
        "arch": "resnet18",
        "optimizer": {"state": {0: {"momentum_buffer": HEAD}}},
        "state_dict": under("module.encoder_q.", {**b, "fc.0.weight": HEAD, "fc.2.bias": HEAD})
        | under("module.encoder_k.", o)
        | {"module.queue": HEAD, "module.queue_ptr": HEAD},
    },
    "SwAV": lambda b, o: under(
        "module.", {**b, "projection_head.0.weight": HEAD, "prototypes.weight": HEAD}
    ),
    "MoCo v3": lambda b, o: {
        "state_dict": under("module.base_encoder.", {**b, "fc.0.weight": HEAD})
        | under("module.momentum_encoder.", o)
        | {"module.predictor.0.weight": HEAD}
    },
    "OpenSelfSup, which stores its backbone twice": lambda b, o: {
        "state_dict": under("encoder_q.0.", b) | under("backbone.", b) | under("encoder_k.0.", o)
    },
    "MMSelfSup": lambda b, o: {"meta": {}, "state_dict": {**under("backbone.", b), "neck.a": HEAD}},
    "lightly": lambda b, o: {
        "state_dict": under("backbone.", numbered(b))
        | under("backbone_momentum.", numbered(o))
        | {"projection_head.layers.0.weight": HEAD}
    },
    "lightly, wrapped once more": lambda b, o: {"state_dict": under("backbone.0.", numbered(b))},
    "solo-learn": lambda b, o: {
        "state_dict": under("backbone.", b)
        | under("momentum_backbone.", o)
        | {"classifier.weight": HEAD}
    },
    "BYOL": lambda b, o: under("online_encoder.net.", b) | under("target_encoder.net.", o),
    "DINO": lambda b, o: {
        "student": under("module.backbone.", o) | {"module.head.mlp.0.weight": HEAD},
        "teacher": under("backbone.", {**b}) | {"head.mlp.0.weight": HEAD},
        "optimizer": {},
        "epoch": 100,
    },
    "full VICReg": lambda b, o: {
        "epoch": 1,
        "model": under("module.backbone.", b) | {"module.projector.0.weight": HEAD},
    },
    "VISSL": lambda b, o: {
        "classy_state_dict": {
            "base_model": {"model": {"trunk": under("_feature_blocks.", b), "heads": {}}}
        }
    },
    "a bare dictionary under model": lambda b, o: {"model": b, "model_ema_momentum": o},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_public_layouts_are_loaded_to_the_last_weight(layout, body, other, tmp_path, caplog):
    torch.save(LAYOUTS[layout](body, other), tmp_path / "theirs.pth")
    with caplog.at_level(logging.INFO):
        loaded = checkpoints.initial_backbone("resnet18", "path", str(tmp_path / "theirs.pth"), 7)
    assert loaded.keys() == body.keys()
    assert all(torch.equal(loaded[key], value) for key, value in body.items())
    assert "theirs.pth: the weights are " in caplog.text


@pytest.mark.parametrize("container", ["model", "teacher"])
def test_a_vision_transformer_with_a_decoder_or_a_head(container):
    network = drawn("vit_base_patch16_224")
    backbone = "backbone." if container == "teacher" else ""
    state = under(backbone, network.state_dict()) | {
        f"{backbone}mask_token": HEAD,
        "decoder_blocks.0.attn.qkv.weight": HEAD,
        "head.last_layer.weight_v": HEAD,
    }
    found = layouts.find({container: state}, network, "vit.pth")
    assert found.keys() == network.state_dict().keys()


def test_several_encoders_of_which_none_is_known_to_be_meant_are_named(body, other):
    contents = {"encoder": body, "target_encoder": other}  # as I-JEPA
    with pytest.raises(UserError, match=r"x\.pth: holds several .*: encoder\.\*, target_encoder"):
        layouts.find(contents, drawn(), "x.pth")


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (lambda: torchvision.models.resnet50(weights=None).state_dict(), "looks like a ResNet-50 "),
        (lambda: numbered(drawn().state_dict()), "looks like a ResNet-18 "),
        (
            lambda: {"cls_token": torch.zeros(1, 1, 384), "blocks.0.a": HEAD, "blocks.1.a": HEAD},
            "a vision transformer of width 384, 2 blocks",
        ),
        (lambda: {"vit.embeddings.cls_token": HEAD}, "names of Hugging Face"),
        (lambda: {"stem.conv1.weight": HEAD, "res2.0.conv1.weight": HEAD}, "names of Detectron2"),
        (lambda: {"a.b": HEAD}, r"looks like none that is known, with keys like \['a.b'\]"),
        (lambda: {"epoch": 3}, "the first of 0"),
    ],
)
def test_what_does_not_fit_is_said_to_look_like_something(theirs, said):
    with pytest.raises(UserError, match=r"mine\.pth: does not fit the EfficientNet.*" + said):
        layouts.find(theirs(), drawn("efficientnet_lite0"), "mine.pth")


def test_a_deeper_network_of_the_same_family_is_refused_by_its_depth():
    state = torchvision.models.resnet34(weights=None).state_dict()
    with pytest.raises(UserError, match=r"0 keys missing.*unexpected.*looks like a ResNet-34 "):
        layouts.find({"state_dict": under("module.", state)}, drawn(), "deep.pth")


def test_a_part_that_is_missing_is_counted_under_its_prefix(body):
    state = under("backbone.", {k: v for k, v in body.items() if k != "layer4.1.bn2.bias"})
    with pytest.raises(UserError, match=r"of backbone\.\* 1 keys missing \['layer4\.1\.bn2\.bias"):
        layouts.find(state, drawn(), "part.pth")


@pytest.mark.parametrize(
    ("beside", "named"),
    [
        ({"best": np.float64(61.2)}, "numpy"),
        ({"args": argparse.Namespace(lr=0.1)}, "argparse.Namespace"),
    ],
)
def test_what_torch_does_not_read_is_converted_by_the_line_that_is_given(
    body, tmp_path, beside, named
):
    file = tmp_path / "it's mine.pth.tar"
    torch.save({"state_dict": under("module.encoder_q.", body), **beside}, file)
    with pytest.raises(UserError) as error:
        checkpoints.load(file)
    message = str(error.value)
    assert f"it also holds {named}" in message
    command = shlex.split(message.partition("the new file: ")[2])
    assert command[:2] == ["python", "-c"]
    subprocess.run([sys.executable, *command[1:]], check=True)
    loaded = checkpoints.initial_backbone("resnet18", "path", f"{file}.weights.pt", 7)
    assert all(torch.equal(loaded[key], value) for key, value in body.items())


def test_no_line_is_given_for_code_that_has_no_place_among_weights(tmp_path):
    (tmp_path / "bad.pth").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    with pytest.raises(UserError, match=r"bad\.pth.*posix\.system.*do not load") as error:
        checkpoints.load(tmp_path / "bad.pth")
    assert "weights_only" not in str(error.value)


def test_a_whole_module_in_a_file_is_converted_too(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(UserError, match=r"torch\.nn\.modules\.linear\.Linear.*state_dict"):
        checkpoints.load(tmp_path / "module.pth")


@pytest.mark.parametrize(
    "head",
    [
        *("fc.weight", "head.0.bias", "heads.weight", "classifier.weight", "linear.weight"),
        *("last_linear.bias", "mlp.0.weight", "neck.a", "projector.0.weight", "proj_head.a"),
        *("projection_mlp.a", "prototypes.weight", "predictor.0.weight", "prediction_head.a"),
        *("queue", "queue_ptr", "decoder_blocks.0.a", "mask_token", "masked_embed"),
    ],
)
def test_what_lies_beside_a_backbone_is_left_where_it_is(body, head):
    found = layouts.find({"state_dict": under("module.", {**body, head: HEAD})}, drawn(), "x.pth")
    assert found.keys() == body.keys()


@pytest.mark.parametrize("name", ["momentum_encoder", "student", "encoder_k", "target_encoder"])
def test_an_encoder_that_would_be_left_is_taken_where_it_is_alone(body, name):
    assert layouts.find({name: body}, drawn(), "x.pth").keys() == body.keys()


def test_an_encoder_within_another_is_nothing_left_over(body, other):
    found = layouts.find({**body, **under("momentum_encoder.", other)}, drawn(), "x.pth")
    assert all(torch.equal(found[key], value) for key, value in body.items())


def test_labels_that_are_no_text_are_no_weights():
    with pytest.raises(UserError, match="the first of 0"):
        layouts.find({"layers": {0: HEAD}}, drawn(), "x.pth")


def test_weights_of_another_shape_are_refused_by_both_shapes(body):
    state = {**body, "bn1.bias": torch.zeros(7)}
    with pytest.raises(
        UserError, match=r"1 of another shape \['bn1\.bias \(7,\) instead of \(64,\)"
    ):
        layouts.find(state, drawn(), "x.pth")


def test_counters_of_batches_and_heads_are_neither_missing_nor_unexpected(body):
    state = {k: v for k, v in body.items() if not k.endswith("num_batches_tracked")}
    del state["bn1.bias"]
    state |= {"fc.weight": HEAD, "odd.weight": HEAD}
    with pytest.raises(
        UserError, match=r"1 keys missing \['bn1\.bias'\], 1 unexpected \['odd\.weight'\]"
    ):
        layouts.find(state, drawn(), "x.pth")


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
def test_resnets_are_known_by_their_depth(depth):
    with torch.device("meta"):
        state = getattr(torchvision.models, f"resnet{depth}")(weights=None).state_dict()
    with pytest.raises(UserError, match=f"looks like a ResNet-{depth} of"):
        layouts.find(state, drawn("efficientnet_lite0"), "x.pth")


def test_of_two_encoders_that_come_as_near_the_first_is_told(body):
    state = {k: v for k, v in body.items() if k != "layer4.1.bn2.bias"}
    with pytest.raises(UserError, match=r"of a\.\* 1 keys missing"):
        layouts.find({"a": state, "b": state}, drawn(), "x.pth")


def test_the_nearest_encoder_is_told_by_whole_names(body):
    parts = [key for key in body if key.startswith("layer1.0.") and "1." in key[9:]]
    with pytest.raises(UserError, match=r"of a\.\* \d+ keys missing"):
        layouts.find(under("a.", {key: body[key] for key in parts}), drawn(), "x.pth")
