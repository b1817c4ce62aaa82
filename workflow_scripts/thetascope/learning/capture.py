"""Steps as CUDA graphs: a GPU replays what it was told once, without waiting for Python."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

log = logging.getLogger(__name__)

WARM_UP = 3  # calls before the recording, in which libraries choose kernels and take memory

Function = Callable[..., Tensor]


class Graphs(Protocol):
    """What records and replays. Tests put one for the CPU in the place of `CudaGraphs`."""

    def run(self, function: Callable[[], Tensor]) -> Tensor:
        """Run the function as it is, where it will be recorded."""

    def record(self, function: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """Note down what the function does, without doing it.

        Returns what does it, and where the result will lie then.

        Raises
        ------
        RuntimeError
            If the function cannot be recorded.
        """


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """One for all recordings: what was cached for one stream is of no use to another."""
    return torch.cuda.Stream(device)


class CudaGraphs:
    """CUDA graphs of one device, recorded on a stream of their own.

    They share the memory in which they compute, so none may run while another does, and what one
    gives is to be copied before the next one runs.
    """

    def __init__(self, device: torch.device) -> None:
        self.stream = _stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    def run(self, function: Callable[[], Tensor]) -> Tensor:
        """Run the function on the stream on which it will be recorded, as autograd asks."""
        current = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = function()
        current.wait_stream(self.stream)
        return result

    def record(self, function: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """Capture the function as a graph."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            result = function()
        return graph.replay, result


class Recording(NamedTuple):
    """What was recorded, with the memory that it reads and writes."""

    inputs: tuple[Tensor, ...]
    replay: Callable[[], None]
    result: Tensor


class Captured:
    """A function that is run as it is a few times, then recorded, and replayed from then on.

    The first calls count like any others, so that nothing is done twice, and a training that goes
    on from a saved state is recorded anew. Inputs of other shapes are recorded by themselves. Where
    recording is refused, the log says so once and the function goes on as it is.

    Parameters
    ----------
    function : callable
        Takes tensors and gives a tensor. Numbers of Python in it are those of the recording: what
        changes from call to call has to be a tensor.
    graphs : Graphs
        What records it.
    """

    def __init__(self, function: Function, graphs: Graphs) -> None:
        self.function, self.graphs = function, graphs
        self.calls: Counter[tuple[torch.Size, ...]] = Counter()
        self.recordings: dict[tuple[torch.Size, ...], Recording] = {}
        self.refused = False

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Give what the function gives; the result is the caller's own."""
        shapes = tuple(given.shape for given in inputs)
        self.calls[shapes] += 1
        if self.calls[shapes] == WARM_UP + 1 and not self.refused:
            self._record(shapes, inputs)
        if not (recording := self.recordings.get(shapes)):
            return self.graphs.run(partial(self.function, *inputs))
        for place, given in zip(recording.inputs, inputs, strict=True):
            place.copy_(given)
        recording.replay()
        return recording.result.clone()

    def _record(self, shapes: tuple[torch.Size, ...], inputs: tuple[Tensor, ...]) -> None:
        places = tuple(given.clone() for given in inputs)
        try:
            replay, result = self.graphs.record(partial(self.function, *places))
            self.recordings[shapes] = Recording(places, replay, result)
        except RuntimeError as error:
            self.refused = True
            reason = str(error).partition("\n")[0]
            log.warning("steps are not captured as a CUDA graph and take longer: %s", reason)


def graphs_of(device: torch.device) -> Graphs | None:
    """What records on this device; None where nothing does."""
    return CudaGraphs(device) if device.type == "cuda" else None


def captured(function: Function, device: torch.device) -> Function:
    """Return the function as `Captured` where the device can replay, else as it is."""
    graphs = graphs_of(device)
    return Captured(function, graphs) if graphs else function
