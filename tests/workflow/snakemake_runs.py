"""A real project folder and a real Snakemake for the tests of the workflow."""

import atexit
import functools
import re
import shutil
import subprocess
import sysconfig
import tempfile
import venv
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import pandas as pd
import psutil
from packaging.markers import Marker

ROOT = Path(__file__).parents[2]
PINS = ROOT / "requirements.txt"
PARTS = (
    "Snakefile",
    "config.yaml",
    "envs",
    "experiments",
    "profiles",
    "report",
    "rules",
    "schemas",
    "slurm",
    "workflow_scripts",
)


@functools.cache
def users_python():
    """The Python of an environment that holds what requirements.txt names, and nothing else.

    So all that the tests run as a user is run without the development set-up. It is made of links
    to the packages that are installed here, in a second.
    """
    folder = Path(tempfile.mkdtemp(prefix="thetascope-user-"))
    atexit.register(shutil.rmtree, folder)
    venv.create(folder, symlinks=True)
    packages = sysconfig.get_path("purelib", vars={"base": folder})
    pins = re.findall(r"^([\w.-]+)==\S+(?: ; (.*?))? \\$", PINS.read_text("utf-8"), re.M)
    for name in (name for name, marker in pins if not marker or Marker(marker).evaluate()):
        package = metadata.distribution(name)
        for part in {file.parts[0] for file in package.files} - {"..", "__pycache__"}:
            link = Path(packages, part)
            if not link.is_symlink():  # several of NVIDIA's share a folder
                link.symlink_to(package.locate_file(part))
    return folder / "bin/python"


@dataclass(frozen=True)
class Project:
    """A copy of the workflow in a folder of its own."""

    folder: Path

    def at(self, folder):
        return replace(self, folder=folder)

    def snakemake(self, *arguments, configfile="experiments/smoke.yaml", check=True):
        """Run Snakemake there as a user would; by default it must succeed."""
        command = _command(arguments, configfile)
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def watch(self, *arguments, configfile="experiments/smoke.yaml"):
        """Run as `snakemake` does: what it said, and its main process at twenty times a second.

        The table has `memory` (resident, MB), `files` (open), `threads`, and how many jobs were
        `done`.
        """
        said = self.folder / "said.txt"
        rows = []
        with said.open("w") as file:
            command = _command(arguments, configfile)
            streams = {"stdout": file, "stderr": subprocess.STDOUT}
            main = psutil.Popen(command, cwd=self.folder, **streams)
            while main.poll() is None:
                with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
                    done = said.read_text().count("Finished jobid")
                    size = main.memory_info().rss / 1e6
                    rows.append((size, main.num_fds(), main.num_threads(), done))
                    main.wait(0.05)
        assert main.returncode == 0, said.read_text()
        return said.read_text(), pd.DataFrame(rows, columns=["memory", "files", "threads", "done"])


def _command(arguments, configfile):
    command = [users_python(), "-m", "snakemake", "--cores", "2", *arguments]
    return command + (["--configfile", configfile] if configfile else [])


def copy_workflow(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / name)
    return Project(folder)


def planned_jobs(dry_run):
    """Jobs per rule that a dry-run would run, from Snakemake's own statistics."""
    said = dry_run.stdout + dry_run.stderr
    if "Nothing to be done" in said:
        return {}
    table = re.search(r"^job +count\n-+ +-+\n((?:\w+ +\d+\n)+)", said, re.M)
    assert table, said
    return {line.split()[0]: int(line.split()[1]) for line in table[1].splitlines()}
