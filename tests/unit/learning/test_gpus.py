"""One GPU per job: what is visible, and locks between real processes."""

import os
import subprocess
import sys

import pytest

from thetascope.learning import gpus

HOLDER = """
import sys
from thetascope.learning import gpus
print(gpus.claim(["0", "1"]), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("setting", "names"),
    [("0,1", ["0", "1"]), ("", []), ("-1", []), ("GPU-ab12", ["GPU-ab12"])],
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
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\necho 'GPU 0: NVIDIA A100 (UUID: GPU-1)'\necho 'GPU 1: NVIDIA A100'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert gpus.visible() == ["0", "1"]


def test_what_the_driver_says_of_itself_is_no_gpu(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\n"
        "echo 'GPU 0: NVIDIA A100 (UUID: GPU-1)'\n"
        "echo '  MIG 1g.5gb      Device  0: (UUID: MIG-1)'\n"
        "echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert gpus.visible() == ["0"]


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

    (first, a), (second, b) = hold(), hold()
    assert (a, b) == (0, 1)
    third, c = hold()
    assert c == 0  # nothing is free: shared rather than refused
    first.kill()
    first.wait()
    fourth, d = hold()
    assert d == 0
    second.kill()
    second.wait()
    fifth, e = hold()
    assert e == 1
    for process in (third, fourth, fifth):
        process.communicate("")
