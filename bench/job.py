#!/usr/bin/env python3
"""A sweep over θ from pre-training to scores, by the rules and by a plain script (plain.py).

Usage: python bench/job.py [FOLDER --images PATTERN --masks PATTERN] [--rounds N] [--threads N] …
Without a folder of pictures it takes the tiles of the data set `ihc`. Both run in turn, the rules
as `snakemake --cores 2`, once for each precision. The stored images and the backbone, which all θ
share, are there before.
"""

import argparse
import ctypes
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import yaml
from PIL import Image
from snakemake.utils import update_config

from thetascope.angles import label
from thetascope.datasets import options
from thetascope.files import read_csv

ROOT = Path(__file__).parents[1]

PR_SET_CHILD_SUBREAPER = 36  # of <linux/prctl.h>


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--images", default="images/*", help="pattern below the folder")
    parser.add_argument("--masks", default="masks/*", help="the same, for files of equal names")
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=5, help="of either training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--angles", type=int, default=1, help="how many, in equal steps")
    parser.add_argument("--precision", nargs="+", default=["float32"], help="of the rules")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def tiles(folder):
    """Write the pictures of the data set `ihc` as files."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for item in options.load_items("ihc", {}):
        name = f"{item.id}.png"
        Image.fromarray(item.image.transpose(1, 2, 0)).save(folder / "images" / name)
        Image.fromarray(item.mask * 255).save(folder / "masks" / name)
    return folder


def settings(chosen, folder):
    """Read the default experiment and change it as the command line says."""
    experiment = yaml.safe_load((ROOT / "config.yaml").read_text())
    experiment["datasets"] = {
        "pictures": {
            "adapter": "folder",
            "path": str(folder),
            "images": chosen.images,
            "masks": chosen.masks,
        }
    }
    length = {"epochs": chosen.epochs, "batch_size": chosen.batch}
    changes = {
        "angles": [360 / chosen.angles * i for i in range(chosen.angles)],
        "encoders": [chosen.encoder],
        "image_size": chosen.size,
        "device": "cpu",
        "threads": chosen.threads,
        "pretrain": {"init": "random", **length},
        "finetune": {"patience": chosen.epochs, **length},
    }
    update_config(experiment, changes)
    return experiment


def run(*command):
    """Run a command: wall seconds, CPU seconds of all that it starts, and its standard error."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    wall = time.monotonic() - begun
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    while True:
        try:
            os.wait()  # for what outlives it: the parent of forked jobs (`prefork`)
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, done.stderr


def main():
    """Run both in turn and print what they took."""
    chosen = arguments()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # what Snakemake leaves behind is our child
    work = Path(tempfile.mkdtemp())
    folder = chosen.folder.resolve() if chosen.folder else tiles(work)
    (work / "settings.yaml").write_text(yaml.safe_dump(settings(chosen, folder)))
    place = ("--snakefile", ROOT / "Snakefile", "--directory", work, "--cores", "2")
    options = (*place, "--configfile", work / "settings.yaml")
    images = "results/data/pictures/images.npy"
    run("-m", "snakemake", images, f"results/backbones/{chosen.encoder}-random.pt", *options)
    table = read_csv(work / "results/data/pictures/manifest.csv")
    masks = {path.stem: path for path in folder.glob(chosen.masks)}
    table["mask"], table["image"] = table["id"].map(masks), str(folder) + "/" + table["source"]
    table.to_csv(work / "pictures.csv")

    took = []
    for _ in range(chosen.rounds):
        seconds = {}
        for name in (*chosen.precision, "plain"):
            plain = name == "plain"
            of_name = by_plain_script(work) if plain else by_rules(work, chosen, name, options)
            seconds[name] = pd.Series(of_name)
            print(f"{name}:\n{seconds[name].round(1).to_string()}", flush=True)
        took.append(pd.DataFrame(seconds))
    ratios = pd.concat([each.rdiv(each["plain"], axis=0) for each in took], keys=range(len(took)))
    median = ratios.drop(columns="plain").groupby(level=1, sort=False).median()
    print(f"plain script / rules, median:\n{median.round(2).to_string()}")


def by_rules(work, chosen, precision, options):
    """Seconds of a sweep by the rules: all, CPU, and the sum of every rule."""
    for made in ("results/runs", "benchmarks"):
        shutil.rmtree(work / made, ignore_errors=True)
    of_sweep = f"results/runs/pictures/plain/{chosen.encoder}/moco"
    labels = [label(360 / chosen.angles * i) for i in range(chosen.angles)]
    scores = [f"{of_sweep}/angle-{angle}/seed-0/eval-{angle}/dice.csv" for angle in labels]
    wall, cpu, _ = run("-m", "snakemake", *scores, *options, "--config", f"precision={precision}")
    jobs = [
        pd.read_csv(path, sep="\t").assign(rule=path.stem)
        for path in work.glob("benchmarks/runs/**/*.tsv")
    ]
    jobs = pd.concat(jobs)
    # forks of `prefork` are no children of anything here: they say themselves what they took
    return {"wall": wall, "CPU": cpu + jobs["cpu_time"].sum(), **jobs.groupby("rule")["s"].sum()}


def by_plain_script(work):
    """Seconds of the same by the plain script."""
    files = work / "pictures.csv", work, work / "settings.yaml"
    wall, cpu, said = run(ROOT / "bench/plain.py", *files)
    stages = Counter()
    for rule, seconds in re.findall(r"^(\w+): (\S+) s$", said, re.M):
        stages[rule] += float(seconds)
    return {"wall": wall, "CPU": cpu, **stages}


if __name__ == "__main__":
    main()
