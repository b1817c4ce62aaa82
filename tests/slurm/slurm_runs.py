"""Runs of Snakemake on the test cluster, and what SLURM's accounting says of their jobs."""

import hashlib
import io
import re
import subprocess
import sys
import time

import pandas as pd

JOB = "rule_{}_wildcards_ihc_plain_efficientnet_lite0_moco_{}.0_0"
# several epochs, each of which is saved, for tests that stop a training in its midst
SLOW = ("pretrain={epochs: 6}", "save_interval=0")
PATIENCE = 3000  # looks before a wait is given up: a busy machine takes its time


class ClusterRun:
    """`snakemake --profile slurm` in a project's folder, which goes on while a test looks on."""

    def __init__(self, folder, *arguments, angles="[0]"):
        self.folder = folder
        self.said = folder / "said.txt"
        # the profile's patience is for jobs of hours
        quick = ("--slurm-init-seconds-before-status-checks", "3")
        small = ("--configfile", "experiments/smoke.yaml", "--config", f"angles={angles}", *SLOW)
        command = (sys.executable, "-m", "snakemake", "--profile", "slurm", *arguments)
        with self.said.open("w") as file:
            self.process = subprocess.Popen(
                [*command, *quick, *small], cwd=folder, stdout=file, stderr=subprocess.STDOUT
            )

    def wait(self):
        assert self.process.wait() == 0, self.said.read_text()
        return self

    @property
    def name(self):
        """The name of all jobs of this run."""
        return re.search(r"SLURM run ID: (\S+)", self.said.read_text())[1]

    def jobs(self):
        """One row per job that SLURM started, in order: what it was, where and how it ended."""
        fields = "JobID,Comment,Partition,NodeList,State,AllocTRES,ReqMem,TimelimitRaw,Account"
        # without a start sacct begins at midnight
        since = ("--starttime", "now-1day")
        said = slurm("sacct", "-XPD", *since, "--name", self.name, "--format", fields)
        jobs = pd.read_csv(io.StringIO(said), sep="|", dtype={"Comment": str})
        return jobs.assign(Rule=jobs["Comment"].str.extract(r"rule_(\w+?)(?:_wildcards|$)"))

    def history(self, rule, angle):
        """The rows of one job, which has more than one if it was tried again."""
        jobs = self.jobs()
        return jobs[jobs["Comment"].str.startswith(JOB.format(rule, angle))]

    def failed(self, rule, angle):
        """Wait until this job has failed once."""
        for _ in range(PATIENCE):
            submitted = "SLURM run ID" in self.said.read_text()
            if submitted and "FAILED" in self.history(rule, angle)["State"].tolist():
                return
            assert self.process.poll() is None, self.said.read_text()
            time.sleep(0.2)
        raise AssertionError(f"{rule} {angle} never failed:\n{self.said.read_text()}")

    def saved(self, rule, angle):
        """Wait until this training has saved its state."""
        wait_for(self.folder, f"results/state/runs/**/angle-{angle}.0/**/{rule}.pt")

    def running(self, rule, angle, begun=True):
        """Wait until this job runs and its script has begun; return its number and its node."""
        log = f"logs/runs/**/angle-{angle}.0/**/{rule}.log"
        for _ in range(PATIENCE):
            for line in slurm("squeue", "-h", "-t", "R", "-o", "%k %i %N").splitlines():
                comment, number, node = line.split()
                runs = comment.startswith(JOB.format(rule, angle))
                if runs and (not begun or any(self.folder.glob(log))):
                    return number, node
            assert self.process.poll() is None, self.said.read_text()
            time.sleep(0.2)
        raise AssertionError(f"{rule} {angle} never ran:\n{self.said.read_text()}")


def wait_for(folder, pattern):
    """Wait until there is a file of such a name."""
    for _ in range(PATIENCE):
        if any(folder.glob(pattern)):
            return
        time.sleep(0.05)
    raise AssertionError(f"{folder}: there never was {pattern}")


def slurm(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def uncomment(profile, *settings):
    """Edit a profile as a site does."""
    text = profile.read_text()
    for setting in settings:
        assert f"# {setting}: " in text
        text = text.replace(f"# {setting}: ", f"{setting}: ")
    profile.write_text(text)


def files_in(folder):
    return [path for path in folder.glob("**/*") if path.is_file()]


def state_of(files):
    """Bytes and time of every file, by which one sees whether it was made again."""
    return {
        path: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files
    }
