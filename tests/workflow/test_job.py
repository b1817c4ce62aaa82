"""What a rule's script leaves in its log and on the terminal, in a real Snakemake run."""

import subprocess
import sys

import pytest

SNAKEFILE = """
rule all:
    input: "out-{case}.txt"
    default_target: True

rule work:
    output: "out-{{case}}.txt"
    log: "logs/{{case}}.log"
    script: "work.py"
"""

SCRIPT = """
import logging
from thetascope.errors import UserError
from thetascope.engine.job import job

with job(snakemake):
    scalars = {"epoch": 1, "loss": 0.5}
    logging.getLogger("thetascope.test").info("epoch 1/1 loss 0.5", extra={"scalars": scalars})
    if snakemake.wildcards.case == "mistake":
        raise UserError("mask.png: no such file; check the path")
    if snakemake.wildcards.case == "bug":
        1 / 0
    if snakemake.wildcards.case == "memory":
        import torch
        raise torch.OutOfMemoryError("CUDA out of memory.")
    open(snakemake.output[0], "w").close()
"""


@pytest.fixture
def run(tmp_path):
    def run(case, *arguments):
        (tmp_path / "Snakefile").write_text(SNAKEFILE.format(case=case))
        (tmp_path / "work.py").write_text(SCRIPT)
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        return done, (tmp_path / "logs" / f"{case}.log").read_text()

    return run


def test_a_good_job_logs_its_epochs_and_stays_quiet(run):
    done, log = run("good")
    assert done.returncode == 0
    assert "INFO thetascope.test: epoch 1/1 loss 0.5" in log
    assert "epoch 1/1" not in done.stdout + done.stderr


@pytest.mark.parametrize("logging", ["text", "tensorboard"])
def test_the_numbers_of_an_epoch_go_to_tensorboard_if_asked(run, tmp_path, logging):
    """In a folder beside the log file; tests/unit/engine/test_watching.py reads such files."""
    done, log = run("good", "--config", f"logging={logging}")
    assert done.returncode == 0 and "WARNING" not in log
    files = list((tmp_path / "logs/good").glob("events.out.tfevents.*"))
    assert len(files) == (logging == "tensorboard")


def test_a_users_mistake_shows_its_message_without_a_traceback(run):
    done, log = run("mistake")
    assert done.returncode != 0
    for text in (log, done.stderr):
        assert "mask.png: no such file; check the path" in text
    assert "Traceback" not in log
    assert "work.py" not in log


def test_a_bug_shows_its_traceback_in_the_log_and_on_the_terminal(run):
    done, log = run("bug")
    assert done.returncode != 0
    for text in (log, done.stderr):
        assert "ZeroDivisionError" in text
        assert "case=bug" in text


def test_a_full_gpu_says_what_to_lower(run):
    done, log = run("memory")
    assert done.returncode != 0
    for text in (log, done.stderr):
        assert (
            "gpu_slots" in text and "saliency.chunk_size" in text and "CUDA out of memory." in text
        )
