"""The functions for notebooks, and the worked example of docs/notebook.md."""

import re
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from snakemake_runs import ROOT

import thetascope
from thetascope.errors import UserError

EXAMPLE = re.search(r"```python\n(.*?)```", (ROOT / "docs/notebook.md").read_text("utf-8"), re.S)[1]


@pytest.fixture(scope="module")
def results(finished):
    return finished.folder / "results"


@pytest.fixture(scope="module")
def curve(results):
    dice = thetascope.read_table("dice", results)
    chosen = {"model": "pretrained", "attribution": "smoothgrad", "metric": "auroc"}
    return thetascope.select(dice, **chosen)


def test_the_worked_example_runs(finished):
    code = EXAMPLE.replace('"retina"', '"ihc"')  # what the smoke experiment holds
    environment = {"MPLBACKEND": "agg", "PYTHONPATH": "workflow_scripts"}
    subprocess.run([sys.executable, "-c", code], cwd=finished.folder, env=environment, check=True)
    assert (finished.folder / "retina-auroc.png").read_bytes().startswith(b"\x89PNG")


def test_importing_it_loads_nothing_heavy():
    heavy = "{'pandas', 'matplotlib', 'torch'}"
    code = f"import sys, thetascope; sys.exit(bool({heavy} & set(sys.modules)))"
    environment = {"PYTHONPATH": str(ROOT / "workflow_scripts")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.parametrize(
    "name", ["dice", "segmentation", "benchmarks", "dice_per_item", "training"]
)
def test_angles_are_numbers_in_every_table(results, name):
    table = thetascope.read_table(name, results)
    assert table["angle"].dtype == np.float64
    assert set(table["training"]) <= {"fixed", "none"}
    assert table["angle"].isna().equals(table["training"] == "none")


def test_a_table_needs_no_options_elsewhere(results):
    plain = pd.read_csv(results / "tables/dice.csv")
    own = thetascope.read_table("dice", results)
    pd.testing.assert_frame_equal(plain, own, check_dtype=False)
    assert plain["angle"].dtype == plain["eval_angle"].dtype == np.float64


def test_a_missing_table_column_or_value_is_named_with_those_there_are(results):
    with pytest.raises(UserError, match=r"no table 'dise'; it holds .*dice, dice_per_item"):
        thetascope.read_table("dise", results)
    dice = thetascope.read_table("dice", results)
    with pytest.raises(UserError, match=r"no column 'map'; the table has dataset, .*attribution"):
        thetascope.select(dice, map="smoothgrad")
    with pytest.raises(UserError, match=r"metric: no row has 'auc'; there are auprc, auroc"):
        thetascope.select(dice, metric=["auroc", "auc"])


def test_rows_are_chosen_by_value_list_and_number(results):
    dice = thetascope.read_table("dice", results)
    chosen = thetascope.select(dice, metric=["auroc", "auprc"], eval_angle=90, training="fixed")
    assert set(chosen["metric"]) == {"auroc", "auprc"}
    assert set(chosen["angle"]) == {90.0}
    assert len(chosen) < len(dice)


def test_a_curve_shows_value_interval_chance_and_own_cut(curve):
    axes = thetascope.plot_curve(curve)
    fixed = curve[curve["training"] == "fixed"]
    lines = {line.get_label(): line for line in axes.get_lines()}
    for input_, name in ("original", "map of x"), ("rotated", r"map of $R_θ x$, turned back"):
        rows = fixed[fixed["input"] == input_].sort_values("angle")
        assert lines[name].get_xdata().tolist() == [0, 90, 180, 270]
        assert lines[name].get_ydata().tolist() == rows["value"].tolist()
        assert lines[f"{name}: chance"].get_ydata().tolist() == rows["chance"].tolist()
    cut = lines["own cut: map of x, cut to the same pixels"].get_ydata()
    assert cut.tolist() == rows["own_cut"].tolist()  # of R_θ x, the last
    assert axes.get_ylabel() == "AUROC"
    plt.close(axes.figure)


def test_it_draws_into_given_axes(curve):
    figure, axes = plt.subplots()
    assert thetascope.plot_curve(curve, axes) is axes
    plt.close(figure)


def test_rows_of_several_curves_are_refused(results):
    dice = thetascope.read_table("dice", results)
    with pytest.raises(UserError, match=r"model: one curve has one; these rows have baseline, "):
        thetascope.plot_curve(dice)
