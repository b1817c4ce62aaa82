"""One GPU per job: what is visible, and locks between real processes."""

import os
import subprocess
import sys
from contextlib import nullcontext

import pytest

from thetascope.errors import UserError
from thetascope.learning import gpus

HOLDER = """
import sys
from thetascope.learning import gpus
print(gpus.claim(["0", "1"]), flush=True)
sys.stdin.read()
"""


def with_program(monkeypatch, folder, lines):
    """Put an `nvidia-smi` that runs these lines in the place of a real one."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{lines}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")


@pytest.mark.parametrize(
    ("setting", "names"),
    [("0,1", ["0", "1"]), ("", []), ("-1", []), ("NoDevFiles", []), ("GPU-ab12", ["GPU-ab12"])],
)
def test_what_the_environment_allows_comes_first(monkeypatch, setting, names):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
    assert gpus.visible() == names


def test_without_a_driver_there_is_none(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.visible() == []


def test_what_the_driver_lists(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    said = "echo 'GPU 0: NVIDIA A100 (UUID: GPU-1)'\necho 'GPU 1: NVIDIA A100'"
    with_program(monkeypatch, tmp_path, said)
    assert gpus.visible() == ["0", "1"]


def test_what_the_driver_says_of_itself_is_no_gpu(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    said = (
        "echo 'GPU 0: NVIDIA A100 (UUID: GPU-1)'\n"
        "echo '  MIG 1g.5gb      Device  0: (UUID: MIG-1)'\n"
        "echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'"
    )
    with_program(monkeypatch, tmp_path, said)
    assert gpus.visible() == ["0"]


@pytest.mark.parametrize(
    ("device", "listed", "seen", "refused"),
    [
        ("cuda", False, False, True),
        ("cuda:1", False, False, True),
        ("cuda", True, False, False),  # jobs will say it, should torch not see what is listed
        ("cuda", False, True, False),  # a container without `nvidia-smi`
        ("auto", False, False, False),
        ("cpu", False, False, False),
    ],
)
def test_a_gpu_that_nothing_knows_of_is_refused(
    monkeypatch, tmp_path, device, listed, seen, refused
):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with_program(monkeypatch, tmp_path, "echo 'GPU 0: NVIDIA A100'" if listed else "exit 9")
    torch = tmp_path / "torch"
    torch.write_text(f"#!/bin/sh\nexit {int(not seen)}\n")  # in the place of a Python with torch
    torch.chmod(0o755)
    monkeypatch.setattr(gpus.sys, "executable", str(torch))
    with pytest.raises(UserError, match=device) if refused else nullcontext():
        gpus.check(device)


def test_each_process_gets_its_own_until_it_ends(tmp_path):
    def hold():
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        return process, int(process.stdout.readline())

    holding = [hold() for _ in range(5)]
    assert [index for _, index in holding] == [0, 1, 0, 1, 0]  # evenly, and none is refused
    for ended in 3, 0:
        process, index = holding[ended]
        process.kill()
        process.wait()
        holding[ended] = hold()
        assert holding[ended][1] == index
    for process, _ in holding:
        process.communicate("")
    # a lock of another user could not be opened
    assert all(f"-{os.getuid()}-" in path.name for path in tmp_path.iterdir())


SMALL = {"batch_size": 16, "chunk_size": 50, "image_size": 52}
LARGE = {"batch_size": 32, "chunk_size": 50, "image_size": 224}


@pytest.mark.parametrize(
    ("memory", "cores", "sizes", "slots"),
    [
        ("81559", 16, SMALL, 16),  # an H100
        ("81559", 16, LARGE, 2),  # one job keeps it busy
        ("81559", 16, LARGE | {"chunk_size": 32}, 2),
        ("8192", 16, SMALL, 2),
        ("8192", 16, LARGE, 1),
        ("8192\n81559", 16, SMALL, 2),  # what fits into the smaller one
        ("81559", 2, SMALL, 2),
        ("NVIDIA-SMI has failed", 16, SMALL, 1),
    ],
)
def test_as_many_jobs_share_a_gpu_as_fit(monkeypatch, tmp_path, memory, cores, sizes, slots):
    with_program(monkeypatch, tmp_path, f"printf '{memory}\n'")
    config = {
        "gpu_slots": "auto",
        "threads": 1,
        "image_size": sizes["image_size"],
        "pretrain": {"batch_size": sizes["batch_size"]},
        "finetune": {"batch_size": 8},
        "saliency": {"chunk_size": sizes["chunk_size"]},
    }
    assert gpus.slots(config, cores) == slots
    assert gpus.slots({**config, "gpu_slots": 5}, cores) == 5
    assert gpus.slots({**config, "threads": 4}, cores) <= max(1, cores // 4)


def test_without_a_driver_a_gpu_has_no_known_memory(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.memory() == 0
