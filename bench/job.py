#!/usr/bin/env python3
"""One (data set, θ) from pre-training to scores, by the rules and by a plain script (plain.py).

Usage: python bench/job.py [FOLDER --images PATTERN --masks PATTERN] [--rounds N] [--threads N] …
Without a folder of pictures it takes the tiles of the data set `ihc`. Both run in turn, the rules
as `snakemake --cores 2`. The stored images and the backbone, which all θ share, are there before.
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
from pathlib import Path

import pandas as pd
import yaml
from PIL import Image
from snakemake.utils import update_config

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
        "angles": [30],
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

    scores = f"runs/pictures/plain/{chosen.encoder}/moco/angle-030.0/seed-0/eval-030.0/dice.csv"
    took = []
    for _ in range(chosen.rounds):
        for made in ("results/runs", "benchmarks"):
            shutil.rmtree(work / made, ignore_errors=True)
        wall, cpu, _ = run("-m", "snakemake", f"results/{scores}", *options)
        jobs = {
            path.stem: pd.read_csv(path, sep="\t").loc[0]
            for path in work.glob("benchmarks/runs/**/*.tsv")
        }
        # forks of `prefork` are no children of anything here: they say themselves what they took
        ours = {"wall": wall, "CPU": cpu + sum(job["cpu_time"] for job in jobs.values())}
        ours |= {rule: job["s"] for rule, job in jobs.items()}
        wall, cpu, said = run(
            ROOT / "bench/plain.py", work / "pictures.csv", work, work / "settings.yaml"
        )
        stages = {rule: float(s) for rule, s in re.findall(r"^(\w+): (\S+) s$", said, re.M)}
        took.append(pd.DataFrame({"rules": ours, "plain": {"wall": wall, "CPU": cpu, **stages}}))
        print(took[-1].round(1).to_string(), flush=True)
    ratios = pd.DataFrame([each["plain"] / each["rules"] for each in took])
    print(f"plain script / rules, median:\n{ratios.median().round(2).to_string()}")


if __name__ == "__main__":
    main()
