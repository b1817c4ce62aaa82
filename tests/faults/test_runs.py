"""Faults in the middle of real runs: nothing finished is lost, the same command mends the rest."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

RUN = "results/runs/ihc/plain/efficientnet_lite0/moco/angle-090.0/seed-0"
LOGS = RUN.replace("results/", "logs/")
SCORES = f"{RUN}/eval-090.0/dice.csv"
# stage → the file that is missing at first, the stage's log
STAGES = {
    "pretrain": (f"{RUN}/pretrained.pt", f"{LOGS}/pretrain.log"),
    "finetune": (f"{RUN}/finetuned.pt", f"{LOGS}/finetune.log"),
    "saliency": (f"{RUN}/eval-090.0/saliency.npz", f"{LOGS}/eval-090.0/saliency.log"),
    "score": (SCORES, f"{LOGS}/eval-090.0/score.log"),
}


@pytest.fixture
def project(finished, tmp_path):
    copy = tmp_path / "project"
    shutil.copytree(finished.folder, copy, symlinks=True)
    return finished.at(copy)


def contents(project):
    """Every result but the unfinished states: path → bytes."""
    results = project.folder / "results"
    files = (p for p in results.rglob("*") if p.is_file() and "state" not in p.parts)
    return {p.relative_to(results): p.read_bytes() for p in files}


def start(project, *arguments):
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    command += ["--configfile", "experiments/smoke.yaml"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=project.folder, **streams)


def job_of(snakemake, stage, log):
    """The stage's process, once it works."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and snakemake.poll() is None:
        for child in psutil.Process(snakemake.pid).children(recursive=True):
            with suppress(psutil.Error):  # it ended meanwhile
                ours = f".{stage}.py" in " ".join(child.cmdline()) and "python" in child.name()
                if ours and log.exists() and "start" in log.read_text():
                    return child
        time.sleep(0.01)
    raise AssertionError(f"{stage} never started: {snakemake.communicate()[0]}")


@pytest.fixture
def lose(project):
    """Delete a stage's result and its log: what is there besides, the result, how to make it."""

    def lose(stage):
        before = contents(project)
        lost, log = (project.folder / path for path in STAGES[stage])
        lost.unlink()
        log.unlink()
        return before, lost, log

    return lose


@pytest.mark.parametrize(
    ("stage", "kill"),
    [
        ("pretrain", signal.SIGKILL),
        ("pretrain", signal.SIGTERM),
        ("finetune", signal.SIGKILL),
        ("saliency", signal.SIGTERM),
        ("score", signal.SIGKILL),
    ],
)
def test_a_job_is_killed(project, lose, stage, kill):
    before, lost, log = lose(stage)
    snakemake = start(project, STAGES[stage][0])
    job_of(snakemake, stage, log).send_signal(kill)
    said = snakemake.communicate()[0]
    assert snakemake.returncode != 0
    assert f"Error in rule {stage}" in said and STAGES[stage][1] in said
    assert not lost.exists()
    assert contents(project).items() <= before.items()
    project.snakemake(STAGES[stage][0])
    assert contents(project) == before


@pytest.mark.parametrize("stage", ["pretrain", "saliency"])
def test_snakemake_is_killed(project, lose, stage):
    before, _, log = lose(stage)
    snakemake = start(project, STAGES[stage][0])
    job_of(snakemake, stage, log)
    snakemake.kill()  # its job lives on, and writes when it likes
    refused = project.snakemake(STAGES[stage][0], check=False)
    assert refused.returncode != 0
    assert "Directory cannot be locked" in refused.stdout + refused.stderr
    project.snakemake("--unlock")
    project.snakemake(STAGES[stage][0])
    assert contents(project) == before


def test_two_in_one_folder(project, lose):
    before, _, log = lose("saliency")
    first = start(project, STAGES["saliency"][0])
    job_of(first, "saliency", log)
    second = project.snakemake(STAGES["saliency"][0], check=False)
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout + second.stderr
    first.communicate()
    assert first.returncode == 0
    assert contents(project) == before


def test_a_flipped_bit_in_the_images_is_named_and_mended_on_request(project):
    before = contents(project)
    images = project.folder / "results/data/ihc/images.npy"
    pretrained = STAGES["pretrain"][0]
    (project.folder / pretrained).unlink()
    times = images.stat()
    data = bytearray(images.read_bytes())
    data[len(data) // 2] ^= 4
    images.write_bytes(data)
    os.utime(images, ns=(times.st_atime_ns, times.st_mtime_ns))  # a disk's fault leaves no trace
    done = project.snakemake(pretrained, check=False)
    assert done.returncode != 0
    assert "results/data/ihc/images.npy: damaged since it was written" in done.stdout + done.stderr
    images.unlink()
    project.snakemake(pretrained)
    after = contents(project)
    assert {path: after[path] for path in before} == before


def test_a_clock_that_goes_wrong_is_named(project):
    before = contents(project)
    pretrained = project.folder / STAGES["pretrain"][0]
    later = time.time() + 86400
    os.utime(pretrained, (later, later))
    done = project.snakemake(STAGES["finetune"][0], check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "clock skew" in said and STAGES["pretrain"][0] in said
    os.utime(pretrained)
    project.snakemake(STAGES["finetune"][0])
    assert contents(project) == before
