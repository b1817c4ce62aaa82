#!/usr/bin/env python3
"""What planning many angles takes: `all` of the default experiment, and a chain as bare as can be.

Usage: PYTHONPATH=tests/workflow python bench/plan.py [ANGLES]. Both have four rules per data set
and angle, of three data sets; those of the bare chain have one input, one output and nothing else.
Dry-runs in turn.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from snakemake_runs import copy_workflow, planned_jobs

ROOT = Path(__file__).parents[1]

BARE = """
rule all:
    input: expand("{{dataset}}/{{angle}}/score", dataset=range(3), angle=range({angles}))
rule pretrain:
    output: "{{dataset}}/{{angle}}/pretrain"
    shell: "touch {{output}}"
rule finetune:
    input: "{{dataset}}/{{angle}}/pretrain"
    output: "{{dataset}}/{{angle}}/finetune"
    shell: "touch {{output}}"
rule saliency:
    input: "{{dataset}}/{{angle}}/finetune"
    output: "{{dataset}}/{{angle}}/saliency"
    shell: "touch {{output}}"
rule score:
    input: "{{dataset}}/{{angle}}/saliency"
    output: "{{dataset}}/{{angle}}/score"
    shell: "touch {{output}}"
"""


def dry_run(folder, *options):
    """Jobs, CPU and wall seconds and memory of planning all of a folder's workflow."""
    command = (sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all", "--cores", "2")
    start = time.perf_counter()
    with (folder / "said.txt").open("w+") as file:
        child = subprocess.Popen([*command, *options], cwd=folder, stdout=file, stderr=file)
        _, child.returncode, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        file.seek(0)
        said = subprocess.CompletedProcess(command, child.returncode, file.read(), "")
    return {
        "jobs": planned_jobs(said)["total"],
        "CPU s": used.ru_utime + used.ru_stime,
        "wall s": wall,
        "MB": used.ru_maxrss / 1024,
    }


def main():
    """Print a table."""
    angles = int(sys.argv[1]) if len(sys.argv) > 1 else 3600
    with tempfile.TemporaryDirectory() as folder:
        bare, ours = Path(folder, "bare"), copy_workflow(Path(folder, "ours")).folder
        bare.mkdir()
        (bare / "Snakefile").write_text(BARE.format(angles=angles))
        grid = [round(360 / angles * i, 1) for i in range(angles)]
        rows = [
            {"what": "a bare chain", **dry_run(bare)},
            {"what": "ours", **dry_run(ours, "--config", f"angles={grid}")},
        ]
    print(pd.DataFrame(rows).round(1).to_string(index=False))


if __name__ == "__main__":
    main()
