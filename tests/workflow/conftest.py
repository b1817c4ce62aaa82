"""A real project folder and a real Snakemake for the tests of the workflow."""

import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "config.yaml", "experiments", "rules", "schemas", "workflow_scripts")


@dataclass(frozen=True)
class Project:
    """A copy of the workflow in a folder of its own."""

    folder: Path

    def at(self, folder):
        return replace(self, folder=folder)

    def snakemake(self, *arguments, configfile="experiments/smoke.yaml", check=True):
        """Run Snakemake there as a user would; by default it must succeed."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
        if configfile:
            command += ["--configfile", configfile]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done


def copy_workflow(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / name)
    return Project(folder)


@pytest.fixture
def fresh(tmp_path):
    """The workflow in an empty folder: nothing computed yet."""
    return copy_workflow(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The smoke experiment, run once for all tests that only look at it or copy it."""
    project = copy_workflow(tmp_path_factory.mktemp("smoke") / "project")
    project.snakemake()
    return project
