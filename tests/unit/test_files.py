"""Atomic files, seeds and records."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from thetascope import files
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
    frame = pd.DataFrame({"item": ["007"], "angle": ["030.0"], "value": [0.1234567]})
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
