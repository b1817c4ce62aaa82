#!/usr/bin/env python3
"""Whether Snakemake's main process stays as it is while hundreds of real jobs run.

Usage: PYTHONPATH=tests/workflow python bench/load.py FOLDER [ANGLES]. Plans 5,000 jobs, then runs
ANGLES × (pretrain, finetune, saliency, score) on hardly any work at `--cores 8`, and prints the
main process's memory, open files and threads by tenths of the run.
"""

import re
import sys
import time
from pathlib import Path

from snakemake_runs import copy_workflow, planned_jobs

ROOT = Path(__file__).parents[1]

TARGET = "results/tables/dice_per_item.parquet"
MANY = "angles={start: 0, stop: 250, step: 0.2}"
TENTHS = 10


def main():
    """Print what was planned, what ran, and a table."""
    project = copy_workflow(Path(sys.argv[1]).resolve())
    tiny = {"configfile": str(ROOT / "bench/packing.yaml")}
    begun = time.monotonic()
    plan = planned_jobs(project.snakemake(TARGET, "--dry-run", "--config", MANY, **tiny))
    print(f"a dry run of {plan['total']} jobs: {time.monotonic() - begun:.1f} s")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 125
    angles = [round(360 / count * i, 1) for i in range(count)]
    begun = time.monotonic()
    options = ("--cores", "8", "--config", f"angles={angles}")
    said, samples = project.watch(TARGET, *options, **tiny)
    done = re.findall(r"(\d+ of \d+) jobs done", said)[-1]
    failed = len(re.findall("^Error in rule", said, re.M))
    print(f"{done} jobs done, {failed} failed: {(time.monotonic() - begun) / 60:.1f} min")
    tenth = [min(TENTHS, 1 + i * TENTHS // len(samples)) for i in range(len(samples))]
    print(samples.groupby(tenth).max().round(1).rename_axis("tenth").to_string())


if __name__ == "__main__":
    main()
