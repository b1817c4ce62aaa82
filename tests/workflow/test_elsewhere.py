"""The workflow run from another folder, and as a module of another workflow."""

import subprocess
import sys

import pytest
import yaml
from snakemake_runs import ROOT, copy_workflow

IMAGES = "results/data/ihc/images.npy"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_workflow(tmp_path_factory.mktemp("elsewhere") / "workflow")


@pytest.fixture
def run(project, tmp_path):
    """Run Snakemake in an empty folder beside a copy of the workflow."""

    def run(*arguments, lines="", check=True):
        if lines:
            (tmp_path / "Snakefile").write_text(lines.format(project.folder))
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_from_another_folder(run, project, tmp_path):
    snakefile = str(project.folder / "Snakefile")
    run(IMAGES, "--snakefile", snakefile, "--config", "image_size=40")
    assert (tmp_path / IMAGES).exists() and not (project.folder / "results").exists()
    assert "40" in (tmp_path / "results/data/ihc/manifest.csv").read_text().splitlines()[0]


@pytest.mark.parametrize("module", [False, True])
def test_it_is_its_own_library_that_runs(run, project, tmp_path, module):
    """Not one that happens to be installed."""
    rules = project.folder / "rules/archive.smk"
    before = rules.read_text()
    rules.write_text(before + '\nimport thetascope\nprint("library:", thetascope.__file__)\n')
    try:
        other = ["--snakefile", str(project.folder / "Snakefile")]
        said = run("--dry-run", *([] if module else other), lines=MODULE if module else "")
    finally:
        rules.write_text(before)
    assert f"library: {project.folder}/workflow_scripts/thetascope/__init__.py" in said


def test_settings_of_another_folder(run, project, tmp_path):
    """They are those of that folder, whole; a part of them goes to `--configfile`."""
    settings = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    del settings["datasets"]["retina"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    planned = run("--dry-run", "--snakefile", str(project.folder / "Snakefile"))
    assert "results/data/ihc" in planned and "results/data/retina" not in planned
    (tmp_path / "config.yaml").write_text("seeds: [1]\n")
    said = run("--dry-run", "--snakefile", str(project.folder / "Snakefile"), check=False)
    assert "lacks datasets" in said and "--configfile" in said and "Traceback" not in said


MODULE = """
module thetascope:
    snakefile: "{}/Snakefile"
    config: dict(image_size=40, finetune=dict(epochs=3), datasets=dict(retina=None))

use rule * from thetascope as theta_*
"""


def test_as_a_module(run, project, tmp_path):
    run(IMAGES, lines=MODULE)
    assert (tmp_path / IMAGES).exists() and not (project.folder / "results").exists()
    assert "40" in (tmp_path / "results/data/ihc/manifest.csv").read_text().splitlines()[0]
    planned = run("theta_all", "--dry-run")  # what it does not name is as the workflow has it
    assert "theta_verdict" in planned and "results/data/mni152" in planned
    assert "results/data/retina" not in planned
