"""Curves over θ against the autocorrelation of gradient orientations."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from factories import REGULAR, gratings, of, score_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from thetascope.analysis.gradient_orientation import METHODS, autocorrelation, histogram
from thetascope.analysis.orientation_correlation import correlation_table, curve_correlation
from thetascope.analysis.scores import arrange

modest = settings(max_examples=15, deadline=None)


def test_a_curve_that_follows_the_autocorrelation():
    reference = autocorrelation(histogram(gratings(20), 36, "hog"), REGULAR)[0]
    for sign in 1, -1:
        found = curve_correlation(REGULAR, 0.5 + 0.1 * sign * reference, reference)
        assert found["pearson"] == pytest.approx(sign)
        assert found["spearman"] == pytest.approx(sign)
        assert found["shifts"] == 6
        assert found["p"] == pytest.approx(1 / 6)


@modest
@given(st.integers(0, 999), st.sampled_from([5, 8, 12, 15]))
def test_correlations_and_p_by_hand(seed, angles):
    theta = np.arange(angles) * 360 / angles
    rng = np.random.default_rng(seed)
    curve = rng.normal(size=angles)
    reference = autocorrelation(rng.dirichlet(np.ones(36), 1), theta)[0]
    found = curve_correlation(theta, curve, reference)
    pearson = stats.pearsonr(curve, reference).statistic
    assert found["pearson"] == pytest.approx(pearson, abs=1e-8)  # both are rounded
    ranked = stats.spearmanr(curve, reference.round(9)).statistic
    assert found["spearman"] == pytest.approx(ranked)
    every = [abs(np.corrcoef(np.roll(curve, k), reference)[0, 1]) for k in range(angles)]
    assert found["p"] == pytest.approx(np.mean(np.array(every) >= every[0] - 1e-9))
    assert found["p"] * found["shifts"] == pytest.approx(round(found["p"] * found["shifts"]))


def test_p_is_uniform_where_the_curve_may_lie_anywhere():
    rng = np.random.default_rng(0)
    reference = autocorrelation(rng.dirichlet(np.ones(36), 1), REGULAR)[0]
    p = [curve_correlation(REGULAR, rng.normal(size=12), reference)["p"] for _ in range(600)]
    for level in range(1, 7):
        assert np.mean(np.array(p) <= level / 6 + 1e-9) == pytest.approx(level / 6, abs=0.06)


def test_360_is_left_out_where_0_is_there():
    rng = np.random.default_rng(0)
    curve, reference = rng.normal(size=(2, 13))
    found = curve_correlation(np.append(REGULAR, 360), curve, reference)
    assert found == curve_correlation(REGULAR, curve[:-1], reference[:-1])


@pytest.mark.parametrize("theta", [[0, 10, 30, 90, 200], [0, 30, 60, 90, 120]])
def test_no_p_where_shifting_does_not_map_the_grid_onto_itself(theta):
    curve, reference = np.random.default_rng(0).normal(size=(2, 5))
    found = curve_correlation(np.array(theta, float), curve, reference)
    assert np.isnan(found["p"]) and found["shifts"] == 0
    assert np.isfinite(found["pearson"]) and np.isfinite(found["spearman"])


def test_what_is_constant_correlates_with_nothing():
    curve = np.random.default_rng(0).normal(size=12)
    for pair in (curve, np.ones(12)), (np.ones(12), curve), (curve, np.full(12, np.nan)):
        found = curve_correlation(REGULAR, *pair)
        assert np.isnan([found["pearson"], found["spearman"], found["p"]]).all()


def test_every_curve_meets_the_autocorrelation_of_its_own_data_set():
    reference = {"a": np.cos(np.deg2rad(2 * REGULAR)), "b": np.cos(np.deg2rad(4 * REGULAR))}
    chance, own_cut = 0.4 + 0.05 * np.random.default_rng(0).normal(size=(2, 12))
    rows = [
        score_rows(REGULAR, 0.5 + 0.1 * curve, chance, own_cut, dataset=name)
        for name, curve in reference.items()
    ]
    likeness = pd.concat(
        pd.DataFrame({"dataset": name, "histogram": kind, "theta": REGULAR, "value": sign * values})
        for name, values in reference.items()
        for kind, sign in zip(METHODS, (1, -1), strict=True)
    )
    table = correlation_table(arrange(rows), likeness)
    assert len(table) == 2 * 4 * 2
    assert not table.duplicated(["dataset", "series", "histogram"]).any()
    signs = dict(zip(METHODS, (1, -1), strict=True))
    for (name, curve), (kind, sign) in product(reference.items(), signs.items()):
        found = of(table, dataset=name, histogram=kind).set_index("series")
        series = {"value": 0.1 * curve, "chance": chance, "excess": 0.1 * curve - chance}
        series["turning"] = 0.1 * curve - own_cut
        for row, values in series.items():
            expected = curve_correlation(REGULAR, values, sign * curve)
            assert found.loc[row, list(expected)].to_dict() == pytest.approx(expected)
    assert table.query("series == 'value'")["pearson"].abs().tolist() == pytest.approx([1] * 4)


def test_a_held_angle_is_no_place_of_the_curve():
    """Of curves over evaluation and over training, and where nothing was trained at an angle."""
    pairs = [(a, e) for a in (0, 90, 180, 270, "none") for e in REGULAR]
    curve = np.random.default_rng(0).normal(size=60)
    likeness = pd.DataFrame({"dataset": "d", "theta": REGULAR, "value": np.cos(REGULAR)})
    likeness = pd.concat(likeness.assign(histogram=kind) for kind in METHODS)
    table = of(correlation_table(arrange([score_rows(pairs, curve)]), likeness), series="value")
    one = of(table, histogram="hog", sweep="eval")
    for row, first in (of(one, held_angle=90), 12), (of(one, training="none", held_angle=None), 48):
        expected = curve_correlation(REGULAR, curve[first : first + 12], np.cos(REGULAR))
        assert row["pearson"].tolist() == pytest.approx([expected["pearson"]])
