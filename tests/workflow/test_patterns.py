"""Response patterns from end to end: two encoders, two methods."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from snakemake_runs import planned_jobs

STUDY = {
    "datasets": {
        **dict.fromkeys(("mni152", "ihc", "retina", "gratings")),
        "noise": {"adapter": "folder", "path": "noise", "images": "*.png", "masks": None},
    },
    "angles": [0, 90, 180, 270],
    "encoders": ["test_resnet", "efficientnet_lite0"],
    "methods": ["moco", "simclr"],
    "image_size": 32,
    "pretrain": {"epochs": 1, "init": "random"},
    "saliency": {"samples": 1, "items": 1},
    "probe": {"perceptron": True, "widths": [16, 16], "epochs": 2},
    "analysis": {
        "bootstrap": 20,
        "permutations": 19,
        "questions": {
            **dict.fromkeys(("control", "training", "turning")),
            "patterns": {
                "sweep": ["diagonal"],
                "attribution": ["perceptron"],
                "series": ["excess"],
            },
        },
    },
}
CELL = "results/runs/noise/plain/test_resnet/moco/angle-090.0/seed-0/eval-090.0"


def write_pictures(folder):
    rng = np.random.default_rng(0)
    (folder / "noise").mkdir()
    for i in range(20):
        pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "noise" / f"{i}.png")


@pytest.fixture
def study(fresh):
    write_pictures(fresh.folder)
    (fresh.folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return fresh


def plan(project, *settings):
    dry = project.snakemake("--dry-run", *settings, configfile="study.yaml")
    return planned_jobs(dry)


def test_a_grid_of_curves_in_every_table_and_one_figure(study):
    study.snakemake("all", configfile="study.yaml")
    scores = pd.read_csv(study.folder / CELL / "perceptron.csv", comment="#")
    manifest = pd.read_csv(study.folder / "results/data/noise/manifest.csv", comment="#")
    tested = manifest[manifest["split"] == "test"]
    assert scores["item"].astype(str).tolist() == tested["id"].astype(str).tolist()
    assert scores["value"].isin([0, 0.5, 1]).all()

    tables = study.folder / "results/tables"
    dice = pd.read_csv(tables / "dice.csv")
    curves = dice[dice["attribution"] == "perceptron"]
    assert len(curves) == 2 * 2 * 4 and set(curves["metric"]) == {"perceptron_accuracy"}
    here = curves.query("dataset == 'noise' and encoder == 'test_resnet' and method == 'moco'")
    one = here[here["angle"] == 90].iloc[0]
    assert one["value"] == pytest.approx(scores["value"].mean(), abs=1e-5)
    assert one["chance"] == 0.5
    verdict = pd.read_csv(tables / "verdict.csv")
    assert set(verdict["question"]) == {"patterns"} and len(verdict) == 4
    for name in "oscillation", "noise", "periodogram", "peaks":
        assert "perceptron" in set(pd.read_csv(tables / f"{name}.csv")["attribution"]), name
    timed = pd.read_csv(tables / "benchmarks.csv")
    assert (timed["rule"] == "perceptron").sum() == 2 * 2 * 4
    assert "Perceptron, no map" in (study.folder / "results/explorer.html").read_text("utf-8")

    with Image.open(study.folder / "results/plots/patterns.png") as picture:
        assert picture.width == 7 * 150
        assert json.loads(picture.info["Description"])["rule"] == "plot_patterns"
    drawn = (study.folder / "results/plots/patterns.svg").read_text("utf-8")
    assert all(name in drawn for name in ("noise", "test_resnet", "simclr", "perceptron"))

    assert plan(study) == {}
    # of other settings nothing is made again but the perceptron, and what is made of it
    stages = {"data", "backbone", "pretrain", "saliency", "perceptron"}
    assert stages & plan(study, "--config", "probe={epochs: 3}").keys() == {"perceptron"}
    assert not stages & plan(study, "--config", "probe={perceptron: false}").keys()
    again = plan(study, "--config", "pretrain={epochs: 2}")
    assert again["perceptron"] == again["pretrain"] == 16

    # the same bytes, and with pictures that pre-training saw others are judged
    before = (study.folder / CELL / "perceptron.csv").read_bytes()
    target = f"{CELL}/perceptron.csv", "--force"
    study.snakemake(*target, configfile="study.yaml")
    assert (study.folder / CELL / "perceptron.csv").read_bytes() == before
    study.snakemake(*target, "--config", "probe={pictures: seen}", configfile="study.yaml")
    seen = pd.read_csv(study.folder / CELL / "perceptron.csv", comment="#")["item"].astype(str)
    trained = manifest[manifest["split"] == "train"]["id"].astype(str)
    assert seen.isin(trained).all() and len(seen) == round(0.2 * len(trained))


def test_without_a_perceptron_there_is_neither_table_nor_figure(study):
    asked = plan(study)
    assert asked["perceptron"] == asked["saliency"] == 16 and asked["plot_patterns"] == 1
    without = plan(study, "--config", "probe={perceptron: false}")
    assert not {"perceptron", "plot_patterns"} & without.keys()
    assert without["saliency"] == 16
