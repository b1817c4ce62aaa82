"""One definition of a sweep, for tables, figures and explorer."""

import subprocess
import sys
from itertools import product

import numpy as np
import pandas as pd
import pytest
from factories import dice_rows, of, reliability_rows, score_rows

from thetascope.analysis import verdict
from thetascope.analysis.curves import curves
from thetascope.analysis.scores import arrange
from thetascope.analysis.sweeps import Sweep, cell, of_curve, shown, sweeps
from thetascope.angles import label
from thetascope.engine.fingerprint import LIBRARY
from thetascope.report import explorer
from thetascope.report.figures.panels import key_of, sweep

TWELVE = [float(angle) for angle in range(0, 360, 30)]
TWO_VIEWED = [*product(TWELVE, [0.0, 90.0])]  # `eval_angles: [0, 90]`


def of_pairs(pairs):
    """Cells of pairs of angles, through what stands in paths."""
    texts = [(a if isinstance(a, str) else label(a), label(e)) for a, e in pairs]
    return [cell(*pair) for pair in texts]


def test_a_cell_says_how_was_trained_and_at_which_angles():
    assert cell("030.0", "060.5") == ("fixed", 30.0, 60.5)
    assert cell("random", "360.0") == ("random", None, 360.0)
    assert cell("none", "000.0") == ("none", None, 0.0)


def test_a_sweep_holds_the_places_of_its_cells():
    cells = of_pairs([(90, 90), (0, 0), (0, 90), ("none", 0), ("random", 90), ("none", 90)])
    assert sweeps(cells) == {
        Sweep("diagonal", "fixed"): [0, 1],
        Sweep("eval", "fixed", 90.0): [0],
        Sweep("train", "fixed", 90.0): [0, 2],
        Sweep("eval", "fixed", 0.0): [1, 2],
        Sweep("train", "fixed", 0.0): [1],
        Sweep("eval", "none"): [3, 5],
        Sweep("eval", "random"): [4],
    }


def test_theta_is_what_varies():
    both, random = cell("030.0", "060.0"), cell("random", "060.0")
    assert Sweep("train", "fixed", 60).theta(both) == 30
    assert Sweep("eval", "fixed", 30).theta(both) == 60
    assert Sweep("eval", "random").theta(random) == 60
    assert Sweep("diagonal", "fixed").theta(cell("045.0", "045.0")) == 45


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(a, a) for a in TWELVE], Sweep("diagonal", "fixed")),
        (product(TWELVE, TWELVE), Sweep("diagonal", "fixed")),
        ([*((a, a) for a in TWELVE), ("none", 0), ("random", 0)], Sweep("diagonal", "fixed")),
        (TWO_VIEWED, Sweep("train", "fixed", 0.0)),
        ([(a, e) for a, e in TWO_VIEWED if e], Sweep("train", "fixed", 90.0)),
        ([("none", 0), *TWO_VIEWED, ("random", 0)], Sweep("train", "fixed", 0.0)),
        ([("none", 0), ("random", 0), ("none", 90)], Sweep("eval", "random")),
        ([("none", 0), ("none", 90)], Sweep("eval", "none")),
        ([(0, a) for a in TWELVE], Sweep("diagonal", "fixed")),
    ],
)
def test_which_sweep_is_shown(pairs, expected):
    cells = of_pairs(pairs)
    for order in cells, cells[::-1]:
        assert shown(order) == expected
        assert sweeps(order)[expected]


def test_it_needs_the_standard_library_alone():
    """The rules ask it, before any environment is there."""
    code = "import sys, thetascope.analysis.sweeps as _; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=LIBRARY.parent, check=True)


# -- evaluated at 0 and 90 alone -------------------------------------------------------------------


def rules_over_theta(pairs):
    """What the rules show of these evaluations of a data set's first arm and seed."""
    evaluations = [
        {"dataset": "d", "angle": a if isinstance(a, str) else label(a), "eval_angle": label(e)}
        for a, e in pairs
    ]
    return of_curve(evaluations)


def test_tables_have_the_sweep_that_is_shown():
    (scores,) = arrange([score_rows(TWO_VIEWED, np.arange(24.0))])
    swept = shown(scores.cells)
    (curve,) = [
        c
        for c in curves([scores])
        if c.key.items() >= (key_of(swept) | {"series": "value"}).items()
    ]
    assert curve.key["sweep"] == "train" and curve.key["held_angle"] == 0
    assert curve.angles.tolist() == TWELVE
    assert curve.mean.tolist() == list(range(0, 24, 2))


def test_figures_explorer_and_its_maps_show_training_evaluated_at_0():
    table = dice_rows([*TWO_VIEWED, ("none", 0), ("none", 90)])
    rows, swept = sweep(table.sample(frac=1, random_state=0))
    assert swept == Sweep("train", "fixed", 0.0)
    assert swept.meaning == "Trained at θ, evaluated at 0°"
    rows = rows.sort_values("theta")
    assert rows["theta"].tolist() == rows["angle"].tolist() == TWELVE
    assert (rows["eval_angle"] == 0).all()

    no_verdict = pd.DataFrame(columns=verdict.COLUMNS)
    explored = explorer.curves(table, no_verdict, reliability_rows(), 0.05)
    assert {one["meaning"] for one in explored} == {swept.meaning}
    series = {one["trained"]: one for one in explored}
    assert series["theta"]["theta"] == TWELVE
    assert series["theta"]["value"] == rows["value"].round(6).tolist()
    # where training alone varies, what was not trained is level
    untrained = of(table, training="none", eval_angle=0)["value"].round(6).tolist()
    assert series["none"]["theta"] == TWELVE and series["none"]["value"] == untrained * 12

    chosen = rules_over_theta([("none", 0.0), *TWO_VIEWED[::-1]])  # in order whatever theirs was
    assert [one["theta"] for one in chosen] == TWELVE
    assert [(one["angle"], one["eval_angle"]) for one in chosen] == [
        (label(theta), "000.0") for theta in TWELVE
    ]


def test_segmentations_that_have_no_other_angle_leave_the_curves_of_maps_alone():
    """They are rows of the diagonal, at all angles of training."""
    maps, tasks = dice_rows(TWO_VIEWED), dice_rows(TWELVE, attribution="segmentation")
    no_verdict = pd.DataFrame(columns=verdict.COLUMNS)
    explored = explorer.curves(pd.concat([maps, tasks]), no_verdict, reliability_rows(), 0.05)
    meanings = {one["attribution"]: one["meaning"] for one in explored}
    assert meanings == {
        "smoothgrad": "Trained at θ, evaluated at 0°",
        "segmentation": "Trained and evaluated at θ",
    }
    assert all(one["theta"] == TWELVE for one in explored)


def test_maps_of_what_was_trained_at_no_angle_are_those_evaluated_at_theta():
    chosen = rules_over_theta([*product(["none", "random"], [0.0, 45.0])])
    assert [one["angle"] for one in chosen] == ["random"] * 2
    assert [one["theta"] for one in chosen] == [0, 45]
