"""Angle and seed of every run, and where it is evaluated."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thetascope.angles import expand
from thetascope.engine import runs
from thetascope.errors import UserError


def found(spec, seeds):
    """Angle and seed of every run."""
    return runs.angles_and_seeds({"angles": spec, "seeds": list(seeds)})


def test_staggered_seeds_share_out_a_step():
    grid = {"start": 0, "stop": 330, "step": 30, "stagger": True}
    third = [label for label, seed in found(grid, [0, 1, 5]) if seed == 5]
    assert third[:3] == ["020.0", "050.0", "080.0"] and third[-1] == "350.0" and len(third) == 12
    assert found({"start": 5, "stop": 100, "step": 90, "stagger": True}, [0, 1]) == [
        ("005.0", 0),
        ("050.0", 1),
        ("095.0", 0),
        ("140.0", 1),
    ]


@given(st.integers(0, 900), st.integers(1, 9), st.integers(1, 12), st.integers(2, 6))
def test_staggered_seeds_together_have_the_finer_grid_and_alone_the_coarse_one(
    start, fine, count, seeds
):
    """All in tenths of a degree; the finer grid is drawn, and every so many of it are a seed's."""
    step = fine * seeds
    ends = {"start": start / 10, "stop": (start + (count - 1) * step) / 10, "step": step / 10}
    union = [f"{(start + i * fine) / 10:05.1f}" for i in range(count * seeds)]
    pairs = found(ends | {"stagger": True}, range(seeds))
    assert sorted(pairs) == sorted((label, i % seeds) for i, label in enumerate(union))
    assert [label for label, _ in pairs] == union
    assert [label for label, seed in pairs if seed == 0] == expand(ends)


def test_not_staggered_every_seed_has_every_angle_and_a_single_seed_cannot_be():
    grid = {"start": 0, "stop": 360, "step": 10}
    coarse = {"start": 0, "stop": 270, "step": 90, "stagger": False}
    for spec, labels in (
        (["none", 45, 0], ["none", "045.0", "000.0"]),
        (coarse, ["000.0", "090.0", "180.0", "270.0"]),
    ):
        assert found(spec, [7, 0]) == list(product(labels, [7, 0]))
    assert found(grid | {"stagger": True}, [3]) == found(grid, [3])


@pytest.mark.parametrize(
    ("stop", "step", "seeds", "said"),
    [
        (350, 10, 3, "step of 10 cannot be shared out among 3 seeds .* multiple of 0.3"),
        (350, 0.1, 2, "step of 0.1 cannot be shared out among 2 seeds .* multiple of 0.2"),
        (360, 30, 2, "both ends, 0 and 360, .* set `stop` to 345 or less"),
        (359, 1, 2, None),  # 359.5
        (336, 48, 2, None),  # 360 is still an angle
        (359, 30, 3, None),  # it ends at 330, and the last seed at 350
        (359, 27.4, 2, "set `stop` to 346.3 or less"),  # 356.2 and half a step
    ],
)
def test_a_grid_that_cannot_be_staggered_is_told_what_to_change(stop, step, seeds, said):
    grid = {"start": 0, "stop": stop, "step": step, "stagger": True}
    if said is None:
        assert len(found(grid, range(seeds))) == seeds * len(expand(grid))
        return
    with pytest.raises(UserError, match=said) as error:
        found(grid, range(seeds))
    if advised := re.search(r"`stop` to (\S+) or less", str(error.value)):
        found(grid | {"stop": float(advised[1])}, range(seeds))


STAGGERED = {"start": 0, "stop": 180, "step": 90, "stagger": True}


@pytest.mark.parametrize(
    ("angles", "spec", "angle", "expected"),
    [
        ([0, 90, "none"], "same", "090.0", ["090.0"]),
        ([0, 90, "none"], "same", "none", ["000.0", "090.0"]),
        ([0, 90, "random"], "all", "000.0", ["000.0", "090.0"]),
        ([0], {"start": 0, "stop": 20, "step": 10}, "000.0", ["000.0", "010.0", "020.0"]),
        ([0, 45, 90, "none"], ["same", 90], "045.0", ["045.0", "090.0"]),
        ([0, 45, 90, "none"], ["same", 90], "090.0", ["090.0"]),
        ([0, 45, "none"], [90, "same"], "none", ["000.0", "045.0", "090.0"]),
        (["none"], ["same", 90], "none", ["090.0"]),
    ],
)
def test_angles_of_evaluation(angles, spec, angle, expected):
    config = {"angles": angles, "seeds": [0, 1], "eval_angles": spec}
    evaluated = runs.eval_angles(config)
    assert evaluated[angle] == expected
    assert list(evaluated) == expand(angles)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("same", ["135.0"]),
        ("all", ["000.0", "045.0", "090.0", "135.0", "180.0", "225.0"]),
        ([30], ["030.0"]),
        (["same", 30], ["030.0", "135.0"]),
    ],
)
def test_angles_of_evaluation_of_staggered_seeds(spec, expected):
    config = {"angles": STAGGERED, "seeds": [4, 2], "eval_angles": spec}
    evaluated = runs.eval_angles(config)
    assert evaluated["135.0"] == expected  # an angle of the second seed
    assert list(evaluated) == ["000.0", "045.0", "090.0", "135.0", "180.0", "225.0"]
