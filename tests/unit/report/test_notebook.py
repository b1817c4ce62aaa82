"""Choosing rows and drawing curves in a notebook; tests/workflow reads the tables of a run."""

import matplotlib as mpl
import numpy as np
import pytest
from factories import dice_rows

import thetascope
from thetascope.errors import UserError

mpl.use("agg")


def test_rows_without_an_angle_are_chosen_by_their_training():
    table = dice_rows([0, 90, ("none", 0), ("random", 90)])
    assert thetascope.select(table, training=["none", "random"])["eval_angle"].tolist() == [0, 90]
    assert len(thetascope.select(table, angle=90)) == 1


def test_an_empty_table_says_so():
    empty = dice_rows([0])[:0]
    with pytest.raises(UserError, match="metric: no row has 'auroc'; there are no rows"):
        thetascope.select(empty, metric="auroc")
    with pytest.raises(UserError, match="dataset: one curve has one; these rows have none"):
        thetascope.plot_curve(empty)


@pytest.mark.parametrize(
    ("angles", "theta", "meaning"),
    [
        ([0, 22.5, 90, 180], [0, 22.5, 90, 180], "Trained and evaluated at θ"),
        ([("random", 45), ("random", 0)], [0, 45], "Trained at random angles, evaluated at θ"),
        ([(a, e) for a in (0, 90) for e in (0, 45)], [0, 90], "Trained at θ, evaluated at 0°"),
    ],
)
def test_the_curve_is_that_of_the_figures(angles, theta, meaning):
    table = dice_rows(angles, input=["original", "rotated"])
    axes = thetascope.plot_curve(table)
    assert meaning in axes.get_xlabel() and axes.get_ylabel() == "AUROC"
    assert axes.get_title() == "d: pretrained, smoothgrad"
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert len(lines) == 2 * 2 + 1  # value and chance of both maps, and an own cut
    for line in lines.values():
        assert line.get_xdata().tolist() == theta
        assert np.isfinite(line.get_ydata()).all()
