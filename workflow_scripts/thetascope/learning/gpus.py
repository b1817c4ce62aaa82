"""Which GPUs there are, found without torch, and one for each job."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO

held: list[IO[str]] = []  # open as long as the process lives, so that the lock is


def visible() -> list[str]:
    """Names of the GPUs that torch would count, in its order; empty where there are none.

    `CUDA_VISIBLE_DEVICES` comes first, as for torch; else what `nvidia-smi` lists.
    """
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in chosen.split(",") if name.strip() not in ("", "-1", "NoDevFiles")]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return re.findall(r"^GPU (\d+):", listed.stdout, re.MULTILINE)  # else it says what is wrong


def claim(names: list[str]) -> int:
    """Choose a GPU that no other job of this user has chosen, until this process ends.

    Snakemake starts no more jobs than there are GPUs, but does not tell a job which one is free. A
    lock does, and the system gives it back whatever ends the job.

    Parameters
    ----------
    names : list of str
        As `visible` gives them.

    Returns
    -------
    int
        Index into `names`; 0 if all are taken, as where somebody runs Snakemake twice.
    """
    for index, name in enumerate(names):
        path = Path(
            tempfile.gettempdir(), f"thetascope-{os.getuid()}-gpu-{name.replace('/', '-')}.lock"
        )
        file = path.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            held.append(file)
            return index
    return 0
