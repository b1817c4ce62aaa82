"""Jobs as forks of one process that has imported what they all need.

Importing torch and timm takes seconds of CPU, three times per run, and pandas and matplotlib two
for every table and figure: more than the computing of a small run. On one machine a parent process
does it once: each job's own process hands its script over, waits, and ends as the script did. Where
there is no parent (on a cluster, in an environment of its own, not on Linux, or where no socket can
be made) or it has died, the script goes on as any other.

The parent only imports, so that there is no thread and no CUDA context when it forks.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

log = logging.getLogger("snakemake.logging")  # the terminal of the run

ADDRESS = "THETASCOPE_PREFORK"  # the environment variable that tells jobs where the parent listens
SERVE = "from thetascope.engine.prefork import serve; serve"
# nothing of ours: a job reads the library as it is when it starts
IMPORTS = (
    *("snakemake.script", "pandas", "psutil", "skimage.filters", "skimage.metrics"),
    *(
        "sklearn.metrics",
        "sklearn.svm",
        "scipy.stats",
        "torch",
        "torchvision.transforms.v2",
        "timm",
    ),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
)


def start() -> None:
    """Start the parent; it ends with this process, once its jobs are done."""
    folder = tempfile.mkdtemp(prefix="thetascope-")  # nobody else may enter, so nobody else connect
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(f"{folder}/socket")
        except OSError as error:  # a path of 108 bytes or more, a disk that holds no sockets
            shutil.rmtree(folder)
            log.warning("Each job imports torch for itself, since %s: %s", folder, error)
            return
        os.environ[ADDRESS] = f"{folder}/socket"
        listener.listen(64)  # jobs may wait here until all is imported
        root = str(Path(__file__).parents[2])
        subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                f"{SERVE}({os.getpid()})",
            ],
            stdin=listener.fileno(),
            env=os.environ | {"PYTHONPATH": root},
        )


def serve(snakemake: int) -> None:
    """Be the parent: fork for every script that is handed over, as long as Snakemake lives.

    Parameters
    ----------
    snakemake : int
        The process that started this one.
    """
    folder = Path(os.environ[ADDRESS]).parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the jobs; then Snakemake ends
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    try:
        with socket.socket(fileno=0) as listener:
            for name in IMPORTS:
                importlib.import_module(name)
            while os.getppid() == snakemake:
                if select.select([listener], [], [], 1)[0]:
                    connection, _ = listener.accept()
                    if os.fork() == 0:
                        _run(connection)
                    connection.close()
    finally:
        shutil.rmtree(folder)


def _run(connection: socket.socket) -> None:
    """Be a job, in a fork of the parent: run the script as its own process would have."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _, streams, *_ = socket.recv_fds(connection, 1, 3)
        job = json.loads(connection.makefile().readline())
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(job["environment"])
        tempfile.tempdir = None  # it was found in the parent's environment
        os.chdir(job["directory"])
        sys.argv = job["arguments"]
        connection.send(b"\0")
        threading.Thread(target=_end_with, args=[connection], daemon=True).start()
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.send(bytes([code]))
        os._exit(code)


def _end_with(connection: socket.socket) -> None:
    """Do not outlive the process that Snakemake started, and can stop."""
    connection.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def hand_over() -> None:
    """Let the parent run this script and end as it does, or go on where there is no parent."""
    address = os.environ.pop(ADDRESS, None)
    if address is None:
        return
    job = {"arguments": sys.argv, "directory": str(Path.cwd()), "environment": dict(os.environ)}
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(address)
            socket.send_fds(connection, [b"\0"], [0, 1, 2])
            connection.sendall(json.dumps(job).encode() + b"\n")
            begun, code = connection.recv(1), connection.recv(1)
    except OSError:
        return
    if begun:
        sys.exit(code[0] if code else "the job's process was killed")
