"""The training loop against plain references."""

import copy
import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from factories import pretraining

from thetascope.errors import UserError
from thetascope.learning.contrastive import Pretrain, ProjectionHead
from thetascope.learning.encoders import Encoder
from thetascope.learning.pretraining import pretrain
from thetascope.learning.rotation import View

SETTINGS = pretraining()


def train(angle=90.0, method="moco", seed=0, n=10, view=None, **changes):
    torch.manual_seed(0)
    encoder = Encoder("test_resnet", 3)
    images = torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    table = pretrain(
        encoder,
        images,
        angle,
        view or View(),
        method,
        replace(SETTINGS, **changes),
        torch.Generator().manual_seed(seed),
    )
    return encoder, table


def same_weights(a, b):
    states = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in states)


@pytest.mark.parametrize("method", ["moco", "simclr"])
def test_same_seed_same_weights_and_another_angle_others(method):
    (first, table), (again, same) = train(method=method), train(method=method)
    assert same_weights(first, again)
    assert table.equals(same)
    assert not same_weights(first, train(angle=30.0, method=method)[0])
    assert not same_weights(first, train(seed=1, method=method)[0])


@pytest.mark.parametrize("method", ["moco", "simclr"])
def test_training_learns_to_tell_pairs(method):
    _, table = train(method=method, epochs=15, n=12)
    # the first epoch meets random keys in the queue, which are too easy to tell from real ones
    start, end = table.iloc[1:4].mean(), table.iloc[-3:].mean()
    assert end["loss"] < start["loss"] - 0.1
    assert end["top1"] > start["top1"]
    assert end["positive"] - end["negative"] > start["positive"] - start["negative"]


def test_the_query_of_a_matched_view_is_resampled_for_its_angle():
    asked = []

    class Spy(View):
        def original(self, images, degrees=0.0):
            asked.append(degrees)
            return super().original(images, degrees)

    train(angle=30.0, view=Spy(matched=True))
    assert asked == [30.0]


def test_no_epoch_leaves_the_encoder_alone():
    torch.manual_seed(0)
    untouched = Encoder("test_resnet", 3)
    encoder, table = train(epochs=0)
    assert same_weights(encoder, untouched)
    assert table.empty
    assert {"epoch", "loss", "top1"} <= set(table.columns)


def test_random_angle_is_repeatable():
    assert same_weights(train(angle=None)[0], train(angle=None)[0])
    assert not same_weights(train(angle=None)[0], train(angle=0.0)[0])


def test_own_key_share_counts_an_images_own_keys():
    """Batch = data set = queue: from the second epoch on, one key in N is the query's own."""
    _, table = train(n=4, queue_size=4, epochs=3)
    assert table["own_key_share"].tolist() == pytest.approx([0, 1 / 4, 1 / 4])


def test_learning_rate_falls_as_a_cosine():
    _, table = train(epochs=4)
    peak = 0.5 * 4 / 256
    expected = [peak * (1 + math.cos(math.pi * e / 4)) / 2 for e in range(4)]
    assert table["lr"].tolist() == pytest.approx(expected)


def test_batch_and_queue_larger_than_the_data():
    _, table = train(n=3, batch_size=64, queue_size=50)
    assert np.isfinite(table["loss"]).all()


def test_one_image_is_refused():
    with pytest.raises(UserError, match="at least 2"):
        train(n=1)


def test_a_loss_that_is_not_finite_stops_with_the_epoch():
    with pytest.raises(UserError, match=r"epoch 1.*pretrain\.lr"):
        train(lr=1e12, epochs=3, n=12)


class Tiny(torch.nn.Module):
    """A small encoder without batch statistics, so that its training can be computed by hand."""

    num_features = 5

    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 5, 3)

    def forward(self, images):
        return torch.tanh(self.convolution(images)).mean(dim=(2, 3))


def train_tiny(method="moco", seed=0, images=None, angle=90.0, **changes):
    torch.manual_seed(3)
    encoder = Tiny()
    if images is None:
        images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(changes.pop("global_seed", 0))
    options = replace(SETTINGS, **changes)
    generator = torch.Generator().manual_seed(seed)
    return encoder, pretrain(encoder, images, angle, View(), method, options, generator)


@pytest.mark.parametrize("method", ["moco", "simclr"])
def test_two_steps_by_hand(method):
    """The whole data set is one batch, so that the order of its items does not matter.

    Reference for the order of things in MoCo: the momentum model first, keys without gradient,
    the queue last. The head and the first keys are drawn as documented, the rest is written out.
    """
    encoder, table = train_tiny(method, weight_decay=0.01, encoder_momentum=0.7, lr=20.0)
    images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(3)
    backbone = Tiny()
    torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
    model = torch.nn.Sequential(backbone, ProjectionHead(5, 32, 16))
    slow = copy.deepcopy(model)
    negatives = F.normalize(torch.randn(6, 16, generator=generator), dim=1)
    velocity = [torch.zeros_like(p) for p in model.parameters()]
    losses = []
    for step in range(2):
        query = model(images)
        if method == "moco":
            with torch.no_grad():
                for old, new in zip(slow.parameters(), model.parameters(), strict=True):
                    old.copy_(0.7 * old + 0.3 * new)
                key = slow(torch.rot90(images, 1, (2, 3)))
            exponents = (
                torch.cat([(query * key).sum(1, keepdim=True), query @ negatives.T], 1) / 0.2
            )
            loss = (exponents.logsumexp(1) - exponents[:, 0]).mean()
            # the two oldest of six stay, and here only the set of keys matters
            negatives = torch.cat([negatives[4:], key])
        else:
            z = torch.cat([query, model(torch.rot90(images, 1, (2, 3)))])
            similarity = z @ z.T / 0.2
            loss = 0
            for i in range(8):
                others = similarity[i][torch.arange(8) != i]
                loss += (others.logsumexp(0) - similarity[i, (i + 4) % 8]) / 8
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        lr = 20.0 * 4 / 256 * (1 + math.cos(math.pi * step / 2)) / 2
        with torch.no_grad():
            for p, g, v in zip(model.parameters(), gradients, velocity, strict=True):
                v.mul_(0.9).add_(g + 0.01 * p)
                p.sub_(lr * v)
    assert table["loss"].tolist() == pytest.approx(losses, rel=1e-4)
    torch.manual_seed(3)
    start = Tiny()
    for ours, reference, before in zip(
        encoder.parameters(), backbone.parameters(), start.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, reference, rtol=1e-4, atol=1e-5)
        assert (ours - before).abs().max() > 1e-3  # far more than the tolerance


# another value than in `SETTINGS`
OTHER = {
    "epochs": 3,
    "batch_size": 2,
    "lr": 1.0,
    "schedule": "step",
    "momentum": 0.5,
    "weight_decay": 0.1,
    "temperature": 0.5,
    "queue_size": 3,
    "frozen_queue": True,
    "encoder_momentum": 0.5,
    "hidden_dim": None,
    "output_dim": 8,
    "spike": {"period": 360, "strength": 1},
}


@pytest.mark.parametrize("name", [field.name for field in fields(Pretrain)])
def test_no_setting_is_ignored(name):
    usual, other = train_tiny(), train_tiny(**{name: OTHER[name]})
    assert not same_weights(usual[0], other[0])
    assert np.isfinite(other[1]["loss"]).all()


@pytest.mark.parametrize("angle", [90.0, None])
def test_the_global_random_state_has_no_influence(angle):
    first, second = (train_tiny(angle=angle, global_seed=seed)[0] for seed in (7, 8))
    assert same_weights(first, second)


@pytest.mark.parametrize(
    ("queue_size", "shares"),
    [
        (8, [0, 1 / 8, 2 / 8]),  # the queue fills with one key per image and epoch
        (2, [0, 1 / 4, 1 / 4]),  # two images' keys, each met as its own by one query in four
    ],
)
def test_own_key_share_by_hand(queue_size, shares):
    _, table = train_tiny(queue_size=queue_size, epochs=3)
    assert table["own_key_share"].tolist() == pytest.approx(shares)


def test_simclr_has_no_queue_to_meet_its_own_keys_in():
    assert (train_tiny("simclr", epochs=3)[1]["own_key_share"] == 0).all()


@pytest.mark.parametrize("method", ["moco", "simclr"])
def test_equal_images_show_as_collapse(method):
    """One and the same picture: pairs are identical, and nothing spreads."""
    images = torch.rand(1, 3, 8, 8).expand(4, -1, -1, -1)
    _, table = train_tiny(method, images=images, angle=0.0, epochs=1)
    assert table["positive"].item() == pytest.approx(1, abs=1e-5)
    assert table["spread"].item() == pytest.approx(0, abs=1e-3)
    if method == "simclr":
        assert table["negative"].item() == pytest.approx(1, abs=1e-5)
        assert table["loss"].item() == pytest.approx(math.log(7), abs=1e-4)


def test_the_peak_learning_rate_is_scaled_by_the_batch_that_is_used():
    _, table = train_tiny(batch_size=64, lr=0.5)
    assert table["lr"].iloc[0] == pytest.approx(0.5 * 4 / 256)
    assert table["epoch"].tolist() == [1, 2]


def test_a_step_schedule_divides_by_ten_at_half():
    _, table = train(epochs=5, schedule="step", lr=0.64)
    assert table["lr"].tolist() == pytest.approx([0.01, 0.01, 0.01, 0.001, 0.001])


def test_no_key_enters_a_frozen_queue():
    _, filled = train(queue_size=40, epochs=3)
    _, frozen = train(queue_size=40, epochs=3, frozen_queue=True)
    assert filled["own_key_share"].iloc[-1] > 0
    assert (frozen["own_key_share"] == 0).all()
    # random vectors of many dimensions are nearly orthogonal to any query
    _, wide = train(queue_size=400, epochs=3, frozen_queue=True, output_dim=256)
    assert abs(wide["negative"].iloc[-1]) < 0.02


def test_a_queue_larger_than_the_data_set_is_pointed_out(caplog):
    train(n=6, queue_size=7, epochs=1)
    assert "pretrain.queue_size: 7 is more than the 6 training images" in caplog.text
    caplog.clear()
    train(n=6, queue_size=6, epochs=1)
    train(n=6, queue_size=7, epochs=1, method="simclr")
    assert not caplog.text
