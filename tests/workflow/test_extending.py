"""docs/extending.md, applied as it stands to a copy of the workflow."""

import json
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import yaml
from snakemake_runs import ROOT

from thetascope.files import read_csv

PAGE = (ROOT / "docs/extending.md").read_text("utf-8")


def section(title):
    return re.search(rf"^## {title}$(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def apply(project, title):
    """Write the section's files, apply its patches; return the arguments of its command."""
    text = section(title)
    for name, content in re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)^```$", text, re.M | re.S):
        (project.folder / name).write_text(content, "utf-8")
    for patch in blocks(text, "diff"):
        subprocess.run(["git", "apply"], input=patch, text=True, cwd=project.folder, check=True)
    commands = [shlex.split(line) for line in blocks(text, "bash")]
    return commands[0][1:] if commands else None


def test_an_image_set(fresh):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (12, 40, 50), dtype=np.uint8)
    masks = np.zeros((12, 40, 50), np.uint8)
    masks[1:, 10:30, 10:30] = 1  # the first picture has no foreground
    np.savez(fresh.folder / "cells.npz", images=images, masks=masks)
    fresh.snakemake(*apply(fresh, "An image set"), configfile=None)
    made = fresh.folder / "results/data/cells"
    size = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))["image_size"]
    assert np.load(made / "images.npy").shape == (11, 1, size, size)
    assert read_csv(made / "manifest.csv")["id"].tolist() == [f"{i:04}" for i in range(1, 12)]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [({}, "set `path`"), ({"images": np.zeros((1, 4, 4))}, "no array 'masks'")],
)
def test_its_errors_say_what_to_change(fresh, arrays, message):
    command = apply(fresh, "An image set")
    if arrays:
        np.savez(fresh.folder / "cells.npz", **arrays)
    done = fresh.snakemake(*command, configfile=None, check=False)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr.split("RuleException")[0]


def test_an_encoder(fresh):
    fresh.snakemake(*apply(fresh, "An encoder"), configfile=None)
    run = "results/runs/ihc/plain/resnet34/moco/angle-090.0/seed-0/eval-090.0/dice.csv"
    fresh.snakemake(run, "--config", "encoders=[resnet34]", "pretrain={init: random}")
    scores = read_csv(fresh.folder / run)
    assert scores["value"].notna().any()


def test_a_metric(fresh):
    """With the chance that a simulation of random maps gives, which hold the map's own values."""
    assert apply(fresh, "A metric") is None
    code = """
import json, numpy as np
from thetascope.saliency.metrics import METRICS, Scoring, score
from thetascope.saliency.scoring import chance, hits_by_rank
settings = Scoring(quantile=0.8, extra_metrics=[])
mask = np.zeros(64, bool)
mask[:24] = True
maps = mask * 3.0, 1.0 - mask
scores = [score(m, mask, settings)["soft_dice"] for m in maps]
rng = np.random.default_rng(0)
saliency = rng.exponential(size=64)
shuffled = (rng.permutation(saliency) for _ in range(999))
of_random = np.mean([score(m, mask, settings)["soft_dice"] for m in shuffled])
expected = chance(saliency, mask, hits_by_rank(rng.random((4, 64)), mask), 0.5, settings)
assert list(expected) == list(METRICS)
print(json.dumps([*scores, expected["soft_dice"] - of_random]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=fresh.folder,
        env={"PYTHONPATH": "workflow_scripts"},
        capture_output=True,
        text=True,
        check=True,
    )
    *scores, off = json.loads(done.stdout)
    assert scores == [1.0, 0.0] and abs(off) < 0.005


def test_a_baseline(fresh):
    (file, *_) = command = apply(fresh, "A baseline")
    fresh.snakemake(*command, configfile=None)
    scores = read_csv(fresh.folder / file)
    baselines = scores[scores["model"] == "baseline"]
    counts = baselines.groupby(["attribution", "input", "metric"])["value"].count()
    assert counts["brightness"].gt(0).all()
    assert counts["brightness"].index.equals(counts["sobel"].index)
