"""Fixtures of the workflow's tests."""

import os

import pytest
from snakemake_runs import copy_workflow

# as jobs compute; two threads on small tensors spend most of their time waiting for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")


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
