"""Angles as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thetascope import angles
from thetascope.errors import UserError


@given(st.integers(0, 3600))
def test_labels_and_degrees_are_inverse(tenths):
    text = angles.label(tenths / 10)
    assert len(text) == 5
    assert angles.degrees(text) == tenths / 10


def test_a_grid_includes_its_stop_and_360_is_not_0():
    assert angles.expand({"start": 0, "stop": 360, "step": 120}) == [
        "000.0",
        "120.0",
        "240.0",
        "360.0",
    ]


def test_fine_grids_do_not_drift():
    grid = angles.expand({"start": 0, "stop": 359.9, "step": 0.1})
    assert len(set(grid)) == 3600
    assert grid[1234] == "123.4"


def test_words_and_numbers_mix():
    assert angles.expand(["none", 5, 90.5, "random"]) == ["none", "005.0", "090.5", "random"]
    assert not angles.is_fixed("none")
    assert angles.is_fixed("005.0")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ([0, 0.0], "000.0 is listed more than once"),
        ([361], "361"),
        ([-1], "-1"),
        ([0.05], "0.05"),
        ({"start": 0, "stop": 0.35, "step": 0.15}, "0.15"),
        ({"start": 90, "stop": 0, "step": 10}, "empty"),
    ],
)
def test_bad_angles_are_named(spec, said):
    with pytest.raises(UserError, match=said):
        angles.expand(spec)


def test_a_period_that_is_nearly_a_divisor_is_none():
    assert angles.divides_circle(360 / 7) and not angles.divides_circle(90.1)
