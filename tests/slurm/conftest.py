"""A real SLURM cluster, and the workflow on it."""

import subprocess
import tempfile
from pathlib import Path

import pytest
from slurm_runs import SLOW, ClusterRun, uncomment
from snakemake_runs import copy_workflow

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def cluster():
    """Three nodes on this machine; the tests are skipped where it cannot have them."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        up = subprocess.run([HERE / "cluster-up", folder], capture_output=True, text=True)
        if up.returncode == 77:
            pytest.skip(up.stderr.splitlines()[-1])
        try:
            assert up.returncode == 0, up.stdout + up.stderr
            yield
        finally:
            subprocess.run([HERE / "cluster-down", folder], check=True)


@pytest.fixture(scope="session")
def start(cluster):
    """Start runs that do not outlive the cluster."""
    runs = []

    def start(folder, *arguments, **options):
        runs.append(ClusterRun(folder, *arguments, **options))
        return runs[-1]

    yield start
    for run in runs:
        run.process.kill()


@pytest.fixture(scope="session")
def both(start, tmp_path_factory):
    """The smoke experiment with one angle, on the cluster and, meanwhile, without it."""
    folder = copy_workflow(tmp_path_factory.mktemp("finished") / "project").folder
    uncomment(folder / "slurm/config.yaml", "slurm_account", "gpu_model")
    run = start(folder)
    local = copy_workflow(tmp_path_factory.mktemp("local") / "project")
    local.snakemake("--config", "angles=[0]", *SLOW)
    return run.wait(), local


@pytest.fixture(scope="session")
def finished(both):
    return both[0]


@pytest.fixture(scope="session")
def local(both):
    return both[1]
