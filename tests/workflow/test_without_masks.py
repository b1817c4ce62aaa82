"""A whole study of an image set that has no masks."""

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from thetascope.files import read_npz

QUESTION = {"sweep": ["diagonal"], "attribution": ["probe"], "series": ["excess"]}
STUDY = {
    "datasets": {
        **dict.fromkeys(("mni152", "ihc", "retina", "gratings")),
        "bare": {"adapter": "folder", "path": "bare", "images": "*.png", "masks": None},
    },
    "angles": [0, 90, 180, 270],
    "image_size": 32,
    "pretrain": {"epochs": 1},
    "saliency": {"samples": 1, "items": 2, "unaligned": True},
    "analysis": {
        "bootstrap": 20,
        "permutations": 19,
        "questions": {"control": None, "training": None, "turning": None, "probe": QUESTION},
    },
}
RUN = "results/runs/bare/plain/efficientnet_lite0/moco/angle-090.0/seed-0"


def test_a_set_without_masks_has_probes_maps_and_a_verdict(fresh):
    rng = np.random.default_rng(0)
    (fresh.folder / "bare").mkdir()
    for i in range(24):
        pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(fresh.folder / "bare" / f"{i}.png")
    study = fresh.folder / "bare.yaml"
    study.write_text(yaml.safe_dump(STUDY))
    fresh.snakemake("all", "results/plots/pairs-bare-090.0.svg", configfile="bare.yaml")

    tables = fresh.folder / "results/tables"
    dice = pd.read_csv(tables / "dice.csv")
    probes = dice[dice["attribution"] == "probe"]
    assert len(probes) == 4 and dice["attribution"].str.match("probe|similarity_").all()
    assert pd.read_csv(tables / "reliability.csv").empty
    assert not (tables / "segmentation.csv").exists()
    verdict = pd.read_csv(tables / "verdict.csv")
    assert verdict[["question", "metric"]].to_numpy().tolist() == [["probe", "probe_accuracy"]]
    said = (tables / "verdict.md").read_text()
    (line,) = (line for line in said.splitlines() if "pretrained, pair, probe_accuracy" in line)
    assert "tells pairs apart" in line and "foreground" not in line
    training = pd.read_parquet(tables / "training.parquet")
    assert set(training["stage"]) == {"pretrain"}

    maps = read_npz(fresh.folder / RUN / "eval-090.0/saliency.npz")
    models = {key.split(".")[0] for key in maps if key.count(".") == 2}
    assert models == {"pretrained", "baseline"}
    assert maps["pretrained.original.smoothgrad"].shape == (2, 32, 32)
    plots = {path.stem for path in (fresh.folder / "results/plots").glob("*.svg")}
    kinds = "samples", "training", "probe", "similarity", "orientation"
    assert plots == {
        *(f"{kind}-bare" for kind in kinds),
        "pairs-bare-090.0",
        "forest",
        "specification",
    }
    fresh.snakemake("--report", "report.html", configfile="bare.yaml")
    report = (fresh.folder / "report.html").read_text()
    assert "The image sets have no masks." in report and "U-Net" not in report
    again = fresh.snakemake("all", "--dry-run", configfile="bare.yaml")
    assert "Nothing to be done" in again.stdout + again.stderr
