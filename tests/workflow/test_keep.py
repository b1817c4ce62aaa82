"""`keep: results`: checkpoints go when their last job is done, and nothing else changes."""

import shutil

import pytest
from snakemake_runs import planned_jobs

RUN = "results/runs/ihc/plain/efficientnet_lite0/moco/angle-{}/seed-0"
TRAINING = ("pretrain", "finetune", "saliency", "score")


def checkpoints(project):
    return {str(p.relative_to(project.folder)) for p in project.folder.glob("results/runs/**/*.pt")}


def run(project, *arguments, config=()):
    return project.snakemake(*arguments, "--config", "keep=results", *config)


@pytest.fixture
def project(finished, tmp_path):
    """A finished experiment that kept its checkpoints, of one's own."""
    return finished.at(shutil.copytree(finished.folder, tmp_path / "project", symlinks=True))


@pytest.fixture
def lean(project):
    """The same when its checkpoints have been deleted."""
    for path in checkpoints(project):
        (project.folder / path).unlink()
    return project


def plan(project, *config):
    planned = planned_jobs(run(project, "--dry-run", config=config))
    return {rule: planned[rule] for rule in ("data", "backbone", *TRAINING) if rule in planned}


def test_what_was_kept_stays_until_it_is_deleted_by_hand(project):
    ten = checkpoints(project)
    assert planned_jobs(run(project, "--dry-run")) == {}
    project.snakemake("--delete-temp-output")  # with `keep: all` there is nothing of the kind
    run(project)
    assert len(ten) == 10 and checkpoints(project) == ten
    others = set(project.folder.glob("results/**/*.*")) - {project.folder / path for path in ten}
    run(project, "--delete-temp-output")
    assert checkpoints(project) == set()
    assert all(path.exists() for path in others)


def test_nothing_is_missed_with_either_setting(lean):
    assert planned_jobs(run(lean, "--dry-run")) == {}
    assert planned_jobs(lean.snakemake("--dry-run")) == {}


@pytest.mark.parametrize(
    ("setting", "again"),
    [
        # all that need a model, which is trained again for it
        ("saliency={samples: 3}", [5, 5, 8, 8]),
        ("finetune={lr: 0.002}", [5, 5, 8, 8]),
        # the new run, and `none`, which is looked at from one more angle and trained again
        ("angles=[0, 45, 90, 180, 270, none]", [2, 2, 6, 6]),
        # the new ones alone
        ("angles=[0, 45, 90, 180, 270]", [1, 1, 1, 1]),
        ("seeds=[0, 1]", [5, 5, 8, 8]),
        ("saliency={quantile: 0.7}", [0, 0, 0, 8]),
        ("analysis={bootstrap: 60}", [0, 0, 0, 0]),
    ],
)
def test_what_a_later_change_trains_again(lean, setting, again):
    jobs = zip(TRAINING, again, strict=True)
    assert plan(lean, setting) == {rule: count for rule, count in jobs if count}


def test_a_plan_says_what_is_made_again_and_that_a_run_goes_before_the_next(lean):
    said = run(lean, "--dry-run", config=["saliency={samples: 3}"]).stdout
    lost = RUN.format("090.0") + "/pretrained.pt"
    assert f"reason: Missing output files: {lost}" in said
    # fine-tuning, maps and scores, above pre-training
    assert said.count("    priority: 1\n") == 5 + 8 + 8


def test_checkpoints_go_after_the_last_job_that_needs_them(lean):
    """One that two evaluations need, in a real run."""
    place = RUN.format("045.0")
    cells = [f"{place}/eval-{angle}/dice.csv" for angle in ("000.0", "090.0")]
    config = ["angles=[0, 45, 90]", "eval_angles=[0, 90]"]
    done = run(lean, *cells, config=config)
    said = done.stdout + done.stderr
    mapped, removed = said.rindex("rule saliency:"), said.index("Removing temporary output")
    assert said.count("rule saliency:") == 2 and mapped < removed
    names = {path.name for path in (lean.folder / place).iterdir()}
    kept = {"pretrain.csv", "features.npz", "finetune.csv", "segmentation.csv"}
    assert names == kept | {"eval-000.0", "eval-090.0"}
    assert planned_jobs(run(lean, "--dry-run", *cells, config=config)) == {}


def test_verify_says_what_it_cannot_compare(lean):
    said = run(lean, "verify", config=["angles=[90]", "verify=1"]).stdout
    assert "8 of 8 files came out the same to the last bit" in said
    assert "not compared: checkpoints" in said


def test_estimate_knows_how_large_checkpoints_were(finished, lean):
    def rows(project):
        said = project.snakemake("estimate").stdout
        return {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.strip()}

    kept, gone = rows(finished), rows(lean)
    assert kept["pretrain"] == gone["pretrain"] and kept["finetune"] == gone["finetune"]
    done, size, results = (float(kept["all"][i]) for i in (1, 4, 5))
    assert done == 26 and size > 10 * results > 0
