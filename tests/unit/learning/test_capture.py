"""Captured steps equal plain ones: on a GPU, and on the CPU with a stand-in for CUDA graphs."""

import logging
from dataclasses import replace
from functools import partial

import pytest
import torch
from factories import both, mapping, pretraining, smooth
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from thetascope.learning import capture, runtime
from thetascope.learning.capture import WARM_UP, Captured
from thetascope.learning.encoders import Encoder
from thetascope.learning.pretraining import pretrain
from thetascope.learning.resume import State
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import Finetune, build_unet, finetune
from thetascope.saliency.gradients import TOGETHER
from thetascope.saliency.maps import saliency_maps
from thetascope.saliency.objectives import foreground_logit, pair_cosine

SPIKE = {"period": 360, "strength": 0.5}
PRETRAIN = pretraining(epochs=4, queue_size=7, hidden_dim=16, output_dim=8)
FINETUNE = Finetune(epochs=4, batch_size=4, lr=0.01, patience=4, decoder_channels=[8] * 5)
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU"),
    ),
]


def tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def memory(tensor):
    return tensor.untyped_storage().data_ptr()


class Tape(TorchDispatchMode):
    """Notes down operations as a CUDA graph does: with the memory that they use, and by value else.

    What they change is put back at the end, since a recording does nothing yet.
    """

    def __init__(self):
        super().__init__()
        self.operations, self.before = [], {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        given = tensors((args, kwargs))
        for tensor in given:  # all: batch-norm does not say that it changes its statistics
            if memory(tensor) not in self.before:
                self.before[memory(tensor)] = tensor, tensor.clone()
        made = operation(*args, **kwargs or {})
        old = {memory(tensor) for tensor in given}
        new = [memory(tensor) not in old for tensor in tensors(made)]
        self.operations.append((operation, args, kwargs or {}, tensors(made), new))
        return made

    @torch.no_grad()
    def undo(self):
        for tensor, value in self.before.values():
            tensor.copy_(value)

    @torch.no_grad()
    def replay(self):
        for operation, args, kwargs, places, new in self.operations:
            made = tensors(operation(*args, **kwargs))
            for place, tensor, is_new in zip(places, made, new, strict=True):
                if is_new:
                    place.copy_(tensor)


class CpuGraphs:
    """Stands for `CudaGraphs`."""

    def __init__(self):
        self.ran = self.recorded = 0

    def run(self, function):
        self.ran += 1
        return function()

    def record(self, function):
        tape = Tape()
        try:
            with tape:
                result = function()
        finally:
            tape.undo()
        self.recorded += 1
        return tape.replay, result


def graphs_for(device, monkeypatch):
    """Graphs of this device, from now on used by the trainings."""
    graphs = CpuGraphs() if device == "cpu" else capture.CudaGraphs(torch.device(device))
    monkeypatch.setattr(capture, "graphs_of", lambda _: graphs)
    return graphs


def plain(monkeypatch):
    monkeypatch.setattr(capture, "graphs_of", lambda _: None)


def problem(device):
    # as jobs do: else kernels need not repeat themselves, and round as they like
    runtime.set_precision("float32", runtime.setup(device, threads=1), "test_resnet", 32)
    images = torch.rand(10, 3, 32, 32, generator=torch.Generator().manual_seed(1)).to(device)
    return images, (images.mean(1) > 0.5).byte()


def run_pretrain(device, state=None, method="moco", precision="float32", **changes):
    torch.manual_seed(0)
    encoder = Encoder("test_resnet", 3, precision).to(device)
    options = View(), method, replace(PRETRAIN, **changes), torch.Generator().manual_seed(0)
    return encoder, pretrain(encoder, problem(device)[0], 30.0, *options, state)


def run_finetune(device, state=None, precision="float32"):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = build_unet(Encoder("test_resnet", 3, precision), 2, FINETUNE, generator)
    table = finetune(
        model, *problem(device), range(8), [8, 9], FINETUNE, torch.Generator().manual_seed(0), state
    )
    return model, table


TRAININGS = {
    "moco": run_pretrain,
    "moco, bfloat16": partial(run_pretrain, precision="bfloat16"),
    "a frozen queue": partial(run_pretrain, frozen_queue=True),
    "a batch above the queue": partial(run_pretrain, queue_size=3),
    "simclr": partial(run_pretrain, method="simclr"),
    "a spike": partial(run_pretrain, spike=SPIKE),
    "a spike, simclr": partial(run_pretrain, spike=SPIKE, method="simclr"),
    "finetune": run_finetune,
    "finetune, bfloat16": partial(run_finetune, precision="bfloat16"),
}


def assert_same(ours, theirs):
    (model, table), (other, its_table) = ours, theirs
    assert table.equals(its_table)
    states = zip(model.state_dict().items(), other.state_dict().values(), strict=True)
    for (key, a), b in states:
        assert torch.equal(a, b), key


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", TRAININGS)
def test_a_captured_training_equals_a_plain_one(device, name, monkeypatch, caplog):
    plain(monkeypatch)
    expected = TRAININGS[name](device)
    graphs_for(device, monkeypatch)
    assert_same(TRAININGS[name](device), expected)
    assert "not captured" not in caplog.text


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["moco", "finetune"])
@pytest.mark.parametrize("after", [1, 3])
def test_a_captured_training_that_was_cut_off_goes_on(device, name, after, monkeypatch, tmp_path):
    """One epoch: before anything was captured; three: from a replay."""

    class CutOffError(Exception):
        """Stands for whatever ends a job."""

    class CutOff(State):
        saves = 0

        def save(self, *contents):
            super().save(*contents)
            self.saves += 1
            if self.saves == after:
                raise CutOffError

    plain(monkeypatch)
    expected = TRAININGS[name](device)
    graphs_for(device, monkeypatch)
    place = tmp_path / "state.pt", {}, [], 0.0
    with pytest.raises(CutOffError):
        TRAININGS[name](device, CutOff(*place))
    graphs_for(device, monkeypatch)
    assert_same(TRAININGS[name](device, State(*place)), expected)


def test_it_is_recorded_once_and_runs_as_it_is_before():
    total, calls, graphs = torch.zeros(2), [], CpuGraphs()

    def add(x):
        calls.append(1)
        return total.add_(x)

    step = Captured(add, graphs)
    for i in range(1, 8):
        result = step(torch.tensor([1.0, 10.0 * i]))
        assert result.tolist() == [i, 10.0 * i * (i + 1) / 2]
        assert graphs.recorded == (i > WARM_UP)
    assert len(calls) == WARM_UP + 1


def test_every_shape_is_recorded_by_itself():
    graphs = CpuGraphs()
    step = Captured(lambda x, y: x.sum() + y, graphs)
    for i in range(2 * WARM_UP + 6):
        given = torch.full((2 + i % 2,), float(i))
        assert step(given, torch.tensor(0.5)) == given.sum() + 0.5
        assert graphs.recorded == (i >= 2 * WARM_UP) + (i > 2 * WARM_UP)


def test_validation_is_replayed_too(monkeypatch):
    """Two pictures a time and one more: steps of one shape, passes of two."""
    graphs = graphs_for("cpu", monkeypatch)
    model = build_unet(Encoder("test_resnet", 3), 2, FINETUNE, torch.Generator().manual_seed(0))
    settings = replace(FINETUNE, epochs=5, patience=5, batch_size=2)
    finetune(model, *problem("cpu"), range(4), range(5, 10), settings, torch.Generator())
    assert graphs.recorded == 3


def test_inputs_and_results_stay_what_they_were():
    step = Captured(lambda x: x * 2, CpuGraphs())
    given = [torch.tensor(float(i)) for i in range(8)]
    results = [step(x) for x in given]
    assert [r.item() for r in results] == [2 * i for i in range(8)]
    assert [x.item() for x in given] == [*range(8)]


def test_the_stand_in_freezes_the_numbers_of_python_as_a_graph_does():
    """Without it the comparison of trainings would not see a position or rate that stands still."""
    count = 0

    def counted(x):
        nonlocal count
        count += 1
        return x + count

    step = Captured(counted, CpuGraphs())
    results = [step(torch.zeros(())).item() for _ in range(6)]
    assert results == [1, 2, 3, 4, 4, 4]


def test_where_recording_is_refused_it_goes_on_as_it_is_and_says_so_once(caplog):
    total = torch.zeros(())

    def reads_from_the_device(x):
        total.add_(x.sum())
        return x * (total.item() + 1)

    step = Captured(reads_from_the_device, CpuGraphs())
    with caplog.at_level(logging.WARNING):
        results = [step(torch.ones(())).item() for _ in range(8)]
        total.zero_()
        results += [step(torch.ones(1)).item() for _ in range(8)]
    assert results == 2 * [2, 3, 4, 5, 6, 7, 8, 9]
    (record,) = caplog.records
    assert record.getMessage() == (
        "steps are not captured as a CUDA graph and take longer: "
        "operation not permitted when stream is capturing"
    )


def test_a_cpu_has_no_graphs():
    def function(x):
        return x

    assert capture.captured(function, torch.device("cpu")) is function


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("model", ["pretrained", "finetuned"])
def test_captured_gradients_make_the_same_maps(device, model, monkeypatch):
    """Of five pictures two at a time, so that the last group is filled up."""
    torch.manual_seed(0)
    images, masks = problem(device)
    encoder = Encoder("test_resnet", 3).to(device)
    unet = build_unet(encoder, 2, FINETUNE, torch.Generator().manual_seed(0)).to(device).eval()
    objective, inputs, given = {
        "pretrained": (pair_cosine(encoder.eval()), (images[:5], images[5:]), ()),
        "finetuned": (foreground_logit(unet), (images[:5],), (masks[:5] > 0,)),
    }[model]

    def maps():
        noise = torch.Generator().manual_seed(2)
        options = 2 * (TOGETHER + 3), 0.1, 2 * TOGETHER, noise
        return smooth(objective, inputs, *options, given=given)

    plain(monkeypatch)
    expected = maps()
    graphs = graphs_for(device, monkeypatch)
    for ours, theirs in zip(maps(), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-7)
    if device == "cpu":  # seven copies at once, or six
        assert graphs.recorded == 2 and graphs.ran == 2 * WARM_UP


def test_maps_of_x_and_of_y_replay_the_same_recordings(monkeypatch):
    """In two models, each of passes of two shapes: thirteen copies are seven and six."""
    graphs = graphs_for("cpu", monkeypatch)
    images, _ = problem("cpu")
    encoder = Encoder("test_resnet", 3)
    unet = build_unet(encoder, 2, FINETUNE, torch.Generator().manual_seed(0)).eval()
    settings = mapping(samples=both(2 * (TOGETHER + 3)), chunk_size=TOGETHER)
    saliency_maps(encoder.eval(), unet, images[:4], 90.0, View(), settings, torch.Generator())
    assert graphs.recorded == 4
