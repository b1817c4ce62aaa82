"""A training's numbers in TensorBoard, read back with TensorBoard's own reader."""

import logging
import threading

import pandas as pd
import pytest
import torch
from factories import pretraining
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from thetascope.engine.watching import EventFiles
from thetascope.learning.encoders import Encoder
from thetascope.learning.pretraining import pretrain
from thetascope.learning.resume import State
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import Finetune, build_unet, finetune

IMAGES = torch.rand(10, 3, 32, 32, generator=torch.Generator().manual_seed(1))
MASKS = (IMAGES.mean(1) > 0.5).byte()
LOG = logging.getLogger("thetascope")


def pretrained(state=None):
    torch.manual_seed(0)
    settings = pretraining(epochs=5, queue_size=7, hidden_dim=16, output_dim=8)
    start = Encoder("resnet18", 3), IMAGES, 30.0, View(), "moco", settings
    return pretrain(*start, torch.Generator().manual_seed(0), state)


def finetuned():
    settings = Finetune(epochs=3, batch_size=4, lr=0.01, patience=3, decoder_channels=[8] * 5)
    generator = torch.Generator().manual_seed(0)
    model = build_unet(Encoder("resnet18", 3), 2, settings, generator)
    return finetune(model, IMAGES, MASKS, range(8), [8, 9], settings, generator)


@pytest.fixture
def job(tmp_path):
    """Run a training as a job of its own: with a new handler, which is gone afterwards."""

    def job(training, *args, stage="pretrain", folder=tmp_path / "events", **kwargs):
        handler, level = EventFiles(folder, stage), LOG.level
        LOG.addHandler(handler)
        LOG.setLevel(logging.INFO)
        try:
            return training(*args, **kwargs)
        finally:
            LOG.removeHandler(handler)
            LOG.setLevel(level)

    return job


def curves(folder):
    """What TensorBoard shows: one column per curve, by epoch; no epoch may be there twice."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    found = {}
    for name in events.Tags()["scalars"]:
        points = {e.step: e.value for e in events.Scalars(name)}
        assert len(points) == len(events.Scalars(name))
        found[name] = points
    return pd.DataFrame(found)


def expected(table, stage):
    """The numbers of a training's table, with the digits that TensorBoard keeps."""
    numbers = table.set_index("epoch").drop(columns="best", errors="ignore").astype("float32")
    return numbers.dropna(axis="columns").add_prefix(f"{stage}/").rename_axis(None)


def same(found, table, stage):
    wanted = expected(table, stage)
    pd.testing.assert_frame_equal(found[wanted.columns].astype("float32"), wanted)
    assert set(found) == set(wanted)


def test_every_number_of_the_table_is_shown(job, tmp_path):
    table = job(pretrained)
    assert len(table) == 5 and len(expected(table, "pretrain").columns) == 7
    same(curves(tmp_path / "events"), table, "pretrain")
    table = job(finetuned, stage="finetune", folder=tmp_path / "other")
    same(curves(tmp_path / "other"), table, "finetune")
    assert set(curves(tmp_path / "other")) == {"finetune/loss", "finetune/validation_dice"}


def test_a_training_that_goes_on_appends_and_shows_no_epoch_twice(job, tmp_path):
    """The state is older than the last epoch that was seen: two epochs come again."""
    state = State(tmp_path / "state.pt", {}, [], 0.0)
    plain_save, saves = state.save, []

    def save(*contents):
        saves.append(1)
        if len(saves) <= 2:
            plain_save(*contents)
        if len(saves) == 4:
            raise KeyboardInterrupt

    state.save = save
    with pytest.raises(KeyboardInterrupt):
        job(pretrained, state)
    assert curves(tmp_path / "events").index.tolist() == [1, 2, 3, 4]
    table = job(pretrained, State(tmp_path / "state.pt", {}, [], 0.0))
    assert len(list((tmp_path / "events").iterdir())) == 2
    same(curves(tmp_path / "events"), table, "pretrain")


def test_a_training_that_begins_anew_forgets_the_one_before(job, tmp_path):
    job(pretrained)
    (tmp_path / "events/note.txt").write_text("mine")
    table = job(finetuned, stage="finetune")  # other curves, and fewer epochs
    same(curves(tmp_path / "events"), table, "finetune")
    assert (tmp_path / "events/note.txt").exists()


def test_numbers_are_on_the_disk_when_the_epoch_is_logged(tmp_path):
    handler = EventFiles(tmp_path, "finetune")
    for epoch, dice in (1, float("nan")), (2, 0.5):
        record = LOG.makeRecord("x", logging.INFO, "", 0, "epoch", (), None)
        record.scalars = {"epoch": epoch, "loss": 0.5 * epoch, "validation_dice": dice}
        handler.handle(record)
        assert curves(tmp_path)["finetune/loss"].tolist() == [0.5, 1.0][:epoch]
    assert curves(tmp_path)["finetune/validation_dice"].dropna().to_dict() == {2: 0.5}


def test_a_training_that_cannot_be_watched_is_finished(job, tmp_path, caplog):
    (tmp_path / "events").write_text("a file where the folder should be")
    table = job(pretrained)
    assert len(table) == 5
    assert caplog.text.count("no files for TensorBoard in") == 1


def test_a_handler_that_is_closed_leaves_no_thread(tmp_path):
    """A warm worker does one training after another."""
    handler = EventFiles(tmp_path, "pretrain")
    record = logging.makeLogRecord({"scalars": {"epoch": 1, "loss": 0.5}})
    before = threading.active_count()
    handler.emit(record)
    assert threading.active_count() > before
    handler.close()
    assert threading.active_count() == before
