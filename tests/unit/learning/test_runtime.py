"""Device, threads and random state of a job."""

import numpy as np
import pytest
import torch

from thetascope.errors import UserError
from thetascope.learning import runtime


def test_a_job_has_the_threads_of_the_configuration():
    before = torch.get_num_threads()
    try:
        assert runtime.setup("cpu", 2) == torch.device("cpu")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="device: cuda: torch sees no CUDA device"):
        runtime.setup("cuda", 1)


def test_the_random_state_follows_from_what_names_the_job():
    first, again, other = (
        torch.rand(3, generator=runtime.generator(*parts))
        for parts in ((0, "ihc", "030.0"), ("0", "ihc", "030.0"), (1, "ihc", "030.0"))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_images_are_bytes_brought_to_0_to_1():
    stored = np.array([[[[0, 51], [204, 255]]]], dtype=np.uint8)
    images = runtime.to_images(stored, torch.device("cpu"))
    assert images.dtype == torch.float32
    assert images.flatten().tolist() == pytest.approx([0, 0.2, 0.8, 1])


def test_auto_takes_the_gpu_if_there_is_one():
    before = torch.get_num_threads()
    try:
        expected = "cuda" if torch.cuda.is_available() else "cpu"
        assert runtime.setup("auto", before).type == expected
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_arrays_keep_type_and_shape_whatever_their_memory_order():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4).transpose(2, 0, 1)[::-1]
    tensor = runtime.to_tensor(array, torch.device("cpu"))
    assert tensor.dtype == torch.uint8
    np.testing.assert_array_equal(tensor.numpy(), array)


def test_a_cpu_draws_from_the_jobs_generator_itself():
    drawn = torch.Generator().manual_seed(3)
    assert runtime.on_device(drawn, torch.device("cpu")) is drawn


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_gpus_generator_follows_from_the_jobs_and_moves_it_on():
    device, drawn = torch.device("cuda"), torch.Generator().manual_seed(3)

    def draw(generator):
        return torch.rand(4, generator=runtime.on_device(generator, device), device=device)

    again = drawn.clone_state()
    first, second = draw(drawn), draw(drawn)
    assert not torch.equal(first, second)
    assert torch.equal(draw(again), first)


@pytest.mark.parametrize(
    ("device", "chosen"), [("auto", "cuda:1"), ("cuda", "cuda:1"), ("cuda:0", "cuda:0")]
)
def test_a_job_takes_a_gpu_that_no_other_has_unless_one_is_named(monkeypatch, device, chosen):
    """As torch says of a machine with two GPUs; the first is locked by another job."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(runtime.gpus, "visible", lambda: ["0", "1"])
    monkeypatch.setattr(runtime.gpus, "claim", lambda names: names.index("1"))
    before = torch.get_num_threads()
    try:
        assert runtime.setup(device, before) == torch.device(chosen)
    finally:
        torch.use_deterministic_algorithms(False)
