#!/usr/bin/env python3
"""How long the tables of a large study take, and how much memory: 43,200 runs of 75 items each.

Usage: python bench/growth.py FOLDER. Writes what the rules write for 3 data sets × 3,600 angles × 4
seeds (random numbers; seven metrics of one map and of that of other cases), then runs the scripts
of the rules that make tables of it, each in a process of its own. Given again, it finds the files
in the same folder.
"""

import os
import runpy
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
from thetascope.analysis.tables import TOOK
from thetascope.angles import label
from thetascope.files import write_csv, write_npz
from thetascope.saliency.metrics import METRICS
from thetascope.saliency.scoring import COLUMNS
from thetascope.vocabulary import OTHERS

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow_scripts"

ITEMS, EPOCHS, PATTERNS = 75, 5, 360
ARM = {"view": "plain", "encoder": "resnet18", "method": "moco"}
MAP = {"model": "finetuned", "input": "rotated", "attribution": "smoothgrad"}
DATASETS = ("brats", "kvasir_seg", "lung_mask")
RUNS = [
    {"dataset": dataset, **ARM, "angle": label(tenth / 10), "seed": seed}
    for dataset in DATASETS
    for tenth in range(3600)
    for seed in range(4)
]
FILES = ("dice.csv", "reliability.csv", "probe.csv", "segmentation.csv")
FILES += ("pretrain.csv", "finetune.csv")
PER_ITEM = "dice_per_item.parquet"
OF_VERDICT = ("oscillation", "levels", "noise", "contrasts", "phases", "questions")
FEATURES = 1280  # of EfficientNet-Lite0
STAGES = ("pretrain", "finetune", "saliency", "score")
OF_JOB = "{dataset}/{angle}/{seed}"


def table(name):
    """A table and what made it, as the rules have them among their outputs."""
    return [f"{name}.csv", f"{name}.json"]


# script: its input and output by name, in the order in which they need each other
RULES = {
    # of one arm: a job for each of the three
    "similarity": (
        {"features": "features.npz", "manifest": "manifest.csv"},
        {"": ["{dataset}.parquet"]},
    ),
    "dice_per_item": (
        {
            **{"maps": "dice.csv", "probes": "probe.csv", "segmentations": "segmentation.csv"},
            "similarities": [f"{dataset}.parquet" for dataset in DATASETS],
        },
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
    "benchmarks_table": ({"": PER_ITEM}, {"": table("benchmarks")}),
    "verdict": (
        {n: f"{n}.csv" for n in (*OF_VERDICT, "reliability", "benchmarks")},
        {"table": table("verdict"), "page": "verdict.md"},
    ),
}


class Files(list):
    """Paths in one row, and by name, as Snakemake hands them to scripts."""

    def __init__(self, names):
        groups = {k: v if isinstance(v, list) else [v] for k, v in names.items()}
        super().__init__(path for group in groups.values() for path in group)
        self.names = names
        self.__dict__.update(names)

    def items(self):
        """Names and what has them."""
        return self.names.items()

    def __getitem__(self, key):
        """By number or by name."""
        return self.names[key] if isinstance(key, str) else super().__getitem__(key)


def under(folder, names):
    """A name, or each of several, in this folder."""
    return [str(folder / n) for n in names] if isinstance(names, list) else str(folder / names)


def draw(rng, frame, *columns):
    """The frame with these columns, random."""
    return frame.assign(**{column: rng.random(len(frame)) for column in columns})


def tables_of_a_run(rng):
    """Tables of one run by the name of their file."""
    names = {"item": [f"item-{i:03d}" for i in range(ITEMS)], "case": range(ITEMS)}
    items = pd.DataFrame(names).astype(str)
    turned = {"pre_rotation": np.nan}
    kinds = pd.DataFrame({**MAP, "metric": METRICS})
    kinds = pd.concat([kinds, kinds.assign(attribution=OTHERS)])
    maps = items.merge(kinds, "cross").assign(**turned)
    probe = {"model": "pretrained", "input": "pair", "attribution": "probe", **turned}
    epochs = pd.DataFrame({"epoch": range(1, EPOCHS + 1)})
    found = (
        draw(rng, maps, *MEASURES)[COLUMNS],
        draw(rng, items.assign(**MAP), "split_half", "sameness", "mask_sameness", "predicted"),
        draw(rng, items.assign(**probe, metric="probe_accuracy"), *MEASURES[:2])
        .assign(own_cut=np.nan)
        .reindex(columns=COLUMNS),
        draw(rng, items.assign(label=1), "dice", "chance"),
        draw(rng, epochs, "lr", "loss", "top1", "positive", "negative", "own_key_share", "spread"),
        draw(rng, epochs, "loss", "validation_dice").assign(best=epochs["epoch"] == 1),
    )
    return dict(zip(FILES, found, strict=True))


def generate(folder):
    """Write every run's files; of each data set 360 runs differ, the others have the same files."""
    rng = np.random.default_rng(0)
    originals = {}
    items = [f"item-{i:03d}" for i in range(ITEMS)]
    write_csv(pd.DataFrame({"id": items, "case": items}), folder / "manifest.csv", {})
    took = "\t".join([*TOOK, "bytes"]) + "\n12.31\t11.20\t0.02\t598.82\t13750451.00\n"
    for i, run in enumerate(RUNS):
        here, pattern = folder / str(i), (run["dataset"], i % PATTERNS)
        here.mkdir()
        if pattern not in originals:
            originals[pattern] = here
            for name, table in tables_of_a_run(rng).items():
                made_by = {"rule": name, "wildcards": run, "params": {"code": "0" * 16}}
                write_csv(table, here / name, made_by)
            features = rng.random((2, ITEMS, FEATURES), dtype=np.float32)
            arrays = {"items": np.arange(ITEMS), "encoder": features[0], "backbone": features[1]}
            write_npz(here / "features.npz", {}, **arrays)
            (here / "took.tsv").write_text(took)
        else:
            for original in originals[pattern].iterdir():
                (here / original.name).hardlink_to(original)
        job = folder.parent / "benchmarks" / OF_JOB.format(**run)
        job.mkdir(parents=True)
        for rule in STAGES:
            (job / f"{rule}.tsv").hardlink_to(originals[pattern] / "took.tsv")


def run_script(folder, rule, dataset=None):
    """Run a rule's script on the files of all runs, or of those of an image set."""
    given, made = RULES[rule]
    results = folder / "tables"
    numbers = [i for i, run in enumerate(RUNS) if dataset in (None, run["dataset"])]

    def find(name):
        if isinstance(name, list):
            return under(results, name)
        if name == "manifest.csv":
            return f"{folder}/runs/{name}"
        if name == PER_ITEM or rule in ("comparison_tables", "verdict"):
            return str(results / name)
        return [f"{folder}/runs/{i}/{name}" for i in numbers]

    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    analysis = config["analysis"]
    evaluations = [{**run, "eval_angle": run["angle"]} for run in RUNS]
    wildcards = evaluations if rule == "reliability_table" else RUNS
    params = {
        **{"analysis": analysis, "code": "0" * 16, "views": config["views"]},
        "intervals": asdict(Analysis(**analysis).intervals),
        "datasets": {run["dataset"]: {} for run in RUNS},
    }
    if rule == "similarity":
        params["runs"] = [(RUNS[i]["angle"], RUNS[i]["seed"]) for i in numbers]
        made = {"": [file.format(dataset=dataset) for file in made[""]]}
    elif rule == "benchmarks_table":
        params["stages"] = [(stage, OF_JOB, [], RUNS) for stage in STAGES]
    elif PER_ITEM not in given.values():  # these ask for no runs
        params |= {"runs": RUNS, "wildcards": wildcards, "evaluations": evaluations}
        params |= {"scored": evaluations, "perceptrons": [], "tuned": RUNS}
    files = {name: find(file) for name, file in given.items()}
    if rule == "dice_per_item":
        files["perceptrons"] = []
    snakemake = SimpleNamespace(
        rule=rule,
        wildcards={**ARM, "dataset": dataset},
        config=config,
        input=Files(files),
        output=Files({name: under(results, files) for name, files in made.items()}),
        params=type("Params", (dict,), {"__getattr__": dict.__getitem__})(params),
        log=[str(results / f"{rule}.log")],
    )
    os.chdir(folder)  # where jobs leave what they took
    runpy.run_path(str(SCRIPTS / f"{rule}.py"), {"snakemake": snakemake})


def main():
    """Print seconds and memory of every rule."""
    folder = Path(sys.argv[1]).resolve()
    if len(sys.argv) > 2:
        return run_script(folder, *sys.argv[2:])
    if not (folder / "runs").exists():
        generate(folder / "runs")
    rows = []
    jobs = [["similarity", dataset] for dataset in DATASETS]
    for job in [*jobs, *([rule] for rule in RULES if rule != "similarity")]:
        start = time.perf_counter()
        command = [sys.executable, __file__, str(folder), *job]
        child = os.spawnv(os.P_NOWAIT, sys.executable, command)
        _, status, used = os.wait4(child, 0)
        if status:
            sys.exit(f"{job} failed")
        wall, cpu = time.perf_counter() - start, used.ru_utime + used.ru_stime
        rows.append(
            {"rule": " ".join(job), "wall s": wall, "CPU s": cpu, "MB": used.ru_maxrss / 1024}
        )
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    print(table.round(1).to_string(index=False), f"\nsum {table['wall s'].sum():.1f} s", sep="")


if __name__ == "__main__":
    main()
