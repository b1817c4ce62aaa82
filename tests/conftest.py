"""Fixtures of the workflow's tests."""

import fcntl
import os
import shutil

import pytest
from snakemake_runs import Project, copy_workflow

# as jobs compute; two threads on small tensors spend most of their time waiting for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture
def fresh(tmp_path):
    """The workflow in an empty folder: nothing computed yet."""
    return copy_workflow(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The smoke experiment, run once for all tests that only look at it or copy it.

    Where tests run side by side (pytest-xdist), their processes share the run and copy it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        project = Project(shared) if shared.exists() else copy_workflow(shared)
        project.snakemake()  # whoever comes second finds nothing left to do
        own = tmp_path_factory.mktemp("smoke") / "project"
        shutil.copytree(project.folder, own, symlinks=True)
    return project.at(own)
