"""Precisions: what they change, and how far their results lie from float32.

Tolerances are those that docs/methods.md states.
"""

import copy
from contextlib import nullcontext

import pandas as pd
import pytest
import torch
from factories import ENCODERS, pretraining, squares
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from thetascope.errors import UserError
from thetascope.learning import runtime
from thetascope.learning.encoders import Encoder, memory_format
from thetascope.learning.pretraining import pretrain
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import Finetune, build_unet, finetune, segmentation_scores

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")


@pytest.fixture(autouse=True)
def flags_of_torch():
    """Leave them as they were found."""
    flags = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = [flag.fp32_precision for flag in flags]
    yield
    for flag, value in zip(flags, before, strict=True):
        flag.fp32_precision = value


@on_gpu
@pytest.mark.parametrize(("precision", "low", "high"), [("float32", 0, 2e-6), ("tf32", 5e-5, 2e-3)])
def test_float32_is_float32_in_products_and_convolutions_and_tf32_is_not(precision, low, high):
    runtime.set_precision(precision, CUDA, "resnet18", 64)
    a, b = torch.randn(2, 512, 512, device=CUDA, dtype=torch.float64)
    x, w = torch.randn(8, 64, 32, 32, device=CUDA).double(), torch.randn(64, 64, 3, 3).double()
    w = w.to(CUDA)
    for exact, ours in (
        (a @ b, a.float() @ b.float()),
        (nn.functional.conv2d(x, w), nn.functional.conv2d(x.float(), w.float())),
    ):
        error = ((ours - exact).norm() / exact.norm()).item()
        assert low <= error <= high


@pytest.mark.parametrize(
    ("asked", "device", "encoder", "size", "chosen"),
    [
        ("auto", CPU, "resnet50", 224, "float32"),
        ("auto", CUDA, "resnet50", 224, "bfloat16"),
        ("auto", CUDA, "resnet50", 127, "tf32"),
        ("auto", CUDA, "convnext_tiny", 128, "bfloat16"),
        ("auto", CUDA, "efficientnet_lite0", 224, "tf32"),
        ("float32", CUDA, "resnet50", 224, "float32"),
        ("bfloat16", CPU, "efficientnet_lite0", 64, "bfloat16"),
        ("tf32", CUDA, "resnet50", 224, "tf32"),
    ],
)
def test_what_is_chosen_and_the_flags_that_go_with_it(asked, device, encoder, size, chosen):
    assert runtime.set_precision(asked, device, encoder, size) == chosen
    expected = "tf32" if chosen == "tf32" else "ieee"
    assert torch.backends.cuda.matmul.fp32_precision == expected
    assert torch.backends.cudnn.conv.fp32_precision == expected


def test_a_cpu_has_no_tf32():
    with pytest.raises(UserError, match="precision: tf32: only GPUs have it"):
        runtime.set_precision("tf32", CPU, "resnet18", 64)


@pytest.mark.parametrize("name", ENCODERS)
def test_channels_come_last_but_in_depthwise_networks_on_a_gpu(name):
    network = Encoder(name).network
    assert memory_format(network, CPU) is torch.channels_last
    depthwise = name in ("efficientnet_lite0", "test_convnext")
    expected = torch.contiguous_format if depthwise else torch.channels_last
    assert memory_format(network, CUDA) is expected


class Tf32(TorchDispatchMode):
    """Rounds the factors of all products and convolutions to TF32's 10 bits, as a GPU does."""

    OPERATIONS = ("convolution", "convolution_backward", "mm", "addmm", "bmm")

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation._schema.name.removeprefix("aten::") in self.OPERATIONS:
            args = tree_map_only(torch.Tensor, self.rounded, args)
        return operation(*args, **kwargs or {})

    @staticmethod
    def rounded(tensor):
        bits = tensor.contiguous().view(torch.int32)
        half = 0xFFF + (bits >> 13 & 1)  # to the nearest, ties to even
        return ((bits + half) & -0x2000).view(torch.float32)


def test_the_stand_in_for_tf32_keeps_10_bits():
    exact = torch.tensor([1.0, 1 + 2**-10, -3.5])
    assert torch.equal(Tf32.rounded(exact), exact)
    near = torch.tensor([1 + 2**-12, 1 + 3 * 2**-12, 1 + 2**-11, 1 + 3 * 2**-11])
    rounded = torch.tensor([1, 1 + 2**-10, 1, 1 + 2**-9])
    assert torch.equal(Tf32.rounded(near), rounded)


@pytest.mark.parametrize("name", ENCODERS)
def test_in_bfloat16_weights_features_and_gradients_are_float32(name):
    torch.manual_seed(0)
    exact = Encoder(name).eval()
    half = copy.deepcopy(exact)
    half.precision = "bfloat16"
    images = torch.rand(2, 3, 64, 64, requires_grad=True)
    features, expected = half(images), exact(images)
    assert features.dtype == torch.float32
    error = (features - expected).norm() / expected.norm()
    assert 1e-5 < error < 0.02
    features.sum().backward()
    assert {p.dtype for p in half.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in half.parameters()} == {torch.float32}


def trained(precision):
    """Losses of pre-training, mean test Dice, and the fine-tuned model."""
    images, masks = squares(24)
    with Tf32() if precision == "tf32" else nullcontext():
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(0)
        encoder = Encoder("resnet18", 3, precision)
        settings = pretraining(epochs=2, batch_size=8, queue_size=16)
        losses = pretrain(encoder, images[:16], 30.0, View(), "moco", settings, generator)["loss"]
        tuning = Finetune(12, 8, 0.005, 12, [32, 16, 16, 8, 8])
        model = build_unet(encoder, 2, tuning, generator)
        finetune(model, images, masks, range(16), range(16, 20), tuning, generator)
        items = {"id": [str(i) for i in range(20, 24)], "case": "c"}
        scores = segmentation_scores(model, images, masks, pd.DataFrame(items, range(20, 24)), 4)
    return losses, scores["dice"].mean(), model


@pytest.fixture(scope="module")
def exact():
    return trained("float32")


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_trainings_agree_within_what_is_stated(exact, precision):
    (expected, exact_dice, _), (losses, dice, _) = exact, trained(precision)
    assert losses[0] != expected[0]
    assert losses[0] == pytest.approx(expected[0], rel=0.03)
    assert exact_dice > 0.85  # there is something to lose
    assert dice == pytest.approx(exact_dice, abs=0.03)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_scores_of_one_model_agree_within_what_is_stated(exact, precision):
    images, masks = squares(24)
    _, expected, model = exact
    model = copy.deepcopy(model)
    if precision == "bfloat16":
        model.encoder.precision = precision
    items = pd.DataFrame({"id": "i", "case": "c"}, range(20, 24))
    with Tf32() if precision == "tf32" else nullcontext():
        dice = segmentation_scores(model, images, masks, items, 4)["dice"].mean()
    assert dice == pytest.approx(expected, abs=0.01)
