"""What re-runs after which change, asked of real dry-runs on a finished smoke experiment."""

import shutil
from pathlib import Path

import pytest
from snakemake_runs import planned_jobs

STAGES = ("data", "backbone", "pretrain", "finetune", "saliency", "score")


@pytest.fixture
def project(finished, tmp_path):
    """A finished experiment of one's own, with the times of its files as they were."""
    copy = tmp_path / "project"
    shutil.copytree(finished.folder, copy, symlinks=True)
    return finished.at(copy)


def plan(project, *arguments):
    return planned_jobs(project.snakemake("--dry-run", *arguments))


def edit(project, name, old, new):
    path = Path(project.folder) / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def touch_library(project, module):
    path = project.folder / "workflow_scripts" / "thetascope" / module
    path.write_text(path.read_text() + "\n_EDITED = True\n")


def test_a_second_run_does_nothing(project):
    assert plan(project) == {}


def test_adding_an_angle_runs_only_its_own_jobs(project):
    planned = plan(project, "--config", "angles=[0, 45, 90, 180, 270, 'none']")
    stages = {stage: planned.get(stage, 0) for stage in STAGES}
    # one new run, and its angle is also one more evaluation of `none`
    assert stages == {
        "data": 0,
        "backbone": 0,
        "pretrain": 1,
        "finetune": 1,
        "saliency": 2,
        "score": 2,
    }


def test_adding_a_seed_runs_only_that_seed(project):
    planned = plan(project, "--config", "seeds=[0, 1]")
    assert planned["pretrain"] == planned["finetune"] == 5
    assert "data" not in planned


@pytest.mark.parametrize(
    ("setting", "reruns"),
    [
        ("saliency={samples: 3}", {"saliency", "score"}),
        ("saliency={quantile: 0.7}", {"score"}),
        ("finetune={lr: 0.002}", {"finetune", "saliency", "score"}),
        ("pretrain={temperature: 0.3}", {"pretrain", "finetune", "saliency", "score"}),
        ("analysis={bootstrap: 60}", set()),
        ("device=cpu", None),
    ],
)
def test_a_setting_reruns_the_stages_that_read_it_and_what_follows(project, setting, reruns):
    planned = plan(project, "--config", setting)
    if reruns is None:
        assert planned == {}
    else:
        assert {stage for stage in STAGES if stage in planned} == reruns
        assert "dice_table" in planned


@pytest.mark.parametrize(
    ("module", "reruns"),
    [
        ("metrics.py", {"score"}),
        ("saliency.py", {"saliency", "score"}),
        ("segmentation.py", {"finetune", "saliency", "score"}),
        ("contrastive.py", {"pretrain", "finetune", "saliency", "score"}),
        ("datasets/ihc.py", {"data", "pretrain", "finetune", "saliency", "score"}),
        ("datasets/retina.py", set()),
        ("figures.py", set()),
    ],
)
def test_editing_a_module_reruns_just_the_stages_that_import_it(project, module, reruns):
    touch_library(project, module)
    planned = plan(project)
    assert {stage for stage in STAGES if stage in planned} == reruns
    if module == "figures.py":
        plots = {"plot_oscillation", "plot_saliency", "plot_orientation", "explorer"}
        assert planned.keys() == {"all", *plots, "total"}


@pytest.mark.parametrize(
    ("setting", "reruns"),
    [
        ("orientation={bins: 18}", {"orientation": 1}),
        ("orientation={hog_cells: [32]}", {"hog_svm": 1}),
        ("angles=[0, 45, 90, 180, 270]", {"orientation": 1, "hog_svm": 1}),
        ("analysis={periods: [90]}", {}),
        ("datasets={retina: {adapter: retina}}", {"orientation": 1, "hog_svm": 1}),
    ],
)
def test_orientations_are_measured_again_only_for_what_they_depend_on(project, setting, reruns):
    tables = [f"results/tables/{name}.csv" for name in ("orientation", "hog_svm")]
    planned = plan(project, *tables, "--config", setting)
    ours = {rule: planned[rule] for rule in ("orientation", "hog_svm") if rule in planned}
    assert ours == reruns


def test_a_deleted_result_is_made_again_and_nothing_before_it(project):
    (lost,) = project.folder.glob("results/runs/*/*/*/*/angle-090.0/*/eval-090.0/saliency.npz")
    lost.unlink()
    planned = plan(project, str(lost.relative_to(project.folder)))
    assert planned == {"saliency": 1, "total": 1}
