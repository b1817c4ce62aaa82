"""Atomic files, seeds, records and tables."""

import hashlib
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from thetascope import files
from thetascope.errors import UserError
from thetascope.files import atomic, seed_for


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "result.csv"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"), atomic(path) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_takes_its_place_with_common_rights(tmp_path):
    path = tmp_path / "new" / "result.csv"
    with atomic(path) as temporary:
        assert temporary.suffix == ".csv"
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert list(path.parent.iterdir()) == [path]


def test_seeds_are_stable_and_distinct():
    assert seed_for(0, "ihc", "030.0", "pretrain") == 3227782518956277277
    seeds = {seed_for(s, d, a) for s in range(5) for d in ("x", "y") for a in range(50)}
    assert len(seeds) == 500
    assert seed_for("1", "23") != seed_for("12", "3")
    assert max(seeds) < 2**63


def job():
    return SimpleNamespace(
        rule="score", wildcards={"angle": "030.0"}, params={"quantile": 0.8, "code": "abc"}
    )


def test_tables_carry_their_record_and_keep_text_as_text(tmp_path):
    frame = pd.DataFrame({"item": ["007"], "case": ["030.0"], "value": [0.1234567]})
    path = tmp_path / "t.csv"
    files.write_csv(frame, path, files.record(job(), device="cpu"))
    first = path.read_text().splitlines()[0]
    assert first.startswith('# {"device":"cpu","params":{"code":"abc","quantile":0.8}')
    table = files.read_csv(path)
    assert table.loc[0].tolist() == ["007", "030.0", 0.123457]


def test_only_an_empty_cell_is_missing(tmp_path):
    frame = pd.DataFrame({"dataset": ["NA", "nan"], "metric": ["null", ""], "value": [np.nan, 1]})
    files.write_csv(frame, tmp_path / "t.csv", files.record(job(), device="cpu"))
    table = files.read_csv(tmp_path / "t.csv")
    assert table["dataset"].tolist() == ["NA", "nan"]
    assert table["metric"].isna().tolist() == [False, True]
    assert table["value"].isna().tolist() == [True, False]


def test_arrays_carry_their_record_and_equal_contents_give_equal_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        files.write_npz(tmp_path / name, files.record(job()), x=np.arange(3))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["x"].tolist() == [0, 1, 2]
        assert '"rule": "score"' in str(arrays["record"])


# -- tables for people -----------------------------------------------------------------------------


def stored(path, **columns):
    """A table that was written to this path, and its frame."""
    frame = pd.DataFrame(columns)
    files.write_table(frame, path, {"rule": "r"})
    return frame


def test_any_program_opens_a_table_and_takes_angles_for_numbers(tmp_path):
    angles = {name: [0.0, 30.0] for name in files.ANGLE_COLUMNS}
    frame = stored(tmp_path / "t.csv", dataset=["a", "b"], **angles, value=[0.1234567, np.nan])
    table = pd.read_csv(tmp_path / "t.csv")
    assert list(table) == list(frame) and len(table) == 2
    assert {table[name].dtype for name in angles} == {np.dtype(float)}
    assert table["value"].tolist() == pytest.approx([0.123457, np.nan], nan_ok=True)
    assert (tmp_path / "t.csv").read_text().splitlines()[1].startswith("a,0.0,0.0,0.0,0.0,")


def test_what_made_a_table_lies_beside_it(tmp_path):
    stored(tmp_path / "t.csv", p=[0.5])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.json"]
    beside = json.loads((tmp_path / "t.json").read_bytes())
    digest = hashlib.sha256((tmp_path / "t.csv").read_bytes()).hexdigest()
    assert beside == {"rule": "r", "sha256": digest, "columns": {"p": "float64"}}


def test_columns_come_back_with_the_types_that_they_had(tmp_path):
    frame = stored(
        tmp_path / "t.csv",
        dataset=["NA", "null"],
        view=["007", "1e3"],
        training=["none", "fixed"],
        angle=[np.nan, 30.0],
        held_angle=[np.nan, np.nan],
        seed=[0, 12],
        n_items=[3, 4],
        period=[360.0, 90.0],
        resolved=[True, False],
        p=[0.5, np.nan],
        note=pd.Series([None, "x"], dtype=str),
    )
    table = files.read_table(tmp_path / "t.csv")
    pd.testing.assert_frame_equal(table, frame, check_exact=True)


@pytest.mark.parametrize("rows", [0, 2])
def test_columns_without_a_value_keep_their_types_too(tmp_path, rows):
    types = {"name": "str", "p": "float64", "angle": "float64", "anything": "object"}
    types |= {"n": "int64", "ok": "bool"} if not rows else {}  # these have no empty cells
    empty = pd.DataFrame(index=range(rows), columns=list(types), dtype=object).astype(types)
    files.write_table(empty, tmp_path / "t.csv", {})
    table = files.read_table(tmp_path / "t.csv")
    assert table.dtypes.astype(str).to_dict() == types
    assert table.shape == empty.shape and table.isna().all(axis=None)


def test_whole_angles_that_are_no_floats_become_such(tmp_path):
    stored(tmp_path / "t.csv", theta=[0, 90])
    table = files.read_table(tmp_path / "t.csv")
    assert table["theta"].tolist() == [0, 90] and table["theta"].dtype == float


def test_angles_have_one_type_in_tables_of_both_kinds(tmp_path):
    frame = stored(tmp_path / "t.csv", angle=[np.nan, 30.0], eval_angle=[0.0, 90.0], seed=[0, 1])
    files.write_parquet([pa.Table.from_pandas(frame)], tmp_path / "t.parquet", {})
    pd.testing.assert_frame_equal(
        files.read_table(tmp_path / "t.csv"), files.read_parquet(tmp_path / "t.parquet")
    )


def test_a_part_without_rows_leaves_no_trace(tmp_path):
    """Such are the segmentations of encoders that were trained at no fixed angle."""
    table = pa.table({"angle": [30.0, None], "value": [0.5, 1.5]})
    files.write_parquet([table, table.slice(0, 0)], tmp_path / "t.parquet", {})
    (part,) = files.stream_parquet(tmp_path / "t.parquet", ["value"])
    assert part["value"].to_pylist() == [0.5, 1.5]
    files.write_parquet([table.slice(0, 0)], tmp_path / "none.parquet", {})
    assert list(files.read_parquet(tmp_path / "none.parquet")) == ["angle", "value"]


def test_a_table_of_several_parts_is_read_part_by_part(tmp_path):
    parts = [pa.table({"angle": [30.0], "value": [value]}) for value in (0.5, 1.5)]
    files.write_parquet(parts, tmp_path / "t.parquet", {})
    found = files.stream_parquet(tmp_path / "t.parquet", ["value"])
    assert [part["value"].to_pylist() for part in found] == [[0.5], [1.5]]


def test_only_what_was_asked_for_is_read(tmp_path):
    path = tmp_path / "t.parquet"
    files.write_parquet([pa.table({"a": [1], "b": [2]})] * 2, path, {})
    assert [part.column_names for part in files.stream_parquet(path, ["b"])] == [["b"]] * 2
    assert list(files.stream_parquet(path, ["b"], [])) == []


def test_one_bit_of_a_columnar_table_that_changed_is_damage(tmp_path):
    path, values = tmp_path / "t.parquet", np.random.default_rng(0).random(1000)
    files.write_parquet([pa.table({"value": values})], path, {})
    text = bytearray(path.read_bytes())
    text[text.index(values[500].tobytes())] ^= 1
    path.write_bytes(text)
    for read in (files.read_parquet, lambda path: list(files.stream_parquet(path, ["value"]))):
        with pytest.raises(files.DamagedError, match=r"t\.parquet: damaged"):
            read(path)


def test_equal_tables_are_equal_bytes(tmp_path):
    for name in "ab":
        stored(tmp_path / f"{name}.csv", angle=[30.0], value=[1 / 3])
    for suffix in ".csv", ".json":
        a, b = (tmp_path / f"{name}{suffix}" for name in "ab")
        assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda table, beside: table.write_text(table.read_text().replace("0.5", "0.4")),
        lambda table, beside: table.write_bytes(table.read_bytes()[:-1]),
        lambda table, beside: table.write_bytes(b""),
        lambda table, beside: beside.write_text(""),
        lambda table, beside: beside.write_bytes(b"\xff\xfe{"),
        lambda table, beside: beside.write_text("[]"),
        lambda table, beside: beside.write_text('"sha256 columns"'),
        lambda table, beside: beside.write_text("{}"),
        lambda table, beside: beside.write_text(beside.read_text().replace('"columns"', '"c"')),
        lambda table, beside: beside.write_text(beside.read_text().replace("float64", "int64")),
        lambda table, beside: beside.write_text(beside.read_text().replace("float64", "flat64")),
        lambda table, beside: beside.write_text(beside.read_text().replace('"p"', '"q"')),
        lambda table, beside: (
            stored(table.with_name("o.csv"), p=[1.0], dataset=["a"]) is None
            or table.with_name("o.json").replace(beside)
        ),
    ],
    ids=[
        *("a digit", "cut off", "empty", "empty JSON", "no text", "a list", "a string"),
        *(
            "nothing said",
            "no types",
            "another type",
            "no type",
            "another column",
            "of another table",
        ),
    ],
)
def test_a_table_that_is_not_what_was_written_is_damaged(tmp_path, damage):
    path = tmp_path / "t.csv"
    stored(path, p=[0.5], dataset=["a"])
    assert len(files.read_table(path)) == 1
    damage(path, path.with_suffix(".json"))
    with pytest.raises(files.DamagedError, match=r"t\.csv: damaged"):
        files.read_table(path)


def test_a_table_that_was_copied_alone_is_not_called_damaged(tmp_path):
    path = tmp_path / "t.csv"
    stored(path, p=[0.5])
    path.with_suffix(".json").unlink()
    with pytest.raises(UserError, match=r"t\.csv: .*copy t\.json beside it"):
        files.read_table(path)


def test_a_table_that_is_not_there_is_not_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_a_table_is_the_same_text_in_however_many_parts(tmp_path, monkeypatch, rows):
    columns = {"item": pd.Categorical(list("abcab")), "value": [0.1, np.nan, 1e-7, 2, 1 / 3]}
    frame = pd.DataFrame({**columns, "own_cut": np.nan, "seed": range(5)})
    monkeypatch.setattr(files, "ROWS", rows)
    for name, table in ("some", frame), ("none", frame[:0]):
        files.write_csv(table, path := tmp_path / f"{name}.csv", {"rule": "score"})
        text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        assert path.read_text().split("\n", 1)[1] == text
        assert files.read_text(path).decode() == text  # whose digest is right
