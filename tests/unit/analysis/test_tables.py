"""Means and intervals of every metric, and what training and jobs wrote."""

import logging

import numpy as np
import pandas as pd
import pytest
from factories import NAMES, intervals, of, score_rows

from thetascope.analysis import tables
from thetascope.analysis.bootstrap import bootstrap_means
from thetascope.analysis.scores import arrange
from thetascope.files import write_csv

KEYS = ["dataset", "view", "encoder", "method", "training", "angle", "eval_angle"]
KEYS += ["model", "input", "attribution", "metric"]
ANGLES = [0, 90, 360, ("none", 0), ("random", 0)]


def scores(items=8, seeds=1, angles=ANGLES, noise=0.1):
    """An offset per item, of which chance has half and the own cut a third, and noise."""
    rng = np.random.default_rng(0)
    offset = rng.normal(0, 0.1, items)
    value = 0.6 + offset + rng.normal(0, noise, (len(angles), seeds, items))
    chance, own_cut = (np.broadcast_to(0.5 + offset / n, value.shape) for n in (2, 3))
    rows = score_rows(angles, value, chance, own_cut, seeds=seeds, items=items)
    return rows.sample(frac=1, random_state=0)  # in no order


def table(rows, bootstrap=None):
    return tables.dice_table(arrange([rows]), bootstrap or intervals(500, 0.95))


# -- means and intervals ---------------------------------------------------------------------------


def test_dice_table_means_are_those_of_the_rows():
    rows = scores(seeds=3)
    result = table(rows)
    assert result["training"].tolist() == ["fixed"] * 3 + ["none", "random"]
    assert result["angle"].tolist() == pytest.approx([0, 90, 360, np.nan, np.nan], nan_ok=True)
    assert result["eval_angle"].tolist() == [0, 90, 360, 0, 0]
    measures = ["value", "chance", "own_cut"]
    expected = rows.groupby(["training", "angle"], dropna=False)[measures].mean()
    assert result[measures].to_numpy() == pytest.approx(expected.to_numpy())
    for difference, other in ("excess", "chance"), ("turning", "own_cut"):
        assert (result[difference] - (result["value"] - result[other])).abs().max() < 1e-12
    assert (result[["n_items", "n_seeds"]] == [8, 3]).all(axis=None)
    assert result[KEYS].equals(result[KEYS].sort_values(KEYS))


@pytest.mark.parametrize("confidence", [0.5, 0.9])
def test_value_excess_and_turning_have_intervals_of_their_own(confidence):
    """Skewed, so that low and high are no mirror of each other."""
    scales = np.reshape([0.2, 0.4, 0.6], (3, 1, 1, 1))
    value, chance, own_cut = np.random.default_rng(0).exponential(scales, (3, 1, 2, 9))
    bootstrap = intervals(200, confidence)
    row = table(score_rows([30], value, chance, own_cut, seeds=2, items=9), bootstrap).iloc[0]
    of_series = {"": value, "excess_": value - chance, "turning_": value - own_cut}
    for prefix, values in of_series.items():
        tails = (1 - confidence) / 2, (1 + confidence) / 2
        expected = np.quantile(bootstrap_means(values, bootstrap)[0], tails)
        assert row[[f"{prefix}ci_low", f"{prefix}ci_high"]].tolist() == pytest.approx(expected)


def test_interval_agrees_with_the_formula_for_a_mean():
    rows = scores(items=200, angles=[0])
    result = table(rows, intervals(4000, 0.9)).iloc[0]
    width = 2 * 1.6449 * rows["value"].std(ddof=0) / np.sqrt(200)
    assert result["ci_high"] - result["ci_low"] == pytest.approx(width, rel=0.06)
    middle = 2 * result["value"]
    assert result["ci_low"] + result["ci_high"] == pytest.approx(middle, abs=width / 10)


def test_interval_grows_when_seeds_differ():
    rows = scores(items=200, seeds=4, angles=[0])
    before = table(rows).iloc[0]
    rows["value"] += rows["seed"] * 0.2
    after = table(rows).iloc[0]
    # a mean over four equally likely seeds 0.2 apart has a standard deviation of 0.11
    width = 2 * 1.96 * 0.2 * np.sqrt(1.25 / 4)
    assert after["ci_high"] - after["ci_low"] == pytest.approx(width, rel=0.15)
    assert before["ci_high"] - before["ci_low"] < width / 4


def test_same_seed_same_table_whatever_the_order_of_rows():
    rows = scores(seeds=2)
    assert table(rows).equals(table(rows.sample(frac=1, random_state=1)))
    assert not table(rows).equals(table(rows, intervals(500, 0.95, seed=1)))


# -- what is missing -------------------------------------------------------------------------------


def test_items_without_score_are_left_out():
    rows = scores(items=6, angles=[0, 90])
    rows.loc[rows["item"].isin(["i0", "i4"]), ["value", "chance", "own_cut"]] = np.nan
    result = table(rows)
    expected = rows.dropna().groupby("angle")["value"].mean()
    assert result["value"].to_numpy() == pytest.approx(expected.to_numpy())
    assert (result["n_items"] == 4).all()
    assert result.notna().all(axis=None)


def test_an_angle_counts_the_seeds_and_items_that_it_has_itself():
    """As of staggered seeds, which have angles of their own."""
    rows = scores(seeds=3, angles=[0, 90]).query("angle == 0 or (seed > 0 and item < 'i5')")
    assert table(rows)[["n_items", "n_seeds"]].to_numpy().tolist() == [[8, 3], [5, 2]]


def test_chance_and_own_cut_are_averaged_over_the_items_that_have_a_score():
    rows = scores(items=6)
    rows.loc[rows["item"] == "i0", "value"] = np.nan  # as if chance were there without a value
    result = table(rows)
    for difference, other in ("excess", "chance"), ("turning", "own_cut"):
        assert (result["value"] - result[other] - result[difference]).abs().max() < 1e-12
        of_scored = rows.dropna(subset="value").query("angle == 90")[other].mean()
        assert of(result, angle=90)[other].item() == pytest.approx(of_scored)


@pytest.mark.filterwarnings("error")
def test_what_has_no_own_cut_has_neither_turning_nor_its_interval():
    rows = pd.concat([scores(), scores(angles=[0]).assign(own_cut=np.nan, input="original")])
    columns = ["own_cut", "turning", "turning_ci_low", "turning_ci_high"]
    result = table(rows)
    assert of(result, input="original")[columns].isna().all(axis=None)
    assert of(result, input="rotated").drop(columns="angle").notna().all(axis=None)
    assert result.drop(columns=["angle", *columns]).notna().all(axis=None)


def test_row_without_any_score_stays_and_is_reported(caplog):
    rows = scores(angles=[0, 90, 360])
    rows.loc[rows["angle"] == 90, "value"] = np.nan
    with caplog.at_level(logging.WARNING):
        result = table(rows).set_index("angle")
    assert "1 rows" in caplog.text and "90.0" in caplog.text
    assert result.loc[90, "n_items"] == 0
    assert (
        result.loc[90, ["value", "ci_low", "ci_high", "chance", "excess", "own_cut", "turning"]]
        .isna()
        .all()
    )
    assert result.drop(90).notna().all(axis=None)


# -- segmentation ----------------------------------------------------------------------------------


def test_segmentation_table():
    rows = scores(seeds=2, angles=[30, ("none", 0)]).rename(columns={"value": "dice"})
    rows = rows.drop(columns="own_cut")  # a segmentation has none
    both = pd.concat([rows.assign(label=1), rows.assign(label=2, dice=rows["dice"] / 2)])
    result = tables.segmentation_table(both, intervals(500))
    assert result["training"].tolist() == ["fixed", "fixed", "none", "none"]
    assert result["angle"].tolist() == pytest.approx([30, 30, np.nan, np.nan], nan_ok=True)
    assert result["label"].tolist() == [1, 2, 1, 2]
    expected = both.groupby(["training", "label"])[["dice", "chance"]].mean()
    assert result["value"].to_numpy() == pytest.approx(expected["dice"].to_numpy())
    assert result["chance"].to_numpy() == pytest.approx(expected["chance"].to_numpy())
    assert (result["ci_low"] < result["value"]).all()
    assert (result["value"] < result["ci_high"]).all()
    assert (result[["n_items", "n_seeds"]] == [8, 2]).all(axis=None)


# -- training and jobs -----------------------------------------------------------------------------


def test_training_of_all_stages_stands_in_one_table(tmp_path):
    arm = {column: NAMES[column] for column in ("dataset", "view", "encoder", "method")}
    runs = [arm | {"angle": angle, "seed": "3"} for angle in ("090.0", "none")]
    stages = {
        "pretrain": pd.DataFrame({"epoch": [1, 2], "loss": [5.0, 4], "top1": [0.1, 0.2]}),
        "finetune": pd.DataFrame({"epoch": [1], "loss": [0.5], "validation_dice": [0.6]}),
    }
    files = {}
    for stage, frame in stages.items():
        files[stage] = [tmp_path / f"{stage}-{run['angle']}.csv" for run in runs]
        for i, path in enumerate(files[stage]):
            write_csv(frame.assign(loss=frame["loss"] + i), path, {})
    merged = tables.training_table({stage: (paths, runs) for stage, paths in files.items()})
    first = [*arm, "training", "angle", "seed", "stage", "epoch"]
    assert list(merged)[: len(first)] == first
    assert len(merged) == 6 and merged["seed"].dtype == int
    tuned = of(merged, stage="finetune")
    assert tuned["loss"].tolist() == [0.5, 1.5] and tuned["top1"].isna().all()
    untrained = of(merged, training="none", angle=None, stage="pretrain")
    assert untrained["loss"].tolist() == [6, 5]
    bare = tables.training_table({"pretrain": (files["pretrain"], runs), "finetune": ([], [])})
    assert len(bare) == 4 and set(bare["stage"]) == {"pretrain"}
    assert "validation_dice" not in bare


def test_benchmarks_of_different_rules(tmp_path):
    header = "s\tcpu_time\tcpu_start\tmax_rss\n"
    (tmp_path / "a.tsv").write_text(header + "1.5\t1.2\t0.4\t120.5\n")
    (tmp_path / "b.tsv").write_text(header + "0.1\t0.1\t0\t90\n")
    wildcards = [
        {"rule": "pretrain", "dataset": "d", "angle": "030.0", "seed": "1"},
        {"rule": "data"},
    ]
    merged = tables.benchmarks_table([tmp_path / "a.tsv", tmp_path / "b.tsv"], wildcards)
    keys = ["rule", *KEYS[:7], "seed"]
    assert list(merged) == [*keys, *tables.TOOK]
    assert merged["rule"].tolist() == ["data", "pretrain"]
    assert merged["training"].isna().tolist() == [True, False]
    assert merged["angle"].tolist() == pytest.approx([np.nan, 30], nan_ok=True)
    assert merged["s"].tolist() == [0.1, 1.5] and merged["cpu_start"].tolist() == [0, 0.4]
    assert list(tables.benchmarks_table([], [])) == [*keys, *tables.TOOK]
