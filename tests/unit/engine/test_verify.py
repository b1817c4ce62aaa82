"""Cells that are computed again and held against what is there, by a workflow of two rules."""

import numpy as np
import pytest

from thetascope.engine.verify import recompute, report
from thetascope.errors import UserError

SNAKEFILE = """
configfile: "config.yaml"

weights = config["pretrain"]["weights"]

rule backbone:
    output: "results/backbones/scores.txt"
    shell: "exit 1"  # it counts as made

rule score:
    input: "results/backbones/scores.txt"
    output: "results/runs/{name}/dice.csv", "results/runs/{name}/note.txt"
    params: weights["e"] if isinstance(weights, dict) else weights or ""
    shell: "cat {input} {params} | tee {output[0]} > {output[1]}"
"""
TABLE = "# record\nitem,value,chance\na,0.25,0.5\nb,0.75,1\n"
CELL = "results/runs/a/dice.csv"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in "backbones/scores.txt", "runs/a/dice.csv", "runs/a/note.txt":
        path = tmp_path / "results" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TABLE)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    return tmp_path


def again(here, *names, weights=None):
    config = {"threads": 1, "pretrain": {"weights": weights}}
    cells = [f"results/runs/{name}/dice.csv" for name in names or "a"]
    return recompute(cells, ["results/backbones"], config, here / "Snakefile")


def test_what_comes_out_the_same_is_said_to_be_identical(here):
    table = again(here)
    assert table["file"].tolist() == [CELL, "results/runs/a/note.txt"]
    assert table["identical"].all() and table["largest"].tolist() == [0, 0]
    assert report(table) == "2 of 2 files came out the same to the last bit"


def test_of_a_table_that_differs_the_largest_difference_is_told(here):
    differing = {
        "b": (TABLE.replace("0.25", "0.125"), 0.125, "differs by up to 0.125"),
        "c": (TABLE.replace("0.25", "0.5").replace("0.75", "0.625"), 0.25, "differs by up to 0.25"),
        "d": (TABLE.replace("0.75", "1.0"), 0.25, "differs by up to 0.25"),
        "e": (TABLE.replace("0.25", "0.250"), 0, "differs by up to 0"),
        "f": (TABLE.replace("record", "other"), 0, "differs by up to 0"),
        "g": (TABLE.replace("b,0.75,1\n", ""), np.nan, "differs"),  # fewer rows
        "h": (TABLE.splitlines()[0] + "\nitem,value,chance\n", np.nan, "differs"),
    }
    for name, (was, *_) in differing.items():
        (here / f"results/runs/{name}").mkdir()
        (here / f"results/runs/{name}/note.txt").write_text(TABLE)
        (here / f"results/runs/{name}/dice.csv").write_text(was)
    table = again(here, *"abcdefgh")
    tables = table[table["file"].str.endswith(".csv")]
    assert tables["identical"].tolist() == [True] + [False] * 7
    largest = [0, *(one[1] for one in differing.values())]
    assert tables["largest"].tolist() == pytest.approx(largest, nan_ok=True)
    said = [f"results/runs/{name}/dice.csv: {one[2]}" for name, one in differing.items()]
    assert report(table).splitlines() == [
        "9 of 16 files came out the same to the last bit",
        *said,
    ]


def test_of_tables_without_rows_no_difference_is_told(here):
    (here / "results/backbones/scores.txt").write_text("# record\nitem,value,chance\n")
    (here / CELL).write_text("# other\nitem,value,chance\n")
    found = again(here).set_index("file").loc[CELL]
    assert not found["identical"] and np.isnan(found["largest"])


def test_of_what_is_not_there_or_is_no_table_no_difference_is_told(here):
    (here / CELL).unlink()
    (here / "results/runs/a/note.txt").write_text("other")
    table = again(here)
    assert not table["identical"].any() and table["largest"].isna().all()


@pytest.mark.parametrize("weights", ["mine.pt", {"e": "mine.pt"}])
def test_weights_are_those_of_the_working_directory(here, weights):
    (here / "mine.pt").write_text("c,1,1\n")
    for path in (here / "results/runs/a").iterdir():
        path.write_text(TABLE + "c,1,1\n")
    assert again(here, weights=weights)["identical"].all()


def test_a_cell_that_cannot_be_computed_is_named(here):
    with pytest.raises(
        UserError, match=r"verify: cannot compute results/runs/a/dice\.csv again:\n"
    ):
        again(here, weights="nowhere.pt")
