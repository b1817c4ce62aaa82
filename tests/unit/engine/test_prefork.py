"""Jobs that are handed over to a real parent process, and what becomes of them."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from thetascope.engine import prefork

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs are forked on Linux alone")

HAND_OVER = """
import os, sys
from thetascope.engine import prefork
prefork.hand_over()
"""


@pytest.fixture(scope="module")
def parent():
    """The parent process; jobs inherit its address."""
    prefork.start()
    (server,) = (p for p in psutil.Process().children() if prefork.SERVE in " ".join(p.cmdline()))
    yield server
    server.terminate()
    server.wait()
    del os.environ[prefork.ADDRESS]


def starter(folder, hand_over):
    """Give what starts a script that hands itself over, then goes on with some lines."""

    def start(lines, **options):
        path = folder / f"{len(list(folder.iterdir()))}.py"
        path.write_text(hand_over + textwrap.dedent(lines))
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, path], cwd=folder, **streams, **options)

    return start


@pytest.fixture
def script(tmp_path):
    """Start a script that gets a fork of its own."""
    return starter(tmp_path, HAND_OVER)


@pytest.fixture
def warm(tmp_path):
    """Start a script that a warm worker runs."""
    return starter(tmp_path, HAND_OVER.replace("hand_over()", "hand_over(warm=True)"))


def test_a_script_runs_in_a_fork_as_it_would_by_itself(parent, script, tmp_path):
    told = {**os.environ, "COLOUR": "blue"}
    job = script(
        """
        loaded = "torch" in sys.modules
        print(os.getppid(), loaded, os.getcwd(), sys.argv[0], os.environ["COLOUR"], __name__)
        print("to stderr", file=sys.stderr)
        """,
        env=told,
    )
    said, errors = job.communicate()
    assert job.returncode == 0
    expected = f"{parent.pid} True {tmp_path} {tmp_path / '0.py'} blue __main__"
    assert said.split() == expected.split()
    assert errors == "to stderr\n"


@pytest.mark.parametrize(
    ("lines", "code", "said"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit('no such mask')", 1, ""),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("os.kill(os.getpid(), 9)", 1, "the job's process was killed"),
    ],
)
def test_it_ends_as_the_script_did(parent, script, lines, code, said):
    job = script(lines)
    assert said in job.communicate()[1]
    assert job.returncode == code


def test_the_fork_does_not_outlive_the_process_that_handed_it_over(parent, script):
    job = script("print(os.getpid(), flush=True); import time; time.sleep(60)")
    fork = psutil.Process(int(job.stdout.readline()))
    job.send_signal(signal.SIGKILL)
    fork.wait(timeout=30)


def test_many_at_once(parent, script):
    jobs = [script(f"import time; time.sleep(0.2); sys.exit({i})") for i in range(20)]
    assert [job.wait() for job in jobs] == list(range(20))


def test_without_a_parent_a_script_goes_on_by_itself(script, tmp_path):
    gone = {**os.environ, prefork.ADDRESS: str(tmp_path)}
    job = script("print(os.getppid(), 'torch' in sys.modules)", env=gone)
    assert job.communicate()[0].split() == [str(os.getpid()), "False"]


def test_the_parent_ends_with_whoever_started_it_and_leaves_nothing():
    code = "from thetascope.engine.prefork import *; start(); print(os.environ[ADDRESS])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    folder = Path(said.stdout.strip())
    deadline = time.monotonic() + 60
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert (said.returncode, said.stderr) == (0, "") and not folder.exists()


def test_where_no_socket_can_be_made_there_is_no_parent_and_nothing_left(
    monkeypatch, tmp_path, caplog
):
    far = tmp_path / ("long-name-" * 11)
    far.mkdir()
    monkeypatch.setattr(prefork.tempfile, "tempdir", str(far))
    monkeypatch.delenv(prefork.ADDRESS, raising=False)
    prefork.start()
    assert prefork.ADDRESS not in os.environ
    assert "Each job imports torch for itself" in caplog.text and "too long" in caplog.text
    assert not list(far.iterdir())


def said_by(job):
    said, errors = job.communicate()
    assert job.returncode == 0, errors
    return said


def test_a_warm_worker_does_one_job_after_another(parent, warm):
    (first, second) = (said_by(warm("print(os.getpid(), os.getppid())")) for _ in range(2))
    assert first == second and first.split()[1] == str(parent.pid)


def test_it_forgets_what_a_job_has_done(parent, warm, tmp_path):
    lines = """
    import logging, random, time, warnings, torch
    from pathlib import Path
    from thetascope import angles
    from thetascope.engine import prefork
    warnings.warn("seen once per place")
    seconds, used = prefork.taken()
    state = torch.rand(2).tolist(), hasattr(angles, "left"), os.environ.get("LEFT"), Path.cwd().name
    print(os.getpid(), state, logging.root.handlers, "left" in sys.path, seconds < 5, used < 5)
    angles.left = os.environ["LEFT"] = "here"
    sys.path.append("left")
    logging.basicConfig(handlers=[logging.FileHandler("a.log")])
    os.chdir("/")
    end = time.process_time() + 1.5
    while time.process_time() < end:
        pass
    assert prefork.taken()[1] > 1.4
    """
    jobs = []
    for _ in range(4):
        job = warm(lines)
        jobs.append((*job.communicate(), job.returncode))
    assert len({said for said, *_ in jobs}) == 1
    assert all("seen once per place" in errors and code == 0 for _, errors, code in jobs)


@pytest.mark.parametrize("lines", ["sys.exit(3)", "1 / 0", "os.kill(os.getpid(), 9)"])
def test_a_failed_job_ends_the_worker(parent, warm, lines):
    first = said_by(warm("print(os.getpid())"))
    failed = warm("print(os.getpid(), flush=True)\n" + lines)
    assert failed.communicate()[0] == first and failed.returncode
    assert said_by(warm("print(os.getpid())")) != first


def test_a_stopped_job_ends_the_worker(parent, warm):
    job = warm("print(os.getpid(), flush=True); import time; time.sleep(60)")
    worker = psutil.Process(int(job.stdout.readline()))
    job.terminate()
    worker.wait(timeout=30)
    assert said_by(warm("print(os.getpid())")) != f"{worker.pid}\n"


def test_there_are_as_many_workers_as_jobs_at_once_and_a_killed_one_is_replaced(parent, warm):
    sleeping = "print(os.getpid()); import time; time.sleep(0.5)"
    for _ in range(3):
        jobs = [warm(sleeping) for _ in range(3)]
        workers = {said_by(job) for job in jobs}
        assert len(workers) == 3
    for worker in workers:
        os.kill(int(worker), signal.SIGKILL)
    assert workers.isdisjoint(said_by(job) for job in [warm(sleeping) for _ in range(3)])
    known = [p for p in parent.children() if p.status() != psutil.STATUS_ZOMBIE]
    assert len(known) <= 6  # of this test and of those before


def test_an_idle_worker_ends_and_so_do_all_with_the_parent(monkeypatch, warm):
    told = "from thetascope.engine import prefork; prefork.IDLE = {}; prefork.serve"
    for idle in 1, 1000:
        monkeypatch.setattr(prefork, "SERVE", told.format(idle))
        monkeypatch.delenv(prefork.ADDRESS, raising=False)
        prefork.start()
        worker = psutil.Process(int(said_by(warm("print(os.getpid())"))))
        server = worker.parent()
        if idle > 1:
            server.terminate()
        worker.wait(timeout=30)
        server.terminate()
        server.wait()
