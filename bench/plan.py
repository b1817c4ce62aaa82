#!/usr/bin/env python3
"""What planning many angles takes: `all` of the default experiment, and chains as bare as can be.

Usage: PYTHONPATH=tests/workflow python bench/plan.py [ANGLES]. All have four rules per data set
and angle, of as many data sets. Those of the bare chain have one input, one output and nothing
else; those of the other one as many inputs and outputs as ours, and nothing else. Dry-runs in turn.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml
from snakemake_runs import copy_workflow, planned_jobs

ROOT = Path(__file__).parents[1]
OF_SET, OF_RUN = "{dataset}/", "{dataset}/{angle}/"

# rule: what it reads and what it writes
BARE = {
    "pretrain": ([], [OF_RUN + "pretrained"]),
    "finetune": ([OF_RUN + "pretrained"], [OF_RUN + "finetuned"]),
    "saliency": ([OF_RUN + "finetuned"], [OF_RUN + "maps"]),
    "score": ([OF_RUN + "maps"], [OF_RUN + "dice"]),
}
IMAGES, MASKS, MANIFEST = OF_SET + "images", OF_SET + "masks", OF_SET + "manifest"
AS_MANY_FILES = {
    "backbone": ([], ["backbone"]),
    "data": ([], [IMAGES, MASKS, MANIFEST]),
    "pretrain": (
        [IMAGES, MANIFEST, "backbone"],
        [OF_RUN + "pretrained", OF_RUN + "epochs", OF_RUN + "features"],
    ),
    "finetune": (
        [IMAGES, MASKS, MANIFEST, OF_RUN + "pretrained"],
        [OF_RUN + "finetuned", OF_RUN + "tuning", OF_RUN + "segmentation"],
    ),
    "saliency": (
        [IMAGES, MASKS, MANIFEST, OF_RUN + "pretrained", OF_RUN + "finetuned"],
        [OF_RUN + "maps", OF_RUN + "probe"],
    ),
    "score": ([OF_RUN + "maps", MANIFEST], [OF_RUN + "dice", OF_RUN + "reliability"]),
}
TABLES = ["dice"]
MANY_TABLES = ["epochs", "features", "tuning", "segmentation", "probe", "dice", "reliability"]


def chain(rules, tables, datasets, angles):
    """A Snakefile of these rules, with a rule that asks for the files that tables are made of."""
    wanted = f"file={tables}, dataset=range({datasets}), angle=range({angles})"
    lines = ["rule all:", f'    input: expand("{OF_RUN}{{file}}", {wanted})']
    for name, (given, made) in rules.items():
        lines += [f"rule {name}:"]
        lines += [f"    input: {str(given)[1:-1]}"] if given else []
        lines += [f"    output: {str(made)[1:-1]}", '    shell: "touch {output}"']
    return "\n".join(lines)


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
    datasets = len(yaml.safe_load((ROOT / "config.yaml").read_text())["datasets"])
    chains = {"bare": (BARE, TABLES), "as many files": (AS_MANY_FILES, MANY_TABLES)}
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for name, (rules, tables) in chains.items():
            here = Path(folder, name)
            here.mkdir()
            (here / "Snakefile").write_text(chain(rules, tables, datasets, angles))
            rows.append({"what": name, **dry_run(here)})
        ours = copy_workflow(Path(folder, "ours")).folder
        grid = [round(360 / angles * i, 1) for i in range(angles)]
        rows.append({"what": "ours", **dry_run(ours, "--config", f"angles={grid}")})
    print(pd.DataFrame(rows).round(1).to_string(index=False))


if __name__ == "__main__":
    main()
