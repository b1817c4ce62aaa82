"""docs/tables.md against the tables of a finished run."""

import re
from pathlib import Path

import pandas as pd
import pytest
from snakemake_runs import ROOT

from thetascope.files import read_table

COMMON = "Columns that many tables share"


def documented():
    """Section → column → when it may be empty."""
    sections = {}
    for section in re.split(r"^## ", (ROOT / "docs/tables.md").read_text("utf-8"), flags=re.M)[1:]:
        title, _, text = section.partition("\n")
        rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
        sections[title] = {
            name: row[4].strip() for row in rows for name in re.findall(r"`([^`]+)`", row[1])
        }
    return sections


DOCUMENTED = documented()


def read(path):
    return pd.read_parquet(path) if Path(path).suffix == ".parquet" else read_table(path)


def test_every_table_is_documented_and_every_documented_table_is_there(finished):
    made = {path.name for path in (finished.folder / "results/tables").iterdir()}
    records = {Path(name).with_suffix(".json").name for name in made if name.endswith(".csv")}
    assert made - records - {"verdict.md"} == DOCUMENTED.keys() - {COMMON}
    assert records <= made


@pytest.mark.parametrize("name", sorted(DOCUMENTED.keys() - {COMMON}))
def test_columns(finished, name):
    table = read(finished.folder / "results/tables" / name)
    own, common = DOCUMENTED[name], DOCUMENTED[COMMON]
    assert [column for column in table if column in own] == list(own)
    assert set(table) <= own.keys() | common.keys()
    empty = [column for column in table if table[column].isna().any()]
    assert all((common | own)[column] for column in empty), empty


def test_every_shared_column_is_shared(finished):
    tables = [read(finished.folder / "results/tables" / n) for n in DOCUMENTED.keys() - {COMMON}]
    for column in DOCUMENTED[COMMON]:
        assert sum(column in table for table in tables) > 1, column


def test_infinite_numbers_are_nowhere(finished):
    for name in DOCUMENTED.keys() - {COMMON}:
        numbers = read(finished.folder / "results/tables" / name).select_dtypes("number")
        assert not numbers.isin([float("inf"), float("-inf")]).to_numpy().any(), name
