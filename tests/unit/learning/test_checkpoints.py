"""Encoders and the files their weights come from."""

import os
import pickle

import numpy as np
import pytest
import skimage.data
import skimage.transform
import timm
import torch
import torchvision
from factories import ENCODERS

from thetascope.errors import UserError
from thetascope.learning import checkpoints
from thetascope.learning.encoders import Encoder, build_network


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return build_network("resnet18")


def loaded(state, name="resnet18"):
    torch.manual_seed(1)
    network = build_network(name)
    checkpoints.load_backbone(network, state, "test.pt")
    return network.state_dict()


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_has_features_and_a_pyramid(name):
    encoder = Encoder(name, 3).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert encoder(images).shape == (2, encoder.num_features)
        sizes = [m.shape[-1] for m in encoder.pyramid(images)]
    assert sizes in ([32, 16, 8, 4, 2], [16, 8, 4, 2])


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channel_counts_keep_the_response_to_grey(tmp_path, resnet, channels):
    """A grey picture means the same to the adapted network as to the RGB one."""
    checkpoints.save(tmp_path / "b.pt", {}, encoder=resnet.state_dict())
    adapted = checkpoints.load_encoder("resnet18", channels, tmp_path / "b.pt").eval()
    original = checkpoints.load_encoder("resnet18", 3, tmp_path / "b.pt").eval()
    # one normalisation for all channels, so that grey stays grey
    original.mean[:], original.std[:] = original.mean.mean(), original.std.mean()
    grey = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        ours, rgb = adapted(grey.expand(-1, channels, -1, -1)), original(grey.expand(-1, 3, -1, -1))
    if channels == 1:
        torch.testing.assert_close(ours, rgb, rtol=1e-4, atol=1e-5)
    else:  # four channels repeat R: the sum is right in scale only
        assert torch.nn.functional.cosine_similarity(ours, rgb).min() > 0.95


@pytest.mark.parametrize(
    "prefix", ["", "module.encoder_q.", "_orig_mod.", "backbone.", "module.backbone.", "encoder."]
)
def test_wrapped_state_dicts(resnet, prefix):
    wrapped = {f"{prefix}{k}": v for k, v in resnet.state_dict().items()}
    if "encoder_q" in prefix:  # the official files hold much beside the encoder
        wrapped |= {k.replace("_q", "_k"): torch.zeros_like(v) for k, v in wrapped.items()}
        wrapped |= {"module.queue": torch.zeros(128, 64), "module.queue_ptr": torch.zeros(1)}
        wrapped |= {f"{prefix}fc.{i}.weight": torch.zeros(2, 2) for i in (0, 2)}
    state = loaded(wrapped)
    assert all(torch.equal(state[k], v) for k, v in resnet.state_dict().items())


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_torchvision_names_are_ours(name):
    theirs = getattr(torchvision.models, name)(weights=None).eval()
    network = build_network(name).eval()
    checkpoints.load_backbone(network, theirs.state_dict(), "torchvision")
    theirs.fc = torch.nn.Identity()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(images), theirs(images), rtol=1e-4, atol=1e-4)


def test_what_does_not_fit_is_listed(resnet):
    state = dict(resnet.state_dict())
    state["layer9.conv1.weight"] = state.pop("layer1.0.conv1.weight")
    state["conv1.weight"] = state["conv1.weight"][:, :1]
    with pytest.raises(UserError) as error:
        loaded(state)
    for part in ("test.pt", "layer1.0.conv1.weight", "layer9.conv1.weight", "(64, 1, 7, 7)"):
        assert part in str(error.value)


def test_another_architecture_is_refused(resnet):
    with pytest.raises(UserError, match="does not fit the EfficientNet"):
        loaded(resnet.state_dict(), "efficientnet_lite0")


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_code_in_a_checkpoint_never_runs(tmp_path):
    for save in (torch.save, lambda obj, path: path.write_bytes(pickle.dumps(obj))):
        save({"encoder": Payload(str(tmp_path / "ran"))}, tmp_path / "bad.pt")
        with pytest.raises(UserError, match=r"bad\.pt"):
            checkpoints.load(tmp_path / "bad.pt")
        assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_truncated_and_missing_files(tmp_path, resnet, size):
    checkpoints.save(tmp_path / "whole.pt", {}, encoder=resnet.state_dict())
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:size])
    with pytest.raises(UserError, match=r"cut\.pt"):
        checkpoints.load(tmp_path / "cut.pt")
    with pytest.raises(UserError, match=r"none\.pt.*no such"):
        checkpoints.load(tmp_path / "none.pt")


def test_equal_contents_give_equal_bytes(tmp_path, resnet):
    for name in ("a.pt", "b.pt"):
        checkpoints.save(tmp_path / name, {"rule": "x"}, encoder=resnet.state_dict())
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_random_weights_follow_the_seed():
    first, again, other = (
        checkpoints.initial_backbone("resnet18", "random", None, seed)["conv1.weight"]
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_init_file_reads_the_users_checkpoint(tmp_path, resnet):
    torch.save({"state_dict": resnet.state_dict(), "epoch": 800}, tmp_path / "mine.pth")
    state = checkpoints.initial_backbone("resnet18", "path", str(tmp_path / "mine.pth"), 0)
    assert torch.equal(state["conv1.weight"], resnet.state_dict()["conv1.weight"])


def test_the_bundled_imagenet_weights_know_a_cat():
    network = build_network("efficientnet_lite0").eval()
    state = checkpoints.initial_backbone("efficientnet_lite0", "imagenet", None, 0)
    assert state.keys() == network.state_dict().keys()
    encoder = Encoder("efficientnet_lite0", 3).eval()
    checkpoints.load_backbone(encoder.network, state, "package")
    picture = skimage.data.chelsea()[:, 75:375]
    cat = skimage.transform.resize(picture, (224, 224), anti_aliasing=True)
    image = torch.tensor(cat.transpose(2, 0, 1)[None].astype(np.float32))
    original = checkpoints._efficientnet_lite0_file()
    with torch.no_grad():
        logits = encoder(image) @ original["_fc.weight"].T + original["_fc.bias"]
    top5 = set(logits[0].topk(5).indices.tolist())
    assert logits.argmax().item() in range(281, 286)  # ImageNet's five kinds of house cat
    assert len(top5 & set(range(281, 294))) >= 3


def test_imagenet_weights_are_asked_of_timm(monkeypatch, resnet):
    """What would be downloaded: the other encoders' weights."""
    asked = []

    def create_model(name, pretrained, num_classes, **_):
        asked.append((name, pretrained, num_classes))
        return resnet if pretrained else build(name, pretrained=False, num_classes=num_classes)

    build = timm.create_model
    monkeypatch.setattr(timm, "create_model", create_model)
    state = checkpoints.initial_backbone("resnet18", "imagenet", None, 1)
    assert ("resnet18", True, 0) in asked
    assert all(torch.equal(state[k], v) for k, v in resnet.state_dict().items())


class System:
    """Runs a shell command when it is unpickled."""

    def __init__(self, path):
        self.command = f"touch {path}"

    def __reduce__(self):
        return (os.system, (self.command,))


def test_a_command_hidden_among_weights_is_refused(tmp_path, resnet):
    state = {**resnet.state_dict(), "fc.weight": System(tmp_path / "ran")}
    torch.save({"state_dict": state}, tmp_path / "bad.pth")
    with pytest.raises(UserError, match=r"bad\.pth.*plain tensors"):
        checkpoints.initial_backbone("resnet18", "path", str(tmp_path / "bad.pth"), 0)
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "bad.pth", weights_only=False)  # the file is what it says it is
    assert (tmp_path / "ran").exists()


def test_the_official_moco_v2_layout_of_a_resnet50(tmp_path):
    """Its keys as published: torchvision's names, both encoders, two-layer heads, the queue."""
    torch.manual_seed(0)
    body = {
        k: v
        for k, v in torchvision.models.resnet50(weights=None).state_dict().items()
        if not k.startswith("fc.")
    }
    head = {
        f"fc.{i}.{kind}": torch.rand(n, 2048) if kind == "weight" else torch.rand(n)
        for i, n in ((0, 2048), (2, 128))
        for kind in ("weight", "bias")
    }
    state = {f"module.encoder_q.{k}": v for k, v in {**body, **head}.items()}
    state |= {f"module.encoder_k.{k}": torch.rand(v.shape) for k, v in {**body, **head}.items()}
    state |= {"module.queue": torch.rand(128, 64), "module.queue_ptr": torch.zeros(1)}
    # an optimizer's state, as those files have
    contents = {"epoch": 800, "arch": "resnet50", "state_dict": state, "optimizer": {"state": {}}}
    torch.save(contents, tmp_path / "moco.pth.tar")
    loaded_state = checkpoints.initial_backbone(
        "resnet50", "path", str(tmp_path / "moco.pth.tar"), 1
    )
    assert loaded_state.keys() == body.keys()
    assert all(torch.equal(loaded_state[k], v) for k, v in body.items())


def test_every_key_of_the_imagenet_file_has_its_place():
    original = checkpoints._efficientnet_lite0_file()
    renamed = checkpoints.rename_efficientnet_lite0(original)
    assert len(renamed) == len(original) - 2  # the classifier's weight and bias
    assert renamed.keys() == build_network("efficientnet_lite0").state_dict().keys()


def test_missing_keys_are_counted_even_if_many(resnet):
    state = {k: v for k, v in resnet.state_dict().items() if "layer" not in k}
    missing = [k for k in resnet.state_dict() if "layer" in k and "num_batches" not in k]
    with pytest.raises(UserError, match=rf"{len(missing)} keys missing.*0 unexpected"):
        loaded(state)


def test_a_file_from_before_batch_counters_is_read(resnet):
    state = {k: v for k, v in resnet.state_dict().items() if "num_batches_tracked" not in k}
    assert torch.equal(loaded(state)["conv1.weight"], state["conv1.weight"])


def test_a_list_is_no_checkpoint(tmp_path):
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    with pytest.raises(UserError, match=r"list\.pt: holds a list"):
        checkpoints.load(tmp_path / "list.pt")


def test_a_save_that_fails_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "a.pt"
    checkpoints.save(path, {"rule": "x"}, value=1)
    with pytest.raises(AttributeError, match="pickle"):
        checkpoints.save(path, {}, value=lambda: None)
    assert checkpoints.load(path) == {"record": '{"rule": "x"}', "value": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.parametrize(
    "prefix", ["backbone.module.", "network.encoder.backbone.", "_orig_mod.module."]
)
def test_wrappers_nest_in_any_order(resnet, prefix):
    state = loaded({f"{prefix}{k}": v for k, v in resnet.state_dict().items()})
    assert all(torch.equal(state[k], v) for k, v in resnet.state_dict().items())


def test_keys_left_over_are_refused_even_if_nothing_is_missing(resnet):
    state = {**resnet.state_dict(), "layer5.0.conv1.weight": torch.zeros(1)}
    with pytest.raises(UserError, match=r"0 keys missing.*1 unexpected.*layer5\.0\.conv1\.weight"):
        loaded(state)
