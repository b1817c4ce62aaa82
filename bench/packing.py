#!/usr/bin/env python3
"""What a (data set, θ) costs on SLURM, when a job serves one rule of it, one, 8 or 32 of them.

Usage: python bench/packing.py FOLDER [VARIANT ...], as root on Debian. Brings up the tests' cluster
of three nodes and runs the chain from pretrain to score in every variant: as the profile does, as
job arrays, as group jobs, and as one process per block of θ (packing.smk). What is counted is what
SLURM's accounting says.
"""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
RULES = ("pretrain", "finetune", "saliency", "score")
QUICK = ("--slurm-init-seconds-before-status-checks", "3")  # the profile waits for hours-long jobs
GROUP = ("--groups", *(f"{rule}=run" for rule in RULES))
# without these a group asks for as many GPUs and cores as it has jobs that could run at a time
ONE_GPU = ("--resources", "gpu=1", "--set-resource-scopes", "gpu=local", "--cores", "1")
DICE = "results/runs/ihc/plain/efficientnet_lite0/moco/angle-{0}/seed-0/eval-{0}/dice.csv"

# name: how many θ are run, options
VARIANTS = {
    "a job per rule": (8, ()),
    "arrays of 8": (8, ("--slurm-array-jobs", "all", "--slurm-array-limit", "8")),
    **{
        f"group of {n}": (max(8, n), (*GROUP, "--group-components", f"run={n}", *ONE_GPU))
        for n in (1, 8, 32)
    },
    **{f"process for {n}": (max(8, n), ("--snakefile", "bench/packing.smk")) for n in (1, 8, 32)},
}


def seconds(text):
    """Read SLURM's [days-][hours:]minutes:seconds."""
    days, _, clock = text.rpartition("-")
    parts = [float(part) for part in clock.split(":")]
    return int(days or 0) * 86400 + sum(part * 60**i for i, part in enumerate(reversed(parts)))


def accounting(name):
    """Number of a run's jobs, seconds for which they had a GPU, CPU seconds, and first to last."""
    fields = "JobID,Submit,End,Elapsed,TotalCPU,AllocTRES"
    said = subprocess.run(
        ["sacct", "-PD", "--starttime", "now-1day", "--name", name, "--format", fields],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rows = pd.read_csv(io.StringIO(said), sep="|", parse_dates=["Submit", "End"])
    step = rows["JobID"].str.contains(".", regex=False)
    jobs, steps = rows[~step], rows[step]
    return {
        "SLURM jobs": len(jobs),
        "GPU s": jobs.loc[jobs["AllocTRES"].str.contains("gpu"), "Elapsed"].map(seconds).sum(),
        "CPU s": steps["TotalCPU"].map(seconds).sum(),
        "wall s": (jobs["End"].max() - jobs["Submit"].min()).total_seconds(),
    }


def run(folder, name):
    """Run one variant in a copy of the workflow, whose image set and backbone are there already."""
    angles, options = VARIANTS[name]
    project = folder / name.replace(" ", "-")
    subprocess.run(["git", "clone", "-q", ROOT, project], check=True)
    labels = [f"{10 * i:05.1f}" for i in range(angles)]
    settings = (
        *("--configfile", "bench/packing.yaml", "--config"),
        f"angles={[10 * i for i in range(angles)]}",
    )
    local = ("results/data/ihc/images.npy", "results/backbones/efficientnet_lite0-imagenet.pt")
    snakemake = (sys.executable, "-m", "snakemake")
    in_project = {"cwd": project, "stderr": subprocess.STDOUT}
    with (project / "said.txt").open("w") as said:
        prepare = [*snakemake, *local, "--cores", "2", *settings]
        subprocess.run(prepare, check=True, stdout=said, **in_project)
        per_block = name.rpartition(" ")[2] if "process" in name else ""
        command = [*snakemake, *map(DICE.format, labels), "--profile", "slurm"]
        subprocess.run(
            [*command, *QUICK, *options, *settings],
            check=True,
            stdout=said,
            env={**os.environ, "ANGLES_PER_BLOCK": per_block},
            **in_project,
        )
    run_id = re.search(r"SLURM run ID: (\S+)", (project / "said.txt").read_text())[1]
    found = accounting(run_id)
    return {
        "variant": name,
        "θ": angles,
        **{k: round(float(v) / angles, 2) for k, v in found.items()},
    }


def main():
    """Print a table, all figures per θ."""
    folder = Path(sys.argv[1]).resolve()
    (folder / "cluster").mkdir(parents=True)
    tests = ROOT / "tests" / "slurm"
    subprocess.run([tests / "cluster-up", folder / "cluster"], check=True)
    try:
        rows = []
        for name in sys.argv[2:] or VARIANTS:
            rows.append(run(folder, name))
            print(rows[-1], flush=True)
        print(pd.DataFrame(rows).to_string(index=False))
    finally:
        subprocess.run([tests / "cluster-down", folder / "cluster"], check=True)


if __name__ == "__main__":
    main()
