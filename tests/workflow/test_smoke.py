"""The smoke experiment end to end: files, tables and figures as documented."""

import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from snakemake_runs import planned_jobs, users_python

from thetascope.files import read_table

RUN = "results/runs/ihc/plain/efficientnet_lite0/moco/angle-{}/seed-0"
METRICS = {
    "dice_otsu",
    "dice_area",
    "dice_quantile",
    "auroc",
    "auprc",
    "relevance_mass",
    "pointing_game",
}


def read(project, name):
    return read_table(project.folder / name)


def test_every_documented_file_is_there(finished):
    for angle in ("000.0", "090.0", "180.0", "270.0", "none"):
        run = finished.folder / RUN.format(angle)
        names = {path.name for path in run.iterdir() if path.is_file()}
        assert names == {
            "pretrained.pt",
            "pretrain.csv",
            "features.npz",
            "finetuned.pt",
            "finetune.csv",
            "segmentation.csv",
        }
        evaluations = {path.name for path in run.glob("eval-*")}
        assert len(evaluations) == (4 if angle == "none" else 1)
    for name in ("dice", "peaks", "oscillation", "segmentation", "hog_svm", "benchmarks"):
        assert (finished.folder / f"results/tables/{name}.csv").stat().st_size
    figures = {path.name for path in (finished.folder / "results/plots").iterdir()}
    kinds = ("samples", "training", "oscillation", "supplement", "periodogram", "similarity")
    kinds += ("saliency",)
    assert figures >= {f"{kind}-ihc.{suffix}" for kind in kinds for suffix in ("svg", "png")}
    for name in figures:
        assert (finished.folder / f"results/plots/{name}").stat().st_size > 10_000


def test_a_figure_says_what_made_it(finished):
    with Image.open(finished.folder / "results/plots/oscillation-ihc.png") as picture:
        made_by = json.loads(picture.info["Description"])
    assert made_by["rule"] == "plot_oscillation" and len(made_by["params"]["code"]) == 16
    assert made_by["wildcards"] == {"dataset": "ihc"}


def test_any_angle_can_be_shown_as_pairs(finished):
    finished.snakemake("results/plots/pairs-ihc-090.0.png")
    with Image.open(finished.folder / "results/plots/pairs-ihc-090.0.png") as picture:
        assert len(np.unique(picture.convert("L"))) > 100


def test_the_archive_can_be_checked(finished, tmp_path):
    finished.snakemake("archive")
    shutil.unpack_archive(finished.folder / "results/archive.zip", tmp_path)
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    subprocess.run(check, cwd=tmp_path, check=True)
    settings = yaml.safe_load((tmp_path / "config.yaml").read_text("utf-8"))
    assert settings["pretrain"]["epochs"] == 2 and list(settings["datasets"]) == ["ihc"]
    for name in "verdict.md", "dice.csv", "dice.json":
        assert (tmp_path / "results/tables" / name).is_file()


def test_logs_and_benchmarks_mirror_the_runs(finished):
    run = RUN.format("090.0").removeprefix("results/")
    log = (finished.folder / "logs" / run / "pretrain.log").read_text()
    assert "epoch 1/" in log
    assert (finished.folder / "benchmarks" / run / "eval-090.0/saliency.tsv").exists()


def test_dice_table_is_complete_and_holds_what_stands_beside_a_score(finished):
    table = read(finished, "results/tables/dice.csv")
    keys = ["training", "angle", "eval_angle", "model", "input", "attribution", "metric"]
    assert not table.duplicated(keys).any()
    # 8 evaluations of 9 maps of 2 inputs, of which 6 have an equivariance, and of a probe; the
    # segmentations of 4 angles, by label and over labels; two similarities of 4 encoders with the
    # backbone, of 3 with that of θ = 0, of 4 with that of θ + 90
    assert len(table) == 8 * (9 * 2 * len(METRICS) + 6) + 8 + 2 * 4 + 2 * (4 + 3 + 4)
    others = {"probe_accuracy", "dice_class_1", "dice_macro", "cka", "cosine"}
    assert set(table["metric"]) == METRICS | {"equivariance"} | others
    own = (table["input"] == "rotated") & table["metric"].isin(METRICS)
    own &= table["attribution"] != "footprint"
    of_cut = ["own_cut", "turning", "turning_ci_low", "turning_ci_high"]
    assert table[of_cut].notna().eq(own, axis=0).all(axis=None)
    numbers = table.select_dtypes("number").drop(columns=["angle", *of_cut])
    assert numbers.notna().all(axis=None)
    for prefix, name in ("", "value"), ("excess_", "excess"), ("turning_", "turning"):
        low, high = table[f"{prefix}ci_low"], table[f"{prefix}ci_high"]
        assert (table[name].between(low, high) | table[name].isna()).all()
    for difference, other in ("excess", "chance"), ("turning", "own_cut"):
        expected = table["value"] - table[other]
        assert np.allclose(expected, table[difference], atol=1e-5, equal_nan=True)


def test_where_no_corner_is_cut_off_the_own_cut_is_the_score_of_x(finished):
    """At multiples of 90°, and the footprint is then all of the picture."""
    table = read(finished, "results/tables/dice.csv")
    keys = ["training", "angle", "eval_angle", "model", "attribution", "metric"]
    of_x = table[table["input"] == "original"].set_index(keys)["value"]
    cut = table.dropna(subset="own_cut").set_index(keys)["own_cut"]
    assert len(cut) == 8 * 8 * len(METRICS)
    assert cut.to_numpy() == pytest.approx(of_x[cut.index].to_numpy())
    # but that of the AUPRC, which rewards luck
    footprint = table[(table["attribution"] == "footprint") & (table["metric"] != "auprc")]
    assert np.allclose(footprint["value"], footprint["chance"], atol=1e-5)


def test_the_reliability_is_that_of_the_halves_of_all_evaluations(finished):
    table = read(finished, "results/tables/reliability.csv")
    kinds = table[["model", "input", "attribution"]].to_numpy().tolist()
    models, inputs = ("finetuned", "pretrained"), ("original", "rotated")
    assert kinds == [[m, i, "smoothgrad"] for m in models for i in inputs]
    files = list(finished.folder.glob("results/runs/**/saliency.npz"))
    arrays = [np.load(path) for path in files]
    assert (table["n_maps"] == 8 * 4).all() and (table["n_items"] == 4).all()
    for (model, input_, name), row in zip(kinds, table.to_dict("records"), strict=True):
        r = np.mean([a[f"{model}.{input_}.{name}.split_half"] for a in arrays])
        assert row["split_half"] == pytest.approx(r, abs=1e-5)
        assert row["reliability"] == pytest.approx(2 * r / (1 + r), abs=1e-5)
        shares = [a[f"predicted.{input_}"] for a in arrays]
        none = sum((share == 0).sum() for share in shares) if model == "finetuned" else 0
        assert row["n_no_foreground"] == none


def test_orientations_of_every_angle_meet_the_curves(finished):
    angles = [0, 90, 180, 270]
    likeness = read(finished, "results/tables/orientation.csv")
    assert likeness.groupby("histogram")["theta"].agg(list).tolist() == [angles] * 2
    assert likeness.loc[likeness["theta"] % 180 == 0, "value"].eq(1).all()
    shares = read(finished, "results/tables/orientation_histogram.csv")
    assert shares.groupby("histogram")["value"].sum().to_numpy() == pytest.approx([1, 1], abs=1e-4)
    svm = read(finished, "results/tables/hog_svm.csv")
    assert svm.groupby("hog_cell")["theta"].agg(list).to_dict() == {16: angles, 64: angles}
    assert svm.loc[svm["theta"] == 0, "accuracy"].eq(0.5).all()
    correlation = read(finished, "results/tables/orientation_correlation.csv")
    assert set(correlation["series"]) == {"value", "chance", "excess", "turning", "picture"}
    assert (correlation["permutations"] > 0).all()


def test_scores_follow_from_the_maps(finished):
    """Relevance mass of one row, recomputed from the saliency file by hand."""
    evaluation = finished.folder / RUN.format("090.0") / "eval-090.0"
    scores = pd.read_csv(evaluation / "dice.csv", comment="#")
    maps = np.load(evaluation / "saliency.npz")
    row = scores.query(
        "model == 'finetuned' and input == 'rotated' and attribution == 'smoothgrad' "
        "and metric == 'relevance_mass'"
    ).iloc[0]
    shown, mask = maps["valid.rotated"], (maps["masks"][0] > 0) & maps["valid.rotated"]
    for column, input_ in ("value", "rotated"), ("own_cut", "original"):
        saliency = maps[f"finetuned.{input_}.smoothgrad"][0] * shown
        assert row[column] == pytest.approx(saliency[mask].sum() / saliency.sum(), rel=1e-4)
    assert row["chance"] == pytest.approx(mask.sum() / shown.sum(), rel=1e-4)


def test_every_result_names_what_made_it(finished):
    run = finished.folder / RUN.format("090.0")
    with np.load(run / "eval-090.0/saliency.npz") as maps:
        records = [json.loads(str(maps["record"]))]
    names = [
        "pretrain.csv",
        "segmentation.csv",
        "eval-090.0/dice.csv",
        "eval-090.0/reliability.csv",
    ]
    for path in (run / name for name in names):
        records.append(json.loads(path.read_text().split("\n", 1)[0].removeprefix("# ")))
    for made_by in records:
        assert made_by["params"]["code"]
        assert made_by["wildcards"]["angle"] == "090.0"
        assert made_by["versions"]["numpy"]


def test_verify_makes_every_byte_again_and_finds_the_one_that_was_changed(finished, tmp_path):
    """In a second folder, with another number of cores."""
    project = finished.at(shutil.copytree(finished.folder, tmp_path / "project"))
    scores = project.folder / RUN.format("090.0") / "eval-090.0/dice.csv"
    last = scores.read_text().splitlines()[-1]
    place, value, beside = re.fullmatch(r"(.*),([^,]*),([^,]*,[^,]*)", last).groups()
    changed = f"{place},{float(value) + 0.25},{beside}"
    scores.write_text(scores.read_text().replace(last, changed))
    done = project.snakemake("verify", "--config", "angles=[90]", "verify=1", check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "9 of 10 files came out the same to the last bit" in said
    assert f"{scores.relative_to(project.folder)}: differs by up to 0.25" in said


def test_estimate_counts_what_has_run(finished):
    said = finished.snakemake("estimate").stdout
    table = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.strip()}
    assert table["pretrain"][:2] == ["5", "5"]
    assert table["saliency"][:2] == ["8", "8"]
    assert "hours are jobs with networks on CPUs in float32, 0.00 of them still to do" in said
    assert "not in these sums" not in said
    wider = finished.snakemake("estimate", "--config", "angles={start: 0, stop: 330, step: 30}")
    assert "12        4" in wider.stdout
    other = finished.snakemake("estimate", "--config", "pretrain={epochs: 3}")
    assert "5 jobs of which none has run with the present settings" in other.stdout


def test_plan_says_which_designs_would_do(finished):
    said = finished.snakemake("plan").stdout
    assert "To find a wave of 0.02 with probability 0.8" in said
    rows = [line.split() for line in said.splitlines() if line.split()[:1] == ["72"]]
    assert len(rows) == 6  # two questions, three numbers of test items
    assert all(len(row) == 6 and float(row[5]) > 0 for row in rows if row[5] != "–")


def test_the_full_factorial_has_its_table_and_figure(finished, tmp_path):
    """Evaluating the finished runs everywhere trains nothing again."""
    project = finished.at(shutil.copytree(finished.folder, tmp_path / "project"))
    every = ("--config", "eval_angles=all", "angles=[0, 90, 180, 270]")
    plan = planned_jobs(project.snakemake("--dry-run", *every))
    assert plan["saliency"] == 12
    assert "pretrain" not in plan
    assert plan["plot_factorial"] == 1


def test_all_controls_together_give_finite_tables(fresh):
    fresh.snakemake(
        "results/tables/dice.csv",
        "--config",
        "angles=[30, 45]",
        "views={plain: null, matched: {canvas: disc, matched: true}}",
        "pretrain={epochs: 1}",
        "finetune={epochs: 1}",
        "saliency={randomise: [20, 100], deletion: 3, items: 2, samples: 1}",
    )
    table = read(fresh, "results/tables/dice.csv")
    keys = ["training", "angle", "eval_angle", "model", "input", "attribution", "metric"]
    assert not table.duplicated(keys).any()
    suffixes = ("", "-random-20", "-random-100")
    networks = {f"{model}{s}" for model in ("pretrained", "finetuned") for s in suffixes}
    assert set(table["model"]) == networks | {"baseline"}
    rows = table.groupby("metric").size()
    maps = 2 * (2 * len(networks) + 5)  # angles × maps, with those of others
    assert (rows[sorted(METRICS)] == 2 * maps).all()
    assert rows["equivariance"] == 2 * (len(networks) + 4)  # neither of others nor the footprint's
    assert rows["similarity_rank"] == rows["similarity_ssim"] == 2 * 2 * 4
    assert rows["deletion"] == rows["insertion"] == 2 * 2 * 2  # of the intact models
    numbers = table.select_dtypes("number")
    of_cut = [name for name in numbers if name.startswith(("own_cut", "turning"))]
    assert "excess_ci_high" in numbers and len(of_cut) == 4
    assert np.isfinite(numbers.drop(columns=of_cut)).all(axis=None)
    cut = table["metric"].isin(METRICS) & (table["input"] == "rotated")
    cut &= table["attribution"] != "footprint"
    assert np.isfinite(numbers.loc[cut, of_cut]).all(axis=None)
    # the disc shows the same pixels at every θ
    chance = table[table["metric"] == "dice_area"].groupby("attribution")["chance"].agg(np.ptp)
    assert chance["smoothgrad"] < 1e-4


def test_all_this_runs_with_the_packages_of_requirements_txt_alone(fresh):
    """Of this environment, without what the tests need besides; `logging` asks for one of these."""
    names = {"pygments": True, "torch": True, "pytest": False, "thetascope": False}
    for name, there in names.items():
        command = [users_python(), "-E", "-c", f"import {name}"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode == 0) == there, (name, done.stderr)
    said = fresh.snakemake("--dry-run", "--config", "logging=tensorboard", check=False)
    assert "logging: tensorboard: needs the package tensorboard" in said.stdout + said.stderr
