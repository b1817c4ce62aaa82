"""Which GPUs there are, found without torch, how many jobs share one, and one for each job."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from thetascope.errors import UserError

MISSING = (
    "device: {}: torch sees no CUDA device here; set `device: auto` or `device: cpu`, or run on a "
    "machine with a GPU"
)
held: list[IO[str]] = []  # open as long as the process lives, so that the lock is

# of a job: CUDA, its kernels, weights and what optimisers keep; and of a pass, per pixel of its
# images (bench/gpu.py)
MB_PER_JOB, BYTES_PER_PIXEL = 2000, 9000
# pixels per pass from which one job keeps an H100 busy most of the time
BUSY = 32 * 224**2


def allowed() -> list[str] | None:
    """GPUs to which `CUDA_VISIBLE_DEVICES` limits this process, in its order; None if to none."""
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is None:
        return None
    return [name for name in chosen.split(",") if name.strip() not in ("", "-1", "NoDevFiles")]


def visible() -> list[str]:
    """Names of the GPUs that torch would count, in its order; empty where there are none.

    Where `CUDA_VISIBLE_DEVICES` names none, what `nvidia-smi` lists.
    """
    if (chosen := allowed()) is not None:
        return chosen
    return re.findall(r"^GPU (\d+):", _nvidia_smi("-L"), re.MULTILINE)  # else it says what is wrong


def memory() -> int:
    """MB of the smallest GPU of this machine, 0 where there is none."""
    told = _nvidia_smi("--query-gpu=memory.total", "--format=csv,noheader,nounits")
    return min(map(int, re.findall(r"^(\d+)$", told, re.MULTILINE)), default=0)


def _nvidia_smi(*options: str) -> str:
    if not (program := shutil.which("nvidia-smi")):
        return ""
    return subprocess.run([program, *options], capture_output=True, text=True, check=False).stdout


def check(device: str) -> None:
    """Refuse a GPU that is not there before any job runs, which first deletes what it makes again.

    Raises
    ------
    UserError
        If `device` names a GPU and torch, which is asked if nothing else knows of one, sees none.
    """
    if not device.startswith("cuda") or visible():
        return
    asked = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    if subprocess.run([sys.executable, "-c", asked], check=False).returncode:
        raise UserError(MISSING.format(device))


def slots(config: Mapping[str, Any], cores: int) -> int:
    """Jobs that share a GPU.

    With `gpu_slots: auto` as many as there are cores, as fit into its memory, and no more than two
    where a job's passes are so large that one job keeps a large GPU busy.

    Parameters
    ----------
    config : mapping
        The configuration.
    cores : int
        For jobs on this machine.
    """
    if config["gpu_slots"] != "auto":
        return int(config["gpu_slots"])
    images = max(
        config["pretrain"]["batch_size"],
        config["finetune"]["batch_size"],
        config["saliency"]["chunk_size"],
    )
    pixels = images * config["image_size"] ** 2
    fit = memory() // (MB_PER_JOB + pixels * BYTES_PER_PIXEL // 10**6)
    return max(1, min(fit, 2 if pixels >= BUSY else cores // config["threads"]))


def claim(names: Sequence[str]) -> int:
    """Choose the GPU that fewest jobs of this user have chosen, until this process ends.

    Snakemake limits how many jobs there are at a time, but does not tell a job which GPU is free.
    Locks do, one per GPU and job, and the system gives them back whatever ends the job.

    Parameters
    ----------
    names : sequence of str
        As `visible` gives them.

    Returns
    -------
    int
        Index into `names`.
    """
    folder = Path(tempfile.gettempdir())
    slot = 0
    while True:
        for index, name in enumerate(names):
            path = f"thetascope-{os.getuid()}-gpu-{name.replace('/', '-')}-{slot}.lock"
            file = (folder / path).open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
            else:
                held.append(file)
                return index
        slot += 1
