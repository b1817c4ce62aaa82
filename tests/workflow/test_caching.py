"""What re-runs after which change, asked of real dry-runs on a finished smoke experiment."""

import os
import re
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


def test_a_second_run_does_nothing(project):
    assert plan(project) == {}


def test_watching_trainings_reruns_nothing(project, tmp_path, monkeypatch):
    (tmp_path / "site/tensorboard").mkdir(parents=True)  # only looked for
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)
    assert plan(project, "--config", "logging=tensorboard") == {}


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
    ("stagger", "angles"),
    [
        ("true", ["045.0", "135.0", "225.0", "315.0"]),
        ("false", ["000.0", "090.0", "180.0", "270.0"]),
    ],
)
def test_a_staggered_seed_leaves_the_first_as_it_is(project, stagger, angles):
    """And what the first has, it has with and without: paths and settings do not tell."""
    grid = f"angles={{start: 0, stop: 270, step: 90, stagger: {stagger}}}"
    assert not set(plan(project, "--config", grid)) & {*STAGES, "orientation", "hog_svm"}
    done = project.snakemake("--dry-run", "--config", grid, "seeds=[0, 1]")
    planned = planned_jobs(done)
    assert [planned[stage] for stage in ("pretrain", "finetune", "saliency", "score")] == [4] * 4
    runs = re.findall(r"rule pretrain:.*?angle=(\S+), seed=(\d+)", done.stdout, re.S)
    assert sorted(runs) == [(angle, "1") for angle in angles]
    # images are held against themselves turned by every θ that there is
    assert ("orientation" in planned) == ("hog_svm" in planned) == (stagger == "true")


@pytest.mark.parametrize(
    ("setting", "reruns"),
    [
        ("saliency={samples: 3}", {"saliency", "score"}),
        ("saliency={quantile: 0.7}", {"score"}),
        ("finetune={lr: 0.002}", {"finetune", "saliency", "score"}),
        ("pretrain={temperature: 0.3}", {"pretrain", "finetune", "saliency", "score"}),
        ("analysis={bootstrap: 60}", set()),
        ("analysis={questions: {turning: {metric: [auroc]}}}", {}),
        ("precision=bfloat16", {"pretrain", "finetune", "saliency", "score"}),
        ("device=cpu", None),
    ],
)
def test_a_setting_reruns_the_stages_that_read_it_and_what_follows(project, setting, reruns):
    planned = plan(project, "--config", setting)
    if reruns is None:
        assert planned == {}
    else:
        assert {stage for stage in STAGES if stage in planned} == set(reruns)
        assert ("dice_table" in planned) == (reruns != {})  # the question is none of its settings
        assert "oscillation_tables" in planned


@pytest.mark.parametrize(
    ("module", "reruns"),
    [
        ("saliency/metrics.py", {"score"}),
        ("saliency/scoring.py", {"score"}),
        ("saliency/baselines.py", {"saliency", "score"}),
        ("analysis/reliability.py", set()),
        ("saliency/sanity.py", {"saliency", "score"}),
        ("learning/segmentation.py", {"finetune", "saliency", "score"}),
        ("learning/contrastive.py", {"pretrain", "finetune", "saliency", "score"}),
        ("datasets/adapters/ihc.py", {"data", "pretrain", "finetune", "saliency", "score"}),
        ("datasets/adapters/retina.py", set()),
        ("report/figures/pictures.py", set()),
    ],
)
def test_editing_a_module_reruns_just_the_stages_that_import_it(project, module, reruns):
    path = project.folder / "workflow_scripts" / "thetascope" / module
    path.write_text(path.read_text() + "\n_EDITED = True\n")
    planned = plan(project)
    assert {stage for stage in STAGES if stage in planned} == reruns
    if module == "report/figures/pictures.py":
        plots = {"plot_samples", "plot_saliency", "explorer"}
        assert planned.keys() == {"all", *plots, "total"}


CONSTANTS = {
    "learning/rotation.py": ("CROP = 1 / math.sqrt(2)", "CROP = 0.7"),
    "learning/probe.py": ("RIDGE = 1.0", "RIDGE = 2.0"),
    "analysis/hog.py": ("FOLDS = 5", "FOLDS = 4"),
    "analysis/curves.py": ("MIN_ANGLES = 4", "MIN_ANGLES = 5"),
}


@pytest.mark.parametrize(
    ("module", "reruns"),
    [
        ("learning/rotation.py", {"pretrain", "finetune", "saliency", "score", "dice_table"}),
        ("learning/probe.py", {"saliency", "score", "dice_table"}),
        ("analysis/hog.py", {"hog_svm"}),
        ("analysis/curves.py", {"oscillation_tables", "periodicity_tables"}),
    ],
)
def test_editing_a_constant_reruns_the_stages_that_use_it(project, module, reruns):
    edit(project, f"workflow_scripts/thetascope/{module}", *CONSTANTS[module])
    rules = {*STAGES, "dice_table", "hog_svm", "oscillation_tables", "periodicity_tables"}
    planned = plan(project)
    following = {"oscillation_tables", "periodicity_tables"} if "score" in reruns else set()
    assert {rule for rule in rules if rule in planned} == reruns | following


def test_editing_comments_docstrings_and_the_engine_reruns_nothing(project):
    library = project.folder / "workflow_scripts" / "thetascope"
    for module in CONSTANTS:
        path = library / module
        first, rest = path.read_text().split('"""', 2)[1:]
        path.write_text(f'"""{first} In other words."""\n# a comment\n{rest}')
    for module in "job", "progress", "prefork":
        path = library / f"engine/{module}.py"
        path.write_text(path.read_text() + "\n_EDITED = True\n")
    assert plan(project) == {}


def test_a_new_copy_of_the_code_reruns_nothing_and_another_script_its_stage(project):
    """A script's time is no change of it, nor is a comment in it."""
    for path in project.folder.glob("workflow_scripts/**/*.py"):
        os.utime(path)
    script = project.folder / "workflow_scripts/score.py"
    script.write_text(script.read_text() + "# a comment\n")
    assert plan(project) == {}
    script.write_text(script.read_text() + "EDITED = True\n")
    planned = plan(project)
    assert {stage for stage in STAGES if stage in planned} == {"score"}


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
