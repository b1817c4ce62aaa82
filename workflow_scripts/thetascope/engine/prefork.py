"""Jobs as forks of one process that has imported what they all need.

Importing torch and timm takes seconds of CPU, three times per run, and pandas and matplotlib two
for every table and figure: more than the computing of a small run. On one machine a parent process
does it once: each job's own process hands its script over, waits, and ends as the script did. Where
there is no parent (on a cluster, in an environment of its own, not on Linux, or where no socket can
be made) or it has died, the script goes on as any other.

Most scripts get a fork of their own. Those that compute with torch get a warm worker: a fork that
does one job after another, so that CUDA and its kernels, which take seconds, are there from its
second job on. It forgets all that a job has done before it takes the next one, and ends where a job
fails or is stopped.

The parent only imports, so that there is no thread and no CUDA context when it forks.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import resource
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger("snakemake.logging")  # the terminal of the run

ADDRESS = "THETASCOPE_PREFORK"  # the environment variable that tells jobs where the parent listens
BEGUN = "THETASCOPE_BEGUN"  # and a job when it began, in a process that is older than it is
SERVE = "from thetascope.engine.prefork import serve; serve"
FRESH, WARM = "fresh", "warm"  # the sockets on which the parent listens
IDLE = 20  # seconds after which a worker without a job ends, and gives its memory back
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
    with socket.socket(socket.AF_UNIX) as fresh, socket.socket(socket.AF_UNIX) as warm:
        try:
            for listener, name in ((fresh, FRESH), (warm, WARM)):
                listener.bind(f"{folder}/{name}")
                listener.listen(64)  # jobs may wait here until all is imported
        except OSError as error:  # a path of 108 bytes or more, a disk that holds no sockets
            shutil.rmtree(folder)
            log.warning("Each job imports torch for itself, since %s: %s", folder, error)
            return
        os.environ[ADDRESS] = folder
        numbers = fresh.fileno(), warm.fileno()
        subprocess.Popen(
            [sys.executable, "-P", "-c", f"{SERVE}({os.getpid()}, {numbers})"],
            stdin=subprocess.DEVNULL,
            pass_fds=numbers,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )


def serve(snakemake: int, listeners: tuple[int, int]) -> None:
    """Be the parent: fork for the scripts that are handed over, as long as Snakemake lives.

    Parameters
    ----------
    snakemake : int
        The process that started this one.
    listeners : tuple of int
        File descriptors of the sockets for jobs of `FRESH` forks and of `WARM` workers.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the jobs; then Snakemake ends
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    try:
        parent = _Parent(*(socket.socket(fileno=number) for number in listeners))
        for name in IMPORTS:
            importlib.import_module(name)
        while os.getppid() == snakemake:
            parent.listen()
    finally:
        shutil.rmtree(os.environ[ADDRESS])


class _Parent:
    """What forks: its listeners, and a channel to every warm worker."""

    def __init__(self, fresh: socket.socket, warm: socket.socket) -> None:
        self.fresh, self.warm = fresh, warm
        self.workers: list[socket.socket] = []
        self.idle: dict[socket.socket, float] = {}  # since when; the latest is the last

    def listen(self) -> None:
        """Do what there is to do, or nothing for a second."""
        for ready in select.select([self.fresh, self.warm, *self.workers], [], [], 1)[0]:
            if ready is self.fresh:
                with self.fresh.accept()[0] as connection:
                    self._fork(_run, connection)
            elif ready is self.warm:
                with self.warm.accept()[0] as connection:
                    self._lend(connection)
            elif ready in self.workers:
                if ready.recv(1):
                    self.idle[ready] = time.monotonic()
                else:
                    self._dismiss(ready)
        for worker, since in list(self.idle.items()):
            if time.monotonic() > since + IDLE:
                self._dismiss(worker)

    def _lend(self, connection: socket.socket) -> None:
        """Give a job to the worker that was busy last, or to a new one."""
        while self.idle:
            worker, _ = self.idle.popitem()
            try:
                return _pass_on(connection, worker)
            except OSError:  # somebody has killed it
                self._dismiss(worker)
        ours, its = socket.socketpair()
        with its:
            self._fork(_work, its, not_its=(ours, connection))
        self.workers.append(ours)
        _pass_on(connection, ours)

    def _dismiss(self, worker: socket.socket) -> None:
        self.workers.remove(worker)
        self.idle.pop(worker, None)
        worker.close()  # by which it knows

    def _fork(
        self,
        function: Callable[[socket.socket], int],
        its: socket.socket,
        not_its: tuple[socket.socket, ...] = (),
    ) -> None:
        """Fork; the fork does no more than this, and keeps no socket of the parent open."""
        if os.fork():
            return
        code = 1
        try:
            for ours in (self.fresh, self.warm, *self.workers, *not_its):
                ours.close()
            code = function(its)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)


def _pass_on(connection: socket.socket, worker: socket.socket) -> None:
    socket.send_fds(worker, [b"\0"], [connection.fileno()])


def _work(channel: socket.socket) -> int:
    """Be a warm worker: do one job after another, until one fails or the parent wants no more."""
    import torch

    gc.freeze()  # what is there now stays: to forget a job need not look through it
    seed, path = torch.initial_seed(), list(sys.path)

    def be_as_before() -> None:
        _forget(seed)
        sys.path[:] = path
        with contextlib.suppress(OSError):  # the parent is gone
            channel.send(b"\0")  # before Snakemake knows: there are never more workers than jobs

    code = 0
    while not code:
        message, numbers, *_ = socket.recv_fds(channel, 1, 1)
        if not message:
            break
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # the most memory is that of this job
        with socket.socket(fileno=numbers[0]) as connection, warnings.catch_warnings():
            code = _run(connection, be_as_before)
    return code


def _forget(seed: int) -> None:
    """Leave nothing of a job: our library, its log, the random state, what it holds on a GPU."""
    import torch

    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(3):  # whoever reads them waits for their end
        os.dup2(nothing, number)
    os.close(nothing)
    for handler in logging.root.handlers[:]:
        logging.root.removeHandler(handler)
        handler.close()
    for name in [name for name in sys.modules if name.split(".")[0] == "thetascope"]:
        del sys.modules[name]
    gc.collect()
    torch.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _run(connection: socket.socket, afterwards: Callable[[], None] = lambda: None) -> int:
    """Run a script that was handed over as its own process would have; give its exit code.

    Parameters
    ----------
    connection : socket
        To the process that handed the script over, which is told the exit code.
    afterwards : callable
        What is done after a script that did not fail, before that.
    """
    code, over = 1, threading.Event()
    watch = threading.Thread(target=_end_with, args=[connection, over], daemon=True)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _, streams, *_ = socket.recv_fds(connection, 1, 3)
        job = json.loads(connection.makefile().readline())
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(job["environment"] | {BEGUN: f"{time.time()} {_cpu_seconds()}"})
        tempfile.tempdir = None  # it was found in the parent's environment
        os.chdir(job["directory"])
        sys.argv = job["arguments"]
        connection.send(b"\0")
        watch.start()
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not code:
        afterwards()
    over.set()
    connection.send(bytes([code]))
    connection.shutdown(socket.SHUT_RDWR)  # which ends the watch
    if watch.ident:
        watch.join()
    return code


def _end_with(connection: socket.socket, over: threading.Event) -> None:
    """Do not outlive the process that Snakemake started, and can stop."""
    connection.recv(1)
    if not over.is_set():
        os.kill(os.getpid(), signal.SIGKILL)


def hand_over(warm: bool = False) -> None:
    """Let the parent run this script and end as it does, or go on where there is no parent.

    Parameters
    ----------
    warm : bool
        Whether a worker that has done other jobs is to run it.
    """
    address = os.environ.pop(ADDRESS, None)
    if address is None:
        return
    job = {"arguments": sys.argv, "directory": str(Path.cwd()), "environment": dict(os.environ)}
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{address}/{WARM if warm else FRESH}")
            socket.send_fds(connection, [b"\0"], [0, 1, 2])
            connection.sendall(json.dumps(job).encode() + b"\n")
            begun, code = connection.recv(1), connection.recv(1)
    except OSError:
        return
    if begun:
        sys.exit(code[0] if code else "the job's process was killed")


def taken() -> tuple[float, float]:
    """Seconds and CPU seconds since this job began; its process may be older."""
    import psutil  # not needed by what hands over

    began, used = map(float, os.environ.get(BEGUN, "0 0").split())
    return time.time() - (began or psutil.Process().create_time()), _cpu_seconds() - used


def _cpu_seconds() -> float:
    """CPU seconds of this process so far, its threads included."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
