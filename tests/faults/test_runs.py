"""Faults in the middle of real runs: nothing finished is lost, the same command does the rest."""

import os
import signal
import time

import pytest
import torch
from fault_runs import STAGES, contents, job_of, said, start


@pytest.fixture
def lose(project):
    """Delete results of stages and their logs; all results that there were."""

    def lose(*stages):
        before = contents(project.folder / "results")
        for path in (path for stage in stages for path in STAGES[stage]):
            (project.folder / path).unlink()
        return before

    return lose


@pytest.mark.parametrize(
    "stages",
    [
        ["data"],
        ["pretrain", "finetune", "saliency", "score", "dice_per_item", "periodicity_tables"],
    ],
    ids=["data", "all that follows"],
)
def test_every_job_is_killed_twice(project, lose, stages):
    before = lose(*stages)
    snakemake = start(project, STAGES[stages[-1]][0], "--retries", "2")
    stages = [stage for stage in stages if stage != "dice_per_item"]  # too quick to be caught
    for stage in stages:
        killed = []
        for kill in (signal.SIGKILL, signal.SIGTERM):
            job = job_of(project, snakemake, stage, but=killed)
            killed.append(job)
            job.send_signal(kill)
            job.wait()
            assert not (project.folder / STAGES[stage][0]).exists()
    assert snakemake.wait() == 0, said(project)
    for stage in stages:
        assert said(project).count(f"Error in rule {stage}:") == 2
    assert contents(project.folder / "results") == before


def test_a_killed_job_is_named_and_done_by_the_same_command(project, lose):
    before = lose("finetune")
    snakemake = start(project, STAGES["finetune"][0])
    job_of(project, snakemake, "finetune").kill()
    assert snakemake.wait() != 0
    assert "Error in rule finetune" in said(project) and STAGES["finetune"][1] in said(project)
    assert not (project.folder / STAGES["finetune"][0]).exists()
    assert contents(project.folder / "results").items() <= before.items()
    project.snakemake(STAGES["finetune"][0])
    assert contents(project.folder / "results") == before


@pytest.mark.parametrize("stage", ["pretrain", "saliency"])
def test_snakemake_is_killed(project, lose, stage):
    before = lose(stage)
    snakemake = start(project, STAGES[stage][0])
    job = job_of(project, snakemake, stage)
    snakemake.kill()  # its job lives on, and writes when it likes
    snakemake.wait()
    refused = project.snakemake(STAGES[stage][0], check=False)
    assert refused.returncode != 0
    assert "Directory cannot be locked" in refused.stdout + refused.stderr
    project.snakemake("--unlock")
    project.snakemake(STAGES[stage][0])
    job.wait()
    assert contents(project.folder / "results") == before


def test_two_in_one_folder(project, lose):
    before = lose("saliency")
    first = start(project, STAGES["saliency"][0])
    job = job_of(project, first, "saliency")
    job.suspend()  # or it ends before the second has looked
    second = project.snakemake(STAGES["saliency"][0], check=False)
    job.resume()
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stdout + second.stderr
    assert first.wait() == 0
    assert contents(project.folder / "results") == before


@pytest.mark.parametrize(
    ("path", "reader"),
    [("results/data/ihc/images.npy", "pretrain"), (STAGES["pretrain"][0], "finetune")],
    ids=["images", "checkpoint"],
)
def test_a_flipped_bit_is_named_and_mended_on_request(project, lose, path, reader):
    before = lose(reader)
    file = project.folder / path
    times = file.stat()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # a disk's fault leaves no trace
    done = project.snakemake(STAGES[reader][0], check=False)
    assert done.returncode != 0
    assert f"{path}: damaged since it was written" in done.stdout + done.stderr
    file.unlink()
    project.snakemake(STAGES[reader][0])
    after = contents(project.folder / "results")
    assert {path: after[path] for path in before} == before


def test_images_that_somebody_wrote_to_cost_no_model(project):
    """Snakemake takes them for new ones: it would delete all models, whose jobs would then fail."""
    before = contents(project.folder / "results")
    file = project.folder / "results/data/ihc/images.npy"
    file.touch()  # as they were
    assert "Nothing to be done" in project.snakemake(STAGES["score"][0]).stderr
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 4]))
    done = project.snakemake(STAGES["score"][0], check=False)
    assert done.returncode != 0
    assert "ihc/images.npy: damaged since it was written" in done.stdout + done.stderr
    after = contents(project.folder / "results")
    assert {path for path in before if before[path] != after.get(path)} == {
        file.relative_to(project.folder / "results")
    }
    file.unlink()
    project.snakemake("results/data/ihc/images.npy", STAGES["score"][0])
    assert contents(project.folder / "results") == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_costs_no_model(project):
    before = contents(project.folder / "results")
    changed = "--config", "device=cuda", "pretrain={lr: 0.5}"
    done = project.snakemake(STAGES["pretrain"][0], *changed, check=False)
    assert done.returncode != 0
    assert "torch sees no CUDA device here" in done.stdout + done.stderr
    assert contents(project.folder / "results") == before


def test_a_clock_that_goes_wrong_is_named(project):
    before = contents(project.folder / "results")
    pretrained = project.folder / STAGES["pretrain"][0]
    later = time.time() + 86400
    os.utime(pretrained, (later, later))
    done = project.snakemake(STAGES["finetune"][0], check=False)
    assert done.returncode != 0
    heard = done.stdout + done.stderr
    assert "clock skew" in heard and STAGES["pretrain"][0] in heard
    os.utime(pretrained)
    project.snakemake(STAGES["finetune"][0])
    assert contents(project.folder / "results") == before
