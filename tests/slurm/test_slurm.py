"""`snakemake --profile slurm` on a real cluster: placement of jobs, results, faults."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from slurm_runs import PATIENCE, SLOW, files_in, slurm, state_of, uncomment, wait_for
from snakemake_runs import ROOT, copy_workflow, planned_jobs

pytestmark = pytest.mark.slurm
RUNS = Path("results/runs/ihc/plain/efficientnet_lite0/moco")
ONE_ANGLE = "angles=[0]"
FIRST_PRETRAINED = RUNS / "angle-000.0/seed-0/pretrained.pt"
PRETRAINED = RUNS / "angle-090.0/seed-0/pretrained.pt"
STATE = Path("results/state", *FIRST_PRETRAINED.parts[1:-1], "finetune.pt")
MAPS = RUNS / "angle-000.0/seed-0/eval-000.0/saliency.npz"
SCORES, OTHER_SCORES = (RUNS / f"angle-{a}/seed-0/eval-{a}/dice.csv" for a in ("000.0", "090.0"))


RULES = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))


def gpu_rules():
    return {
        block.split(":")[0] for block in re.split(r"^rule ", RULES, flags=re.M) if "gpu=1" in block
    }


def local_rules():
    return set(re.findall(r"\w+", "".join(re.findall(r"^localrules:\n((?: .+\n)+)", RULES, re.M))))


def test_the_profile_names_every_gpu_rule():
    profile = yaml.safe_load((ROOT / "slurm/config.yaml").read_text())
    assert profile["set-resources"].keys() == gpu_rules()


def test_jobs_run_where_they_should(finished, tmp_path):
    jobs = finished.jobs()
    planned = planned_jobs(copy_workflow(tmp_path / "new").snakemake("-n", "--config", ONE_ANGLE))
    assert {"backbone", "plot_saliency", "table_page"} < local_rules()
    assert jobs["Rule"].value_counts().to_dict() == {
        rule: count
        for rule, count in planned.items()
        if rule not in {*local_rules(), "all", "total"}
    }
    assert set(jobs["State"]) == {"COMPLETED"}
    assert set(jobs["Account"]) == {"lab"}
    on_gpu = jobs["Rule"].isin(gpu_rules())
    assert (jobs["Partition"] == on_gpu.map({True: "gpu", False: "cpu"})).all()
    assert (jobs["AllocTRES"].str.contains("gres/gpu=1") == on_gpu).all()
    assert jobs["AllocTRES"].str.contains("cpu=1,").all()


def test_results_are_those_of_a_local_run(finished, local):
    names = [path.relative_to(local.folder) for path in files_in(local.folder / "results")]
    differ = [
        n for n in names if (local.folder / n).read_bytes() != (finished.folder / n).read_bytes()
    ]
    assert set(differ) == {Path(f"results/tables/benchmarks.{kind}") for kind in ("csv", "json")}


def test_a_second_run_submits_nothing(finished, start):
    again = start(finished.folder).wait()
    assert "Nothing to be done" in again.said.read_text()
    assert again.jobs().empty


# -- faults ----------------------------------------------------------------------------------------


def without_runs(finished, folder, keep="all"):
    """A copy of the finished project, of whose results only data and backbone are left."""
    shutil.copytree(finished.folder, folder, symlinks=True)
    shutil.rmtree(folder / "results/runs")
    shutil.rmtree(folder / "logs")
    settings = folder / "config.yaml"
    settings.write_text(settings.read_text().replace("keep: all", f"keep: {keep}"))
    return folder


def checkpoints_are_gone(folder, *arguments, start, **options):
    """They go with the last job that needs them, and nobody asks for them again."""
    again = start(folder, *arguments, **options).wait()
    return not [*folder.glob("results/runs/**/*.pt")] and (
        "Nothing to be done" in again.said.read_text()
    )


@pytest.fixture(scope="module")
def troubled(finished, start, tmp_path_factory):
    """A run whose jobs are cancelled, hang, run out of memory, lose their node: one job each."""
    folder = without_runs(finished, tmp_path_factory.mktemp("troubled") / "project")
    run = start(
        folder,
        MAPS,
        PRETRAINED,
        "--set-resources",
        "pretrain:runtime=attempt",
        "finetune:mem_mb=800*attempt",
        "finetune:gpu=0",
        "finetune:gres=gpu:1",
        angles="[0, 90]",
    )
    cancelled, _ = run.running("pretrain", "000", begun=False)
    slurm("scancel", cancelled)
    hanging, _ = run.running("pretrain", "090")
    run.saved("pretrain", "090")
    slurm("scancel", "--signal=STOP", hanging)
    lost, node = run.running("saliency", "000")
    slurm("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    # SLURM would let this job rest for two minutes
    slurm("scontrol", "update", f"JobId={lost}", "StartTime=now")
    run.wait()
    slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")
    return run


def test_a_cancelled_job_is_tried_again(troubled):
    jobs = troubled.history("pretrain", "000")
    assert jobs["State"].tolist() == ["CANCELLED by 0", "COMPLETED"]


def test_a_job_out_of_time_gets_more(troubled):
    jobs = troubled.history("pretrain", "090")
    assert jobs["State"].tolist() == ["TIMEOUT", "COMPLETED"]
    assert jobs["TimelimitRaw"].tolist() == [1, 2]


def test_a_job_out_of_time_goes_on_from_its_last_epoch(troubled):
    (log,) = troubled.folder.glob("logs/runs/**/angle-090.0/**/pretrain.log")
    said = log.read_text()
    assert "going on from results/state" in said
    assert "epoch 6/6" in said
    assert "epoch 1/6" not in said


def test_a_job_out_of_memory_gets_more(troubled):
    jobs = troubled.history("finetune", "000")
    # without cgroups SLURM ends a step that takes too much, and the job sees its step fail
    assert jobs["State"].tolist() == ["FAILED", "COMPLETED"]
    assert jobs["ReqMem"].tolist() == ["800M", "1600M"]
    (log,) = troubled.folder.glob(
        f".snakemake/slurm_logs/rule_finetune/*/{jobs['JobID'].iloc[0]}.log"
    )
    assert "exceeded memory limit" in log.read_text()


def test_a_site_may_ask_for_gpus_as_gres(troubled):
    assert troubled.history("finetune", "000")["AllocTRES"].str.contains("gres/gpu=1").all()


def test_a_job_that_loses_its_node_moves_to_another(troubled):
    jobs = troubled.history("saliency", "000")
    assert jobs["State"].tolist() == ["NODE_FAIL", "COMPLETED"]
    assert jobs["JobID"].nunique() == 1
    assert jobs["NodeList"].nunique() == 2


def test_faults_leave_no_trace_in_the_results(finished, troubled):
    assert set(troubled.jobs()["Rule"]) == {"pretrain", "finetune", "saliency"}
    made = files_in((troubled.folder / MAPS).parents[1])
    assert len(made) == 8
    for path in made:
        name = path.relative_to(troubled.folder)
        assert path.read_bytes() == (finished.folder / name).read_bytes(), name


def test_a_killed_snakemake_goes_on_where_it_was(finished, start, tmp_path):
    folder = without_runs(finished, tmp_path / "project", keep="results")
    run = start(folder, MAPS)
    run.running("finetune", "000")
    run.process.kill()
    run.process.wait()
    slurm("scancel", "--name", run.name)
    done = state_of(files_in(folder / "results"))
    del done[folder / FIRST_PRETRAINED]  # which goes when it has been used

    start(folder, "--unlock").wait()
    again = start(folder, MAPS).wait()
    assert again.jobs()["Rule"].tolist() == ["finetune", "saliency"]
    assert state_of(done) == done
    assert (folder / MAPS).read_bytes() == (finished.folder / MAPS).read_bytes()
    assert checkpoints_are_gone(folder, MAPS, start=start)


def test_a_full_disk_leaves_no_half_written_result(finished, start, tmp_path):
    folder = without_runs(finished, tmp_path / "project")
    runs = folder / "results/runs"
    runs.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2M", "tmpfs", runs]).returncode:
        pytest.skip("this machine may not mount a small disk")
    try:
        run = start(folder, FIRST_PRETRAINED)
        run.failed("pretrain", "000")
        assert not files_in(runs)
        (log,) = folder.glob("logs/runs/**/pretrain.log")
        assert "No space left on device" in log.read_text()
        subprocess.run(["mount", "-o", "remount,size=200M", runs], check=True)
        run.wait()
        assert run.history("pretrain", "000")["State"].tolist() == ["FAILED", "COMPLETED"]
        made = (folder / FIRST_PRETRAINED).read_bytes()
        assert made == (finished.folder / FIRST_PRETRAINED).read_bytes()
    finally:
        subprocess.run(["umount", runs], check=True)


# -- packing ---------------------------------------------------------------------------------------

PACKED = (
    "groups",
    "group-components",
    "resources",
    "set-resource-scopes",
    "keep-incomplete",
    "cores",
)


@pytest.fixture(scope="module")
def packed(finished, start, tmp_path_factory):
    """Two runs in one SLURM job, of which one cannot save the state of its fine-tuning."""
    folder = tmp_path_factory.mktemp("packed") / "project"
    without_runs(finished, folder, keep="results")
    uncomment(folder / "slurm/config.yaml", *PACKED)
    (folder / STATE).mkdir(parents=True)
    run = start(folder, "--retries", "0", SCORES, OTHER_SCORES, angles="[0, 90]")
    assert run.process.wait() != 0
    return run


def test_several_runs_are_one_job(packed):
    jobs = packed.jobs()
    assert jobs["Comment"].tolist() == ["rule_run_finetune_pretrain_saliency"]
    assert "cpu=1,gres/gpu=1," in jobs["AllocTRES"].iloc[0]


def test_the_terminal_shows_why_a_job_failed(packed):
    said = packed.said.read_text()
    assert re.search(
        r"the last lines of logs/runs/.*/finetune.log:\n(.*\n)+IsADirectoryError", said
    )


def test_what_a_job_made_before_it_failed_stays(finished, packed):
    made, expected = (project.folder / FIRST_PRETRAINED for project in (packed, finished))
    assert made.read_bytes() == expected.read_bytes()


def test_only_what_is_missing_of_a_packed_job_is_computed_again(finished, packed, start):
    (packed.folder / STATE).rmdir()
    stay = [path for path in files_in(packed.folder / RUNS) if path.suffix != ".pt"]
    done, job = state_of(stay), (packed.folder, SCORES, OTHER_SCORES)
    start(*job, angles="[0, 90]").wait()
    assert (packed.folder / SCORES).read_bytes() == (finished.folder / SCORES).read_bytes()
    assert (packed.folder / OTHER_SCORES).exists()
    assert state_of(done) == done
    assert checkpoints_are_gone(*job, start=start, angles="[0, 90]")


# -- one job for all -------------------------------------------------------------------------------


def submitted(folder, *command):
    """Hand a script to SLURM, with this Snakemake in the path: the job's number."""
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    options = {"cwd": folder, "check": True, "capture_output": True, "text": True}
    done = subprocess.run(("sbatch", "--parsable", *command), env=os.environ | path, **options)
    return done.stdout.strip()


def end_of(job):
    """Wait for a job; say how it ended."""
    for _ in range(PATIENCE):
        state = slurm("sacct", "-XPn", "-j", job, "-o", "State").strip()
        if state and state not in ("PENDING", "RUNNING"):
            return state
        time.sleep(0.2)
    raise AssertionError(f"{job} never ended")


def test_a_whole_experiment_in_one_job_goes_on_where_it_was_cancelled(finished, tmp_path):
    """Its jobs share the GPU and the cores of the allocation, in warm workers."""
    folder = without_runs(finished, tmp_path / "project")
    site = "--account=lab", "--partition=gpu", "--cpus-per-task=1", "--mem=4G"
    small = "--configfile", "experiments/smoke.yaml", "--config", ONE_ANGLE, *SLOW
    command = folder, *site, "slurm/allocation.sh", SCORES, *small
    first = submitted(*command)
    wait_for(folder, "results/state/runs/**/pretrain.pt")
    slurm("scancel", first)
    assert end_of(first).startswith("CANCELLED")
    assert not (folder / FIRST_PRETRAINED).exists()
    second = submitted(*command)
    assert end_of(second) == "COMPLETED", (folder / f"thetascope-{second}.log").read_text()
    (log,) = folder.glob("logs/runs/**/pretrain.log")
    assert "going on from" in log.read_text()
    for name in FIRST_PRETRAINED, SCORES:
        assert (folder / name).read_bytes() == (finished.folder / name).read_bytes()
