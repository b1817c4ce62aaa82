import logging
from itertools import product

import numpy as np
import pandas as pd
import pytest

from thetascope.analysis import bootstrap, tables
from thetascope.analysis import scores as scores_
from thetascope.files import read_csv, read_parquet, write_csv, write_parquet

KEYS = ["dataset", "view", "encoder", "method", "angle", "eval_angle", "model", "orientation"]
KEYS += ["map", "metric"]
ANGLES = ["000.0", "090.0", "360.0", "none", "random"]


def scores(items=8, seeds=1, angles=ANGLES, noise=0.1):
    """One metric of one model at some angles: an offset per item, and noise."""
    rng = np.random.default_rng(0)
    offset = rng.normal(0, 0.1, items)
    rows = [
        {
            "dataset": "d",
            "view": "plain",
            "encoder": "e",
            "method": "moco",
            "angle": angle,
            "seed": str(seed),
            "eval_angle": angle if angle[0].isdigit() else "000.0",
            "item": f"i{item}",
            "case": f"c{item // 2}",
            "model": "pretrained",
            "orientation": "rotated",
            "map": "smoothgrad",
            "metric": "auroc",
            "value": 0.6 + offset[item] + rng.normal(0, noise),
            "null": 0.5 + offset[item] / 2,
        }
        for angle, seed, item in product(angles, range(seeds), range(items))
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)  # in no order


def table(rows, bootstrap=500, confidence=0.95, seed=0):
    return tables.dice_table(scores_.arrange([rows]), bootstrap, confidence, seed)


# -- merging ---------------------------------------------------------------------------------------


def test_per_item_joins_scores_and_wildcards(tmp_path):
    wildcards = [{"dataset": "d", "angle": a, "seed": 0} for a in ("090.0", "000.0")]
    for name, value in ("one.csv", 0.25), ("two.csv", 0.75):
        frame = pd.DataFrame({"item": ["007", "008"], "case": ["1", "1"], "value": value})
        write_csv(frame, tmp_path / name, {})
    merged = scores_.per_item([tmp_path / "one.csv", tmp_path / "two.csv"], wildcards)
    assert list(merged.columns) == ["dataset", "angle", "seed", "item", "case", "value"]
    assert merged["angle"].tolist() == ["000.0", "000.0", "090.0", "090.0"]
    assert merged["value"].tolist() == [0.75, 0.75, 0.25, 0.25]
    assert merged["item"].tolist() == ["007", "008"] * 2
    assert merged["seed"].tolist() == ["0"] * 4


def test_merged_parts_are_the_files_one_by_one(tmp_path, monkeypatch):
    rng, names, files = np.random.default_rng(0), [], []
    for i, angle in enumerate(["090.0", "000.0", "random"]):
        frame = pd.DataFrame(
            {"item": ["007", "a, b"], "metric": ["x", "y"], "value": rng.random(2)}
        )
        if i == 1:
            frame["value"] = np.nan  # the first part says nothing of the column's type
        write_csv(frame, tmp_path / angle, {})
        files.append(tmp_path / angle)
        names.append({"dataset": "d", "angle": angle})
    expected = pd.concat([read_csv(files[i]).assign(**names[i]) for i in (1, 0, 2)])
    for size in 0, 2**20:  # every file a part of its own, or one part
        monkeypatch.setattr(scores_, "PART_BYTES", size)
        parts = list(scores_.merge(files, names))
        assert len(parts) == (3 if size == 0 else 1)
        write_parquet(parts, tmp_path / "all.parquet", {"rule": "r"})
        merged = read_parquet(tmp_path / "all.parquet")
        assert merged.attrs == {"record": {"rule": "r"}}
        assert list(merged) == ["dataset", "angle", "item", "metric", "value"]
        for column in merged:
            assert merged[column].tolist() == pytest.approx(expected[column].tolist(), nan_ok=True)


def test_scores_do_not_depend_on_how_rows_come():
    rows = scores(seeds=2)
    (whole,), (pieces,) = (scores_.arrange(p) for p in ([rows], [rows[:1], rows[1:30], rows[30:]]))
    assert whole.cells == pieces.cells == sorted(whole.cells)
    assert np.array_equal(whole.value, pieces.value)
    cell, seed, item = whole.cells.index(("090.0", "090.0")), 1, 3
    asked = (rows["angle"] == "090.0") & (rows["seed"] == "1") & (rows["item"] == "i3")
    assert rows.loc[asked, "value"].item() == whole.value[cell, seed, item]
    assert rows.loc[asked, "null"].item() == whole.null[cell, seed, item]


def test_benchmarks_of_different_rules(tmp_path):
    header = "s\tcpu_time\tmax_rss\n"
    (tmp_path / "a.tsv").write_text(header + "1.5\t1.2\t120.5\n")
    (tmp_path / "b.tsv").write_text(header + "0.1\t0.1\t90\n")
    wildcards = [{"rule": "pretrain", "dataset": "d", "angle": "030.0"}, {"rule": "data"}]
    merged = tables.benchmarks_table([tmp_path / "a.tsv", tmp_path / "b.tsv"], wildcards)
    assert list(merged.columns) == ["rule", "dataset", "angle", "s", "cpu_time", "max_rss"]
    assert merged["rule"].tolist() == ["data", "pretrain"]
    assert merged["angle"].tolist() == ["", "030.0"]
    assert merged["s"].tolist() == [0.1, 1.5]
    assert list(tables.benchmarks_table([], [])) == ["rule", *tables.TOOK]


# -- means and intervals ---------------------------------------------------------------------------


def test_dice_table_means_are_those_of_the_rows():
    rows = scores(seeds=3)
    result = table(rows)
    assert result["angle"].tolist() == ANGLES  # numbers in order, words last
    expected = rows.groupby("angle")[["value", "null"]].mean()
    assert result["mean"].to_numpy() == pytest.approx(expected["value"].to_numpy())
    assert result["null_mean"].to_numpy() == pytest.approx(expected["null"].to_numpy())
    assert (result["excess_mean"] - (result["mean"] - result["null_mean"])).abs().max() < 1e-12
    assert (result[["n_items", "n_seeds"]] == [8, 3]).all(axis=None)
    assert result[KEYS].equals(result[KEYS].sort_values(KEYS))


def test_interval_agrees_with_the_formula_for_a_mean():
    rows = scores(items=200, angles=["000.0"])
    result = table(rows, bootstrap=4000, confidence=0.9).iloc[0]
    width = 2 * 1.6449 * rows["value"].std(ddof=0) / np.sqrt(200)
    assert result["ci_high"] - result["ci_low"] == pytest.approx(width, rel=0.06)
    assert result["ci_low"] + result["ci_high"] == pytest.approx(2 * result["mean"], abs=width / 10)


def test_interval_grows_when_seeds_differ():
    rows = scores(items=200, seeds=4, angles=["000.0"])
    before = table(rows).iloc[0]
    rows["value"] += rows["seed"].astype(int) * 0.2
    after = table(rows).iloc[0]
    # a mean over four equally likely seeds 0.2 apart has a standard deviation of 0.11
    width = 2 * 1.96 * 0.2 * np.sqrt(1.25 / 4)
    assert after["ci_high"] - after["ci_low"] == pytest.approx(width, rel=0.15)
    assert before["ci_high"] - before["ci_low"] < width / 4


def test_angles_are_paired():
    values = np.random.default_rng(0).normal(size=(1, 2, 9))
    draws = bootstrap.bootstrap_means(np.concatenate([values, values + 1]), 200, 0)
    assert draws[1] - draws[0] == pytest.approx(1.0)
    assert draws[0].std() > 0.1


def test_draws_are_means_of_items_drawn_with_replacement():
    # powers of a base above the number of items: each mean tells how often each item was drawn
    items = 4
    values = (float(items + 1) ** np.arange(items)).reshape(1, 1, items)
    sums = np.rint(bootstrap.bootstrap_means(values, 300, 0)[0] * items).astype(int)
    counts = sums[:, None] // (items + 1) ** np.arange(items) % (items + 1)
    assert (counts.sum(axis=1) == items).all()
    assert len(np.unique(counts, axis=0)) > 20
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.15)


def test_same_seed_same_table_whatever_the_order_of_rows():
    rows = scores(seeds=2)
    assert table(rows).equals(table(rows.sample(frac=1, random_state=1)))
    assert not table(rows).equals(table(rows, seed=1))


# -- what is missing -------------------------------------------------------------------------------


def test_items_without_score_are_left_out():
    rows = scores(items=6)
    rows.loc[rows["item"].isin(["i0", "i4"]), ["value", "null"]] = np.nan
    result = table(rows)
    expected = rows.dropna().groupby("angle")["value"].mean()
    assert result["mean"].to_numpy() == pytest.approx(expected.to_numpy())
    assert (result["n_items"] == 4).all()
    assert result.notna().all(axis=None)


def test_null_is_averaged_over_the_items_that_have_a_score():
    rows = scores(items=6)
    rows.loc[rows["item"] == "i0", "value"] = np.nan  # an all-zero map: a null, but no value
    result = table(rows)
    assert (result["mean"] - result["null_mean"] - result["excess_mean"]).abs().max() < 1e-12


def test_row_without_any_score_stays_and_is_reported(caplog):
    rows = scores()
    rows.loc[rows["angle"] == "090.0", "value"] = np.nan
    with caplog.at_level(logging.WARNING):
        result = table(rows).set_index("angle")
    assert "1 rows" in caplog.text and "090.0" in caplog.text
    assert result.loc["090.0", "n_items"] == 0
    assert result.loc["090.0", ["mean", "ci_low", "ci_high", "excess_mean"]].isna().all()
    assert result.drop("090.0").notna().all(axis=None)


def test_scores_that_are_there_twice_are_refused():
    rows = scores()
    with pytest.raises(ValueError, match="duplicate"):
        table(pd.concat([rows, rows.head(1)]))


# -- segmentation ----------------------------------------------------------------------------------


def test_segmentation_table():
    rows = scores(seeds=2, angles=["030.0", "none"]).rename(
        columns={"value": "dice", "null": "baseline"}
    )
    other = rows.assign(dice=rows["dice"] / 2)
    both = pd.concat([rows.assign(**{"class": 1}), other.assign(**{"class": 2})])
    result = tables.segmentation_table(both, 500, 0.95, 0)
    assert result["angle"].tolist() == ["030.0", "030.0", "none", "none"]
    assert result["class"].tolist() == [1, 2, 1, 2]
    expected = both.groupby(["angle", "class"])[["dice", "baseline"]].mean()
    assert result["mean"].to_numpy() == pytest.approx(expected["dice"].to_numpy())
    assert result["baseline_mean"].to_numpy() == pytest.approx(expected["baseline"].to_numpy())
    assert (result["ci_low"] < result["mean"]).all() and (result["mean"] < result["ci_high"]).all()
    assert (result[["n_items", "n_seeds"]] == [8, 2]).all(axis=None)
