"""A spike spoils the share of pairs that it says, with copies of other images."""

from dataclasses import replace

import pytest
import torch
from factories import pretraining

from thetascope.errors import UserError
from thetascope.learning import pretraining as module
from thetascope.learning.contrastive import COLUMNS, Learner
from thetascope.learning.encoders import Encoder
from thetascope.learning.rotation import View
from thetascope.learning.spike import partners_of, spoil, spoilt_share

SPIKE = {"period": 60, "strength": 0.5}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("degrees", "period", "strength", "share"),
    [
        (0, 60, 0.5, 0.5),
        (15, 60, 0.5, 0.25),
        (20, 60, 1.0, 0.25),  # cos 120° = −1/2
        (30, 60, 0.5, 0.0),
        (40, 60, 0.4, 0.1),
        (300, 60, 0.5, 0.5),
        (360, 60, 1.0, 1.0),
        (90, 180, 0.8, 0.0),
        (0, 360, 0.1, 0.1),
        (180, 360, 1.0, 0.0),
    ],
)
def test_the_share_by_hand(degrees, period, strength, share):
    assert spoilt_share(degrees, period, strength) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_as_many_pairs_as_asked_are_spoilt_by_any_other_image(share):
    rows, count = torch.arange(5).repeat(8000), 5
    partners = spoil(rows, count, share, generator())
    spoilt = partners != rows
    # standard error 0.0022 at most
    assert spoilt.float().mean().item() == pytest.approx(share, abs=0.01)
    if share:
        each = torch.bincount((rows * count + partners)[spoilt], minlength=25).view(5, 5)
        assert (each.diagonal() == 0).all()
        expected = share * 8000 / 4
        others = each[~torch.eye(5, dtype=torch.bool)]
        assert (others - expected).abs().max() < 5 * expected**0.5


def test_every_batch_is_drawn_anew_from_the_state_of_the_job():
    rows = torch.arange(100)
    choose = partners_of(SPIKE, 0.0, 100, generator())
    first, second = choose(rows), choose(rows)
    assert not torch.equal(first, second)
    again = partners_of(SPIKE, 0.0, 100, generator())
    assert torch.equal(again(rows), first)
    assert not torch.equal(partners_of(SPIKE, 0.0, 100, generator(1))(rows), first)


def test_without_a_spike_nothing_is_drawn_and_nothing_changes():
    state, rows = generator(), torch.tensor([3, 1])
    assert torch.equal(partners_of(None, 30.0, 4, state)(rows), rows)
    assert partners_of(None, None, 4, state)(rows).tolist() == [3, 1]
    assert torch.equal(state.get_state(), generator().get_state())


def test_a_spike_without_an_angle_is_refused():
    with pytest.raises(UserError, match=r"pretrain\.spike.*null"):
        partners_of(SPIKE, None, 4, generator())


def steps_of(monkeypatch, angle, **changes):
    """What every step of a training was given."""
    seen = []

    def step(self, *given):
        seen.append([tensor.clone() for tensor in given])
        return torch.zeros(6)

    monkeypatch.setattr(Learner, "step", step)
    images = torch.rand(12, 3, 32, 32, generator=generator(1))
    settings = replace(pretraining(epochs=20), **changes)
    options = View(), "moco", settings, generator()
    torch.manual_seed(0)
    module.pretrain(Encoder("test_resnet", 3), images, angle, *options)
    return images, seen


@pytest.mark.parametrize(("angle", "share"), [(90.0, 0.0), (180.0, 0.8), (45.0, 0.4)])
def test_steps_see_other_images_copies_in_spoilt_pairs_and_their_own_in_the_rest(
    monkeypatch, angle, share
):
    spike = {"period": 180, "strength": 0.8}
    images, seen = steps_of(monkeypatch, angle, spike=spike)
    copies = View().rotated(images, angle)
    for first, second, items, partners in seen:
        assert torch.equal(first, images[items])
        assert torch.equal(second, copies[partners])
    spoilt = torch.cat([items != partners for _, _, items, partners in seen]).float()
    assert spoilt.mean().item() == pytest.approx(share, abs=0.12)  # of 240 pairs


def test_without_a_spike_steps_see_every_image_with_its_own_copy(monkeypatch):
    images, seen = steps_of(monkeypatch, 90.0)
    for first, second, items, partners in seen:
        assert torch.equal(items, partners)
        assert torch.equal(first, images[items])
        assert torch.equal(second, torch.rot90(images[items], 1, (2, 3)))


def test_steps_see_whole_batches_and_no_image_twice_in_an_epoch(monkeypatch):
    """Of 12 images two batches of 5; which two wait is drawn anew."""
    _, seen = steps_of(monkeypatch, 90.0, batch_size=5)
    items = [items for _, _, items, _ in seen]
    assert [len(batch) for batch in items] == [5] * 2 * 20
    epochs = torch.stack(items).view(20, 10)
    assert all(len(epoch.unique()) == 10 for epoch in epochs)
    assert len(epochs.unique()) == 12


def test_the_queue_knows_whose_copies_its_keys_are():
    torch.manual_seed(0)
    learner = Learner(
        Encoder("test_resnet", 3), "moco", pretraining(), generator(), torch.device("cpu")
    )
    first, second = torch.rand(2, 4, 3, 32, 32)
    learner.step(first, second, torch.arange(4), torch.tensor([0, 3, 2, 1]))
    assert learner.queue.items.tolist() == [0, 3, 2, 1, -1, -1]
    # own keys are those of a query's image, whosever copy it is paired with
    said = learner.step(first, second, torch.tensor([0, 1, 7, 8]), torch.arange(4))
    own = dict(zip(COLUMNS[2:], said.tolist(), strict=True))["own_key_share"]
    assert own == pytest.approx(2 / (4 * 6))
