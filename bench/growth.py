#!/usr/bin/env python3
"""How long the tables of a large study take, and how much memory: 43,200 runs of 75 items each.

Usage: python bench/growth.py FOLDER. Writes what the rules write for 3 data sets × 3,600 angles × 4
seeds (random numbers; seven metrics of one map; 3 GB), then runs the scripts of the rules that make
tables of it, each in a process of its own. Given again, it finds the files in the same folder.
"""

import os
import runpy
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import yaml

from thetascope.analysis.scores import MEASURES
from thetascope.analysis.settings import Analysis
from thetascope.angles import label
from thetascope.files import write_csv
from thetascope.saliency.metrics import METRICS
from thetascope.saliency.scoring import COLUMNS

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow_scripts"

ITEMS, EPOCHS, PATTERNS = 75, 5, 360
ARM = {"view": "plain", "encoder": "resnet18", "method": "moco"}
MAP = {"model": "finetuned", "input": "rotated", "attribution": "smoothgrad"}
RUNS = [
    {"dataset": dataset, **ARM, "angle": label(tenth / 10), "seed": seed}
    for dataset in ("brats", "kvasir_seg", "lung_mask")
    for tenth in range(3600)
    for seed in range(4)
]
FILES = ("dice.csv", "reliability.csv", "probe.csv", "segmentation.csv")
FILES += ("pretrain.csv", "finetune.csv")
PER_ITEM = "dice_per_item.parquet"


def table(name):
    """A table and what made it, as the rules have them among their outputs."""
    return [f"{name}.csv", f"{name}.json"]


# script: its input and output by name, in the order in which they need each other
RULES = {
    "dice_per_item": (
        {"maps": "dice.csv", "probes": "probe.csv", "segmentations": "segmentation.csv"},
        {"": [PER_ITEM]},
    ),
    "dice_table": ({"": PER_ITEM}, {"": table("dice")}),
    "oscillation_tables": (
        {"": PER_ITEM},
        {n: table(n) for n in ("oscillation", "levels", "peaks")},
    ),
    "comparison_tables": (
        {"scores": PER_ITEM, "oscillation": "oscillation.csv"},
        {
            n: table(n)
            for n in ("contrasts", "phases", "pooled", "metrics", "questions", "signatures")
        },
    ),
    "periodicity_tables": (
        {"": PER_ITEM},
        {n: table(n) for n in ("noise", "periodogram", "downstream")},
    ),
    "segmentation_table": ({"": "segmentation.csv"}, {"": table("segmentation")}),
    "reliability_table": ({"": "reliability.csv"}, {"": table("reliability")}),
    "training_table": (
        {"pretrain": "pretrain.csv", "finetune": "finetune.csv"},
        {"": ["training.parquet"]},
    ),
}


class Files(list):
    """Paths in one row, and by name, as Snakemake hands them to scripts."""

    def __init__(self, names):
        groups = {k: v if isinstance(v, list) else [v] for k, v in names.items()}
        super().__init__(path for group in groups.values() for path in group)
        self.names = names
        self.__dict__.update(names)

    def __getitem__(self, key):
        """By number or by name."""
        return self.names[key] if isinstance(key, str) else super().__getitem__(key)


def draw(rng, frame, *columns):
    """The frame with these columns, random."""
    return frame.assign(**{column: rng.random(len(frame)) for column in columns})


def tables_of_a_run(rng):
    """Tables of one run by the name of their file."""
    names = {"item": [f"item-{i:03d}" for i in range(ITEMS)], "case": range(ITEMS)}
    items = pd.DataFrame(names).astype(str)
    turned = {"pre_rotation": np.nan}
    maps = items.merge(pd.DataFrame({**MAP, "metric": METRICS}), "cross").assign(**turned)
    probe = {"model": "pretrained", "input": "pair", "attribution": "probe", **turned}
    epochs = pd.DataFrame({"epoch": range(1, EPOCHS + 1)})
    found = (
        draw(rng, maps, *MEASURES)[COLUMNS],
        draw(rng, items.assign(**MAP), "split_half", "predicted"),
        draw(rng, items.assign(**probe, metric="probe_accuracy"), *MEASURES[:2])
        .assign(own_cut=np.nan)
        .reindex(columns=COLUMNS),
        draw(rng, items.assign(label=1), "dice", "chance"),
        draw(rng, epochs, "lr", "loss", "top1", "positive", "negative", "own_key_share", "spread"),
        draw(rng, epochs, "loss", "validation_dice").assign(best=epochs["epoch"] == 1),
    )
    return dict(zip(FILES, found, strict=True))


def generate(folder):
    """Write every run's files; of each data set 360 runs differ, the others are copies of them."""
    rng = np.random.default_rng(0)
    originals = {}
    for i, run in enumerate(RUNS):
        here, pattern = folder / str(i), (run["dataset"], i % PATTERNS)
        if pattern in originals:
            shutil.copytree(originals[pattern], here)
        else:
            originals[pattern] = here
            for name, table in tables_of_a_run(rng).items():
                made_by = {"rule": name, "wildcards": run, "params": {"code": "0" * 16}}
                write_csv(table, here / name, made_by)


def run_script(folder, rule):
    """Run a rule's script on the files of all runs."""
    given, made = RULES[rule]
    results = folder / "tables"

    def find(name):
        if name in (PER_ITEM, "oscillation.csv"):
            return str(results / name)
        return [f"{folder}/runs/{i}/{name}" for i in range(len(RUNS))]

    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    analysis = config["analysis"]
    evaluations = [{**run, "eval_angle": run["angle"]} for run in RUNS]
    wildcards = evaluations if rule == "reliability_table" else RUNS
    params = {
        **{"analysis": analysis, "code": "0" * 16, "views": config["views"]},
        "intervals": asdict(Analysis(**analysis).intervals),
        "datasets": {run["dataset"]: {} for run in RUNS},
    }
    if PER_ITEM not in given.values():  # these ask for no runs
        params |= {"runs": RUNS, "wildcards": wildcards, "evaluations": evaluations}
        params |= {"scored": evaluations, "perceptrons": [], "tuned": RUNS}
    files = {name: find(file) for name, file in given.items()}
    files["perceptrons"] = []
    files["similarities"] = params["arms"] = []  # of arms and not of runs: left out
    snakemake = SimpleNamespace(
        rule=rule,
        wildcards={},
        config=config,
        input=Files(files),
        output=Files({name: [str(results / f) for f in files] for name, files in made.items()}),
        params=type("Params", (dict,), {"__getattr__": dict.__getitem__})(params),
        log=[str(results / f"{rule}.log")],
    )
    runpy.run_path(str(SCRIPTS / f"{rule}.py"), {"snakemake": snakemake})


def main():
    """Print seconds and memory of every rule."""
    folder = Path(sys.argv[1])
    if len(sys.argv) > 2:
        return run_script(folder, sys.argv[2])
    if not (folder / "runs").exists():
        generate(folder / "runs")
    rows = []
    for rule in RULES:
        start = time.perf_counter()
        child = os.spawnl(os.P_NOWAIT, sys.executable, "python", __file__, str(folder), rule)
        _, status, used = os.wait4(child, 0)
        if status:
            sys.exit(f"{rule} failed")
        wall, cpu = time.perf_counter() - start, used.ru_utime + used.ru_stime
        rows.append({"rule": rule, "wall s": wall, "CPU s": cpu, "MB": used.ru_maxrss / 1024})
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    print(table.round(1).to_string(index=False), f"\nsum {table['wall s'].sum():.1f} s", sep="")


if __name__ == "__main__":
    main()
