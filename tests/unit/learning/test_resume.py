"""A training that is cut off and goes on ends as one that never was."""

import copy
import logging
from dataclasses import replace

import pytest
import torch
from factories import pretraining

from thetascope.errors import UserError
from thetascope.learning.encoders import Encoder
from thetascope.learning.pretraining import pretrain
from thetascope.learning.resume import State
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import Finetune, build_unet, finetune

PRETRAIN = pretraining(epochs=5, queue_size=7, hidden_dim=16, output_dim=8)
FINETUNE = Finetune(epochs=6, batch_size=4, lr=0.01, patience=2, decoder_channels=[8] * 5)
IMAGES = torch.rand(10, 3, 32, 32, generator=torch.Generator().manual_seed(1))
MASKS = (IMAGES.mean(1) > 0.5).byte()


class InterruptedTrainingError(Exception):
    """Stands for whatever ends a job."""


def run_pretrain(state, angle=30.0, method="moco", **changes):
    torch.manual_seed(0)
    encoder = Encoder("test_resnet", 3)
    generator = torch.Generator().manual_seed(0)
    settings = replace(PRETRAIN, **changes)
    table = pretrain(encoder, IMAGES, angle, View(), method, settings, generator, state)
    return encoder, table


def run_random(state):
    return run_pretrain(state, None)


def run_simclr(state):
    return run_pretrain(state, method="simclr")


def run_spiked(state):
    return run_pretrain(state, spike={"period": 360, "strength": 0.5})


def run_finetune(state, **changes):
    torch.manual_seed(0)
    generator, settings = torch.Generator().manual_seed(0), replace(FINETUNE, **changes)
    model = build_unet(Encoder("test_resnet", 3), 2, settings, generator)
    table = finetune(model, IMAGES, MASKS, range(8), [8, 9], settings, generator, state)
    return model, table


def save(state, progress):
    state.save({}, torch.Generator(), progress)


def resumed(state):
    return state.resume({}, torch.Generator())


def state_at(path, inputs=(), settings=None, interval=0.0):
    return State(path, {"settings": settings}, [str(i) for i in inputs], interval)


TRAININGS = run_pretrain, run_random, run_simclr, run_spiked, run_finetune


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize("after", [1, 3])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, training, after):
    model, table = training(None)
    state = state_at(tmp_path / "state.pt")
    plain_save, saves = state.save, []

    def save_and_stop(*contents):
        plain_save(*contents)
        saves.append(1)
        if len(saves) == after:
            raise InterruptedTrainingError

    state.save = save_and_stop
    with pytest.raises(InterruptedTrainingError):
        training(state)
    torch.manual_seed(12345)  # a new process has another random state
    resumed_model, resumed_table = training(state_at(tmp_path / "state.pt"))
    assert table.equals(resumed_table)
    ours, theirs = model.state_dict(), resumed_model.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_a_resumed_training_does_not_repeat_what_was_done(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    run_pretrain(state_at(tmp_path / "state.pt"))
    assert caplog.text.count("epoch ") == PRETRAIN.epochs
    run_pretrain(state_at(tmp_path / "state.pt"))
    assert caplog.text.count("epoch ") == PRETRAIN.epochs


def test_only_the_very_same_job_goes_on(tmp_path):
    data = tmp_path / "data.npy"
    data.write_bytes(b"one")
    save(state_at(tmp_path / "state.pt", [data], 1), "first epoch")
    assert resumed(state_at(tmp_path / "state.pt", [data], 1)) == "first epoch"
    assert resumed(state_at(tmp_path / "state.pt", [data], 2)) is None
    data.write_bytes(b"two")
    assert resumed(state_at(tmp_path / "state.pt", [data], 1)) is None


def test_parts_and_random_states_are_brought_back_or_left_alone(tmp_path):
    model, generator = torch.nn.Linear(2, 2), torch.Generator().manual_seed(0)
    parts = {"model": model, "sgd": torch.optim.SGD(model.parameters(), lr=0.5)}
    drawn = []

    def change():
        torch.nn.init.normal_(model.weight, generator=generator)
        parts["sgd"].param_groups[0]["lr"] *= 2
        drawn.append((torch.rand(2, generator=generator), torch.rand(2)))

    state = state_at(tmp_path / "state.pt")
    assert state.resume(parts, generator) is None
    kept = model.weight.clone()
    state.save(parts, generator, {"epoch": 3})
    change()
    assert not torch.equal(model.weight, kept)
    other_job = state_at(tmp_path / "state.pt", settings="other")
    changed = model.weight.clone()
    assert other_job.resume(parts, generator) is None
    assert torch.equal(model.weight, changed)
    assert parts["sgd"].param_groups[0]["lr"] == 1
    assert state_at(tmp_path / "state.pt").resume(parts, generator) == {"epoch": 3}
    assert torch.equal(model.weight, kept)
    assert parts["sgd"].param_groups[0]["lr"] == 0.5
    change()
    torch.testing.assert_close(drawn[0], drawn[1], rtol=0, atol=0)


def test_a_damaged_state_is_left_aside(tmp_path, caplog):
    path = tmp_path / "state.pt"
    save(state_at(path), "first epoch")
    for damaged in (path.read_bytes()[:100], b"", b"not a state"):
        path.write_bytes(damaged)
        assert resumed(state_at(path)) is None
    assert "starting over" in caplog.text


def test_states_are_saved_no_more_often_than_asked_and_removed(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("thetascope.learning.resume.time.monotonic", lambda: now[0])
    state = state_at(tmp_path / "state.pt", interval=60)
    written = []
    for now[0] in range(0, 150, 10):
        save(state, now[0])
        written.append(resumed(state))
    assert written == [None] * 6 + [60] * 6 + [120] * 3
    state.remove()
    state.remove()
    assert not list(tmp_path.iterdir())


def test_saving_does_not_change_the_training(tmp_path):
    model, table = run_finetune(None)
    saved_model, saved_table = run_finetune(state_at(tmp_path / "state.pt"))
    assert table.equals(saved_table)
    weights = copy.deepcopy(saved_model.state_dict())
    assert all(torch.equal(v, weights[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize(
    ("training", "key"), [(run_pretrain, "pretrain.lr"), (run_finetune, "finetune.lr")]
)
def test_a_training_that_diverges_keeps_its_last_finite_epoch(tmp_path, caplog, training, key):
    caplog.set_level(logging.INFO)
    for _ in range(2):
        with pytest.raises(UserError, match=f"the loss is .* in epoch 2: lower `{key}` .now 1e.30"):
            # one step per epoch: the loss comes before it
            training(state_at(tmp_path / "state.pt"), lr=1e30, batch_size=10)
    assert caplog.text.count("epoch 1/") == 1  # the second time it went on from there
    assert caplog.text.count("epoch 2/") == 2
