"""The user's own files in real runs: a typo loses nothing, and no change is missed."""

import os
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image
from snakemake_runs import copy_workflow, planned_jobs

RUN = "results/runs/{}/plain/efficientnet_lite0/moco/angle-090.0/seed-0/pretrain.csv"
TARGETS = [RUN.format(name) for name in ("mine", "other")]


def write_pair(folder, name, side=20):
    mask = np.zeros((40, 40), np.uint8)
    mask[8:30, 8 : 8 + side] = 255
    image = np.random.default_rng(side).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for kind, pixels in ("images", image), ("masks", mask):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / kind / f"{name}.png")


def settings(**options):
    own = {"adapter": "folder", "images": "images/*.png", "masks": "masks/*.png"}
    return {
        "datasets": dict.fromkeys(["mni152", "ihc", "retina", "gratings"])
        | {name: {**own, "path": f"sets/{name}"} for name in ("mine", "other")},
        "angles": [90],
        "image_size": 32,
        "split": {"train": 0.4, "validation": 0.2, "test": 0.4},
        "pretrain": {"epochs": 1, "batch_size": 2, "queue_size": 2},
    }


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """Two sets of eight pairs, and an encoder trained on each."""
    project = copy_workflow(tmp_path_factory.mktemp("own") / "project")
    for name in ("mine", "other"):
        for i in range(8):
            write_pair(project.folder / "sets" / name, f"{i:02}", side=10 + i)
    (project.folder / "own.yaml").write_text(yaml.safe_dump(settings()))
    project.snakemake(*TARGETS, configfile="own.yaml")
    return project


@pytest.fixture
def project(pretrained, tmp_path):
    """The same in a folder of one's own, with the times of its files as they were."""
    return pretrained.at(shutil.copytree(pretrained.folder, tmp_path / "project", symlinks=True))


def times(project):
    return {p: p.stat().st_mtime_ns for p in project.folder.glob("results/**/*") if p.is_file()}


def run(project, *config, check=True):
    """Give the same command again: what was made (the rule of it and its set), what was said."""
    before = times(project)
    config = ["--config", *config] if config else []
    done = project.snakemake(*TARGETS, *config, configfile="own.yaml", check=check)
    made = {path for path, time in times(project).items() if before.get(path) != time}
    trained = {p.parts[p.parts.index("runs") + 1] for p in made if p.name == "pretrain.csv"}
    said = done.stdout + done.stderr
    prepared = {
        name
        for name in ("mine", "other")
        if f"dataset={name}\n" in said and f"output: results/data/{name}/" in said
    }
    return prepared, trained, said


def nothing_to_do(project):
    return planned_jobs(project.snakemake("--dry-run", *TARGETS, configfile="own.yaml")) == {}


def test_a_file_that_was_only_touched_prepares_its_set_and_trains_nothing(project):
    assert nothing_to_do(project)
    os.utime(project.folder / "sets/mine/masks/03.png")
    prepared, trained, said = run(project)
    assert (prepared, trained) == ({"mine"}, set())
    assert "results/data/mine is as it was before: " in said
    assert nothing_to_do(project)


def test_a_file_that_changed_prepares_its_set_and_trains_on_it(project):
    write_pair(project.folder / "sets/mine", "03", side=25)
    os.utime(project.folder / "sets/other/masks/03.png")  # and this one is equal
    prepared, trained, _ = run(project)
    assert (prepared, trained) == ({"mine", "other"}, {"mine"})
    assert nothing_to_do(project)


def test_a_pair_that_was_added_is_seen(project):
    write_pair(project.folder / "sets/other", "99", side=28)
    prepared, trained, _ = run(project)
    assert (prepared, trained) == ({"other"}, {"other"})
    assert nothing_to_do(project)


def test_a_typo_loses_nothing(project):
    """None that names show: it is seen before anything is deleted, in all sets at once."""
    before = times(project)
    wrong = "datasets={mine: {path: sets/mein}, other: {masks: mask/*.png}}"
    prepared, _, said = run(project, wrong, check=False)
    assert "datasets.mine: path: 'sets/mein': no such folder" in said
    assert "datasets.other: sets/other/mask/*.png: no file of this pattern" in said
    assert "Traceback" not in said and not prepared
    assert times(project) == before
    assert nothing_to_do(project)


def test_a_mistake_that_only_the_pictures_show_loses_no_model(project):
    """By then Snakemake has deleted the arrays; they come back as they were."""
    _, trained, said = run(project, "datasets={mine: {labels: [25]}}", check=False)
    assert "its values are 0, 255; say which are foreground" in said
    assert not (project.folder / "results/data/mine/images.npy").exists()
    prepared, trained, _ = run(project)
    assert (prepared, trained) == ({"mine"}, set())
    assert nothing_to_do(project)


def test_a_set_that_was_moved_is_the_same_set(project):
    shutil.copytree(project.folder / "sets/mine", project.folder / "moved")
    prepared, trained, _ = run(project, "datasets={mine: {path: moved}}")
    assert (prepared, trained) == ({"mine"}, set())


def test_other_code_that_reads_the_same_trains_nothing(project):
    adapter = project.folder / "workflow_scripts/thetascope/datasets/adapters/folder.py"
    adapter.write_text(adapter.read_text() + "\n_EDITED = True\n")
    prepared, trained, _ = run(project)
    assert (prepared, trained) == ({"mine", "other"}, set())
    assert nothing_to_do(project)


def test_a_set_whose_files_are_gone_is_used_as_it_was_prepared(project):
    (project.folder / "sets/mine").rename(project.folder / "disk-that-is-not-mounted")
    done = project.snakemake("--dry-run", *TARGETS, configfile="own.yaml")
    assert "it is used as results/data/mine has it" in done.stdout + done.stderr
    assert planned_jobs(done) == {}
    # what has not been prepared cannot be
    shutil.rmtree(project.folder / "results/data/mine")
    done = project.snakemake("--dry-run", *TARGETS, configfile="own.yaml", check=False)
    assert "datasets.mine: path: 'sets/mine': no such folder" in done.stdout + done.stderr


def test_what_a_study_costs_may_be_asked_before_its_images_are_there(project):
    (project.folder / "sets").rename(project.folder / "elsewhere")
    shutil.rmtree(project.folder / "results/data")  # else a set is used as it was prepared
    refused = project.snakemake("--dry-run", configfile="own.yaml", check=False)
    assert refused.returncode and "sets/mine" in refused.stdout + refused.stderr
    assert "pretrain" in project.snakemake("estimate", configfile="own.yaml").stdout
