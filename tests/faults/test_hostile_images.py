"""An image set with all that can be wrong with pictures, in folders with the worst of names."""

import shutil

import numpy as np
import pytest
import yaml
from PIL import Image
from snakemake_runs import copy_workflow

from thetascope.files import read_csv, read_parquet, read_table

NAME = """it's a "study"; $(touch pwned) & `touch pwned` * θ"""  # Snakemake bears no braces here
RUN = "results/runs/odd/plain/efficientnet_lite0/moco/angle-090.0/seed-0"
SCORES = f"{RUN}/eval-090.0/dice.csv"
CONSTANT, EMPTY, FULL = ["05", "06", "07"], ["08"], ["09"]
IMAGES = 12


def write_images(folder):
    """Twelve pairs, nine of them without a meaning of one kind or another."""
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for name in (f"{i:02}" for i in range(IMAGES)):
        image, mask = rng.integers(256, size=(48, 48, 3)), np.zeros((48, 48))
        mask[8:30, 8 : 20 + int(name)] = 255
        if name in CONSTANT:
            image[:] = 20 * int(name)
        if name in EMPTY + FULL:
            mask[:] = 255 * (name in FULL)
        for part, pixels in ("images", image), ("masks", mask):
            Image.fromarray(pixels.astype(np.uint8)).save(folder / part / f"{name}.png")


def settings(images):
    odd = {"adapter": "folder", "path": str(images), "images": "images/*", "masks": "masks/*"}
    return {
        "datasets": {"mni152": None, "ihc": None, "retina": None, "gratings": None, "odd": odd},
        "angles": [0, 90],
        "image_size": 32,
        "split": {"train": 0.25, "validation": 0.25, "test": 0.5},
        "pretrain": {"epochs": 1},  # batches and queue of 32: more than the three training images
        "finetune": {"epochs": 1},
        "saliency": {"samples": 1, "items": IMAGES},
        "analysis": {"bootstrap": 20, "permutations": 19},
    }


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """The whole workflow on them, as many jobs at a time as fit."""
    folder = tmp_path_factory.mktemp("odd") / NAME
    write_images(folder / "{dataset} %s")
    project = copy_workflow(folder / "project")
    (project.folder / "odd.yaml").write_text(yaml.safe_dump(settings(folder / "{dataset} %s")))
    project.snakemake("--cores", "8", configfile="odd.yaml")
    return project


def test_names_are_only_names(odd):
    assert not list(odd.folder.parents[1].rglob("pwned"))


def test_what_has_no_meaning_has_no_score(odd):
    scores = read_csv(odd.folder / SCORES)
    manifest = read_csv(odd.folder / "results/data/odd/manifest.csv")
    tested = set(manifest.loc[manifest["split"] == "test", "id"])
    assert tested & set(CONSTANT) and tested & set(EMPTY + FULL)
    by_mask = scores[~scores["metric"].isin(["equivariance"])]
    undefined = by_mask["item"].isin(EMPTY + FULL)
    assert by_mask.loc[undefined, "value"].isna().all()
    # a constant picture has no edges
    edges = by_mask[by_mask["attribution"] == "sobel"]
    assert edges.loc[edges["item"].isin(CONSTANT), "value"].isna().all()
    sound = edges[~edges["item"].isin(CONSTANT + EMPTY + FULL)]
    assert len(sound) and sound["value"].notna().all()
    assert scores["value"].dropna().between(-1, 1).all()


def test_tables_say_how_many_items_had_a_score(odd):
    table = read_table(odd.folder / "results/tables/dice.csv")
    of_edges = table[(table["attribution"] == "sobel") & (table["metric"] == "auroc")]
    per_item = read_parquet(odd.folder / "results/tables/dice_per_item.parquet")
    edges = per_item[(per_item["attribution"] == "sobel") & (per_item["metric"] == "auroc")]
    keys = ["eval_angle", "input"]
    counts = edges.groupby(keys)["value"].count()
    assert of_edges.set_index(keys)["n_items"].to_dict() == counts.to_dict()
    assert (counts < edges.groupby(keys)["item"].nunique()).all()


def test_too_few_images_are_pointed_out(odd):
    log = (odd.folder / "logs" / RUN.removeprefix("results/") / "pretrain.log").read_text()
    assert "pretrain.queue_size: 32 is more than the 3 training images" in log
    epochs = read_csv(odd.folder / RUN / "pretrain.csv")
    assert np.isfinite(epochs.select_dtypes("number")).all(axis=None)


def test_one_job_at_a_time_gives_the_same_bytes(odd, tmp_path):
    alone = copy_workflow(tmp_path / "alone")
    (alone.folder / "odd.yaml").write_bytes((odd.folder / "odd.yaml").read_bytes())
    alone.snakemake("results/tables/dice_per_item.parquet", "--cores", "1", configfile="odd.yaml")
    files = [p for p in (alone.folder / "results").rglob("*") if p.is_file()]
    assert len(files) > 20
    for file in files:
        name = file.relative_to(alone.folder)
        assert file.read_bytes() == (odd.folder / name).read_bytes(), name


@pytest.mark.parametrize("stage", ["pretrain", "finetune"])
def test_a_model_that_diverges_stops_the_run_by_name(odd, tmp_path, stage):
    project = odd.at(shutil.copytree(odd.folder, tmp_path / "project"))
    change = f"{stage}={{lr: 1.0e+30, epochs: 3, batch_size: 2}}"
    done = project.snakemake(SCORES, "--config", change, configfile="odd.yaml", check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert f"{stage} (dataset=odd" in said and f"`{stage}.lr` (now 1e+30)" in said
    assert "Traceback" not in said
