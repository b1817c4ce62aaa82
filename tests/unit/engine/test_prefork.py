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


@pytest.fixture
def script(tmp_path):
    """Start a script that hands itself over, then goes on with these lines."""

    def script(lines, **options):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.py"
        path.write_text(HAND_OVER + textwrap.dedent(lines))
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, path], cwd=tmp_path, **streams, **options)

    return script


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
    gone = {**os.environ, prefork.ADDRESS: str(tmp_path / "socket")}
    job = script("print(os.getppid(), 'torch' in sys.modules)", env=gone)
    assert job.communicate()[0].split() == [str(os.getpid()), "False"]


def test_the_parent_ends_with_whoever_started_it_and_leaves_nothing():
    code = "from thetascope.engine.prefork import *; start(); print(os.environ[ADDRESS])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    folder = Path(said.stdout.strip()).parent
    deadline = time.monotonic() + 60
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert said.returncode == 0 and not folder.exists()


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
