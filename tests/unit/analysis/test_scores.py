"""Scores per item: merged, and arranged."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from factories import NAMES, REGULAR, score_rows

from thetascope.analysis import scores as scores_
from thetascope.analysis.scores import arrange, by_arm, read_scores, segmentation_scores, typed
from thetascope.files import (
    DamagedError,
    read_csv,
    read_parquet,
    stream_parquet,
    write_csv,
    write_parquet,
)
from thetascope.vocabulary import ARM

ANGLES = [0, 90, 360, ("none", 0), ("random", 0)]


# -- merging ---------------------------------------------------------------------------------------


def test_per_item_joins_scores_and_wildcards(tmp_path):
    wildcards = [{"dataset": "d", "angle": a, "seed": "0"} for a in ("090.0", "000.0")]
    for name, value in ("one.csv", 0.25), ("two.csv", 0.75):
        frame = pd.DataFrame({"item": ["007", "008"], "case": ["1", "1"], "value": value})
        write_csv(frame, tmp_path / name, {})
    merged = scores_.per_item([tmp_path / "one.csv", tmp_path / "two.csv"], wildcards)
    assert list(merged) == ["dataset", "training", "angle", "seed", "item", "case", "value"]
    assert merged["training"].tolist() == ["fixed"] * 4
    assert merged["angle"].tolist() == [0, 0, 90, 90] and merged["angle"].dtype == float
    assert merged["seed"].tolist() == [0] * 4 and merged["seed"].dtype == int
    assert merged["value"].tolist() == [0.75, 0.75, 0.25, 0.25]
    assert merged["item"].tolist() == ["007", "008"] * 2


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
    expected = pd.concat([read_csv(files[i]) for i in (1, 0, 2)])
    for size in 0, 2**20:  # every file a part of its own, or one part
        monkeypatch.setattr(scores_, "PART_BYTES", size)
        parts = list(scores_.merge(files, names))
        assert len(parts) == (3 if size == 0 else 1)
        write_parquet(parts, tmp_path / "all.parquet", {"rule": "r"})
        merged = read_parquet(tmp_path / "all.parquet")
        assert merged.attrs == {"record": {"rule": "r"}}
        assert list(merged) == ["dataset", "training", "angle", "item", "metric", "value"]
        assert merged["training"].tolist() == ["fixed"] * 4 + ["random"] * 2
        assert merged["angle"].tolist() == pytest.approx([0, 0, 90, 90, *[np.nan] * 2], nan_ok=True)
        for column in expected:
            assert merged[column].tolist() == pytest.approx(expected[column].tolist(), nan_ok=True)


def test_wildcards_become_columns_of_their_types():
    found = typed("angle", ["030.0", "none", "360.0", "random"])
    assert found == {
        "training": ["fixed", "none", "fixed", "random"],
        "angle": [30.0, None, 360.0, None],
    }
    assert typed("eval_angle", ["000.0", "090.5"]) == {"eval_angle": [0.0, 90.5]}
    assert typed("seed", ["0", "12"]) == {"seed": [0, 12]}
    assert typed("dataset", ["007", "NA"]) == {"dataset": ["007", "NA"]}


# -- arranging -------------------------------------------------------------------------------------


def test_scores_lie_where_their_row_says_whatever_the_order():
    rng = np.random.default_rng(0)
    value, chance, own_cut = rng.uniform(size=(3, 5, 2, 8))
    rows = score_rows(ANGLES, value, chance, own_cut, seeds=2, items=8)
    rows = rows.sample(frac=1, random_state=0)
    (whole,), (pieces,) = (arrange(p) for p in ([rows], [rows[:1], rows[1:30], rows[30:]]))
    assert whole.key == NAMES
    # in the order of their names; None stands for what has no angle
    assert whole.cells == pieces.cells
    assert whole.cells == [
        ("fixed", 0, 0),
        ("fixed", 90, 90),
        ("fixed", 360, 360),
        ("none", None, 0),
        ("random", None, 0),
    ]
    assert whole.value.tolist() == pieces.value.tolist() == value.tolist()
    assert whole.chance.tolist() == pieces.chance.tolist() == chance.tolist()
    assert whole.own_cut.tolist() == pieces.own_cut.tolist() == own_cut.tolist()


def test_every_seed_and_item_keeps_the_angle_by_which_its_picture_was_turned():
    phi = np.random.default_rng(0).uniform(0, 360, (2, 8))
    rows = score_rows(REGULAR, 0.5, seeds=2, items=8).assign(pre_rotation=np.tile(phi.ravel(), 12))
    (one,) = arrange([rows.sample(frac=1, random_state=0)])
    assert one.pre_rotation.tolist() == phi.tolist()


def test_what_has_no_own_cut_has_none():
    """As `segmentation.csv`, which lacks the column."""
    rows = score_rows([0], 0.5, 0.125).drop(columns="own_cut")
    (one,) = arrange([rows], measures=("chance", "value", "own_cut"))
    assert (one.value == 0.125).all() and (one.chance == 0.5).all() and np.isnan(one.own_cut).all()


def test_what_is_missing_is_none_in_every_part():
    """NaN equals nothing: each part's would be a cell of its own."""
    rows = score_rows([("none", 0), ("random", 0), ("none", 90)], np.arange(3.0), items=1)
    (one,) = arrange([rows[i : i + 1] for i in range(3)])
    assert one.cells == [("none", None, 0), ("none", None, 90), ("random", None, 0)]
    assert one.value.ravel().tolist() == [0, 2, 1]


def test_angles_are_numbers_where_no_run_has_one(tmp_path):
    for i in range(2):
        write_csv(pd.DataFrame({"item": ["a"], "value": [0.5]}), tmp_path / str(i), {})
    names = [{"angle": name, "eval_angle": "090.0"} for name in ("random", "none")]
    write_parquet(scores_.merge([tmp_path / "0", tmp_path / "1"], names), tmp_path / "p", {})
    merged = read_parquet(tmp_path / "p")
    assert merged["angle"].dtype == merged["eval_angle"].dtype == np.float64
    assert merged["training"].tolist() == ["none", "random"]


def test_kinds_are_told_apart_by_all_their_names():
    rows = score_rows(
        [0], 0.5, maps=[("m", "a"), ("m", "b")], metric=["x", "y"], dataset=["p", "q"]
    )
    found = arrange([rows.assign(value=np.arange(len(rows)))])
    keys = [tuple(one.key[c] for c in ("dataset", "attribution", "metric")) for one in found]
    assert keys == sorted(keys) and len(set(keys)) == 8
    for one in found:
        part = rows[(rows[list(one.key)] == list(one.key.values())).all(axis=1)]
        assert one.value.ravel().tolist() == part.index.tolist()


def test_scores_that_are_there_twice_are_refused():
    rows = score_rows(ANGLES, 0.5)
    with pytest.raises(ValueError, match="duplicate"):
        arrange([rows, rows.tail(1)])


def test_scores_of_a_file_are_those_of_its_rows(tmp_path):
    """Text as categories, angles as numbers, None where there is none."""
    rows = score_rows([*REGULAR, ("none", 30)], np.arange(13.0), 0.5)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    text = [name for name in table.column_names if pa.types.is_large_string(table[name].type)]
    for name in text:
        place = table.column_names.index(name)
        table = table.set_column(place, name, table[name].cast(pa.string()).dictionary_encode())
    write_parquet([table], tmp_path / "s.parquet", {})
    (found,), (expected,) = read_scores(tmp_path / "s.parquet"), arrange([rows])
    assert found.key == expected.key and found.cells == expected.cells
    assert found.value.tolist() == expected.value.tolist()


def test_scores_of_a_file_come_arm_by_arm(tmp_path):
    """Whatever the order of its rows, whose arms may follow one another several times."""
    rows = score_rows(
        REGULAR, np.arange(12.0), dataset=["q", "p"], view=["plain", "disc"], metric=["b", "a"]
    )
    for shuffled in rows, rows.sample(frac=1, random_state=0):
        table = pa.Table.from_pandas(shuffled, preserve_index=False)
        parts = list(by_arm(table))
        assert pa.concat_tables(parts) == table
        assert list(by_arm(table.slice(0, 0))) == [table.slice(0, 0)]
        write_parquet(parts, tmp_path / "s.parquet", {})
        found, expected = list(read_scores(tmp_path / "s.parquet")), arrange([rows])
        assert [one.key for one in found] == [one.key for one in expected]
        for one, other in zip(found, expected, strict=True):
            assert one.cells == other.cells and one.value.tolist() == other.value.tolist()


def test_scores_are_told_apart_where_there_are_more_names_than_a_byte_counts():
    names = [f"m{i:03}" for i in range(300)]
    kinds = score_rows([0], 0.5, items=1, metric=names)
    found = arrange([kinds.assign(value=np.arange(300.0)).sample(frac=1, random_state=0)])
    assert [one.key["metric"] for one in found] == names
    assert [one.value.item() for one in found] == list(range(300))
    items = score_rows([0], np.arange(300.0)[None, None], items=300)
    (one,) = arrange([items[:299], items[299:]])
    assert sorted(one.value.ravel()) == list(range(300))


def test_what_is_missing_is_none_as_a_category_too():
    rows = score_rows([("none", 0), ("random", 0), 90], np.arange(3.0))
    (plain,), (coded,) = (
        arrange([rows.astype({"angle": kind})]) for kind in ("float64", "category")
    )
    assert coded.cells == plain.cells and coded.value.tolist() == plain.value.tolist()


def test_arms_are_cut_wherever_one_of_their_names_changes(tmp_path):
    for name in ARM:
        rows = score_rows([0, 90], 0.5, **{name: ["a", "b"]})
        parts = list(by_arm(pa.Table.from_pandas(rows, preserve_index=False)))
        assert [len(part) for part in parts] == [4, 4]
        write_parquet(parts, tmp_path / "s.parquet", {})
        assert [one.key[name] for one in read_scores(tmp_path / "s.parquet")] == ["a", "b"]


def test_row_groups_are_told_by_what_does_not_vary_in_them(tmp_path):
    path = tmp_path / "t.parquet"
    parts = [
        pa.table({"a": pa.array([name] * 2).dictionary_encode(), "b": [number] * 2, "c": [0, 1]})
        for name, number in (("x", 1), ("y", 1), ("x", 1), ("x", 2))
    ]
    write_parquet(parts, path, {})
    found = scores_.row_groups(path, ["b", "a"])
    assert found == {(1, "x"): [0, 2], (1, "y"): [1], (2, "x"): [3]}
    some = list(stream_parquet(path, ["a"], found[1, "x"]))
    assert [part["a"].to_pylist() for part in some] == [["x", "x"]] * 2
    with pytest.raises(ValueError, match="row group 0"):
        scores_.row_groups(path, ["c"])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedError, match=r"t\.parquet: damaged"):
        scores_.row_groups(path, ["a"])


def test_a_row_group_is_of_one_of_each_column(tmp_path):
    path = tmp_path / "t.parquet"
    write_parquet([pa.table({"a": ["x", "x"], "c": [0, 1]})], path, {})
    with pytest.raises(ValueError, match="row group 0"):
        scores_.row_groups(path, ["a", "c"])


# -- segmentation ----------------------------------------------------------------------------------


def test_segmentation_dice_becomes_scores_like_any():
    rows = [
        ("fixed", 30.0, 0, "a", 1, 0.5, 0.2),
        ("fixed", 30.0, 0, "a", 2, 0.7, 0.1),
        ("fixed", 30.0, 0, "a", 3, 0.0, 0.6),
        ("fixed", 30.0, 0, "b", 1, 0.9, 0.3),
        ("fixed", 30.0, 0, "b", 2, np.nan, np.nan),
        ("none", np.nan, 0, "a", 1, 0.4, 0.2),
    ]
    columns = ["training", "angle", "seed", "item", "label", "dice", "chance"]
    arm = {"dataset": "d", "view": "v", "encoder": "e", "method": "m", "case": "c"}
    table = pd.DataFrame(rows, columns=columns).assign(**arm)
    found = segmentation_scores(table).set_index(["metric", "item"])
    assert len(found) == 7  # nothing of `none`, which has no angle
    assert (found[["angle", "eval_angle"]] == 30).all(axis=None)
    assert (found[["model", "input", "attribution"]].to_numpy()[0]).tolist() == [
        *("finetuned", "original", "segmentation")
    ]
    assert found.loc[("dice_class_2", "a"), ["value", "chance"]].tolist() == [0.7, 0.1]
    assert found.loc[("dice_macro", "a"), ["value", "chance"]].tolist() == pytest.approx([0.4, 0.3])
    assert found.loc[("dice_macro", "b"), "value"] == 0.9
    assert found["own_cut"].isna().all()
    one = segmentation_scores(table[table["label"] == 1])
    assert set(one["metric"]) == {"dice_class_1", "dice_macro"}
