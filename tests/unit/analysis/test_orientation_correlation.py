"""Curves over θ against the autocorrelation of gradient orientations."""

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest
from factories import (
    REGULAR,
    at_nominal_rate,
    curves_of,
    gratings,
    grid,
    of,
    score_rows,
    shuffling,
    staggered_grid,
    wave,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from thetascope.analysis.curves import Curve
from thetascope.analysis.gradient_orientation import METHODS, autocorrelation, histogram
from thetascope.analysis.orientation_correlation import correlation_table, curve_correlation

modest = settings(max_examples=15, deadline=None)
KEY = {"model": "pretrained", "attribution": "smoothgrad", "series": "value", "sweep": "diagonal"}


def curve(cells, theta=None, **key):
    """A curve of one item, `cells` [angles, seeds]."""
    theta = (
        grid(np.arange(len(cells)) * 360 / len(cells), cells.shape[1]) if theta is None else theta
    )
    return Curve(KEY | key, theta, cells[..., None], np.array(["a"]), {})


def test_a_curve_that_follows_the_autocorrelation():
    reference = autocorrelation(histogram(gratings(20), 36, "hog"), REGULAR)[0]
    for sign in 1, -1:
        cells = grid(0.5 + 0.1 * sign * reference, 2)
        found = curve_correlation(curve(cells), reference, shuffling(999))
        assert found["pearson"] == pytest.approx(sign)
        assert found["spearman"] == pytest.approx(sign)
        assert found["p"] <= 0.002 and found["permutations"] == 999


@modest
@given(st.integers(0, 999), st.sampled_from([5, 8, 12, 15]), st.integers(1, 3))
def test_correlations_by_hand(seed, angles, seeds):
    theta = np.arange(angles) * 360 / angles
    rng = np.random.default_rng(seed)
    cells = rng.normal(size=(angles, seeds))
    reference = autocorrelation(rng.dirichlet(np.ones(36), 1), theta)[0]
    found = curve_correlation(curve(cells), reference, shuffling(9))
    mean = cells.mean(axis=1)
    pearson = stats.pearsonr(mean, reference).statistic
    assert found["pearson"] == pytest.approx(pearson, abs=1e-6)  # both are rounded
    ranked = stats.spearmanr(mean, reference.round(9)).statistic
    assert found["spearman"] == pytest.approx(ranked)


def test_p_is_that_of_all_orders():
    cells = np.array([3, 1, 2, 0, -1, 0.5])
    reference = np.array([1, 0.2, 0.7, -0.3, 0.1, -0.5])
    every = np.array([abs(np.corrcoef(order, reference)[0, 1]) for order in permutations(cells)])
    exact = (every >= every[0] - 1e-9).mean()
    p = curve_correlation(curve(cells[:, None]), reference, shuffling(20_000))["p"]
    assert p == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 20_000) ** 0.5)


REFERENCE = wave(REGULAR, 1, 90) + wave(REGULAR, 0.5, 180)


def rate(seeds, amplitude, theta=None, n=400):
    """How often p ≤ 0.05, the reference's swings having this amplitude in noise of 0.03."""
    rng, p = np.random.default_rng(seeds), []
    theta = grid(REGULAR, seeds) if theta is None else theta
    reference = wave(theta, 1, 90)
    places = np.unique(theta)
    for i in range(n):
        cells = amplitude * reference + rng.normal(0, 0.03, theta.shape) + rng.normal(size=seeds)
        draws = shuffling(199, i % 20)
        p.append(curve_correlation(curve(cells, theta), wave(places, 1, 90), draws)["p"])
    return np.array(p)


@pytest.mark.parametrize("theta", [grid(REGULAR), grid(REGULAR, 3), staggered_grid(12, 3)])
def test_curves_without_any_influence_follow_it_at_the_nominal_rate(theta):
    p = rate(theta.shape[1], 0, theta)
    assert 0.03 <= (p <= 0.05).mean() <= 0.07
    assert at_nominal_rate(p, 0.2) and at_nominal_rate(p, 0.5)


@pytest.mark.parametrize(("angles", "seeds"), [(12, 1), (12, 3), (24, 1), (24, 3)])
def test_curves_that_follow_it_are_found_as_often_as_by_a_t_test(angles, seeds):
    theta = grid(np.arange(angles) * 360 / angles, seeds)
    freedom, shift = seeds * (angles - 1) - 1, 0.02 * np.sqrt(theta.size / 2) / 0.03
    reach = stats.t.isf(0.025, freedom)
    power = stats.nct.sf(reach, freedom, shift) + stats.nct.cdf(-reach, freedom, shift)
    assert (rate(seeds, 0.02, theta) <= 0.05).mean() == pytest.approx(power, abs=0.08)


def test_seeds_may_have_levels_of_their_own():
    cells = np.random.default_rng(0).normal(size=(12, 3))
    moved = cells + np.array([0, 50, -20])
    one, other = (curve_correlation(curve(c), REFERENCE, shuffling()) for c in (cells, moved))
    assert one == pytest.approx(other, abs=1e-6)


def test_what_is_constant_correlates_with_nothing():
    cells = np.random.default_rng(0).normal(size=(12, 1))
    for pair in (cells, np.ones(12)), (np.ones((12, 1)), cells[:, 0]), (cells, np.full(12, np.nan)):
        found = curve_correlation(curve(pair[0]), pair[1], shuffling())
        assert np.isnan([found["pearson"], found["spearman"], found["p"]]).all()


def test_no_p_where_angles_may_not_change_places():
    cells = np.random.default_rng(0).normal(size=(12, 1))
    for key in {"sweep": "eval"}, {"series": "chance"}, {"model": "baseline"}:
        found = curve_correlation(curve(cells, **key), REFERENCE, shuffling())
        assert np.isnan(found["p"]) and np.isfinite([found["pearson"], found["spearman"]]).all()


# -- the table -------------------------------------------------------------------------------------


def test_every_curve_meets_the_autocorrelation_of_its_own_data_set():
    reference = {"a": np.cos(np.deg2rad(2 * REGULAR)), "b": np.cos(np.deg2rad(4 * REGULAR))}
    chance, own_cut = 0.4 + 0.05 * np.random.default_rng(0).normal(size=(2, 12))
    rows = [
        score_rows(REGULAR, 0.5 + 0.1 * values, chance, own_cut, dataset=name)
        for name, values in reference.items()
    ]
    likeness = pd.concat(
        pd.DataFrame({"dataset": name, "histogram": kind, "theta": REGULAR, "value": sign * values})
        for name, values in reference.items()
        for kind, sign in zip(METHODS, (1, -1), strict=True)
    )
    table = correlation_table(curves_of(*rows), likeness, shuffling())
    assert len(table) == 2 * 4 * 2
    assert not table.duplicated(["dataset", "series", "histogram"]).any()
    signs = dict(zip(METHODS, (1, -1), strict=True))
    for (name, values), (kind, sign) in product(reference.items(), signs.items()):
        found = of(table, dataset=name, histogram=kind).set_index("series")
        series = {"value": 0.1 * values, "chance": chance, "excess": 0.1 * values - chance}
        series["turning"] = 0.1 * values - own_cut
        for row, cells in series.items():
            one = curve(cells[:, None], series=row)
            expected = curve_correlation(one, sign * values, shuffling())
            assert found.loc[row, list(expected)].to_dict() == pytest.approx(expected, nan_ok=True)
    assert table.query("series == 'value'")["pearson"].abs().tolist() == pytest.approx([1] * 4)


def test_a_held_angle_is_no_place_of_the_curve():
    """Of curves over evaluation and over training, and where nothing was trained at an angle."""
    pairs = [(a, e) for a in (0, 90, 180, 270, "none") for e in REGULAR]
    values = np.random.default_rng(0).normal(size=60)
    likeness = pd.DataFrame({"dataset": "d", "theta": REGULAR, "value": np.cos(REGULAR)})
    likeness = pd.concat(likeness.assign(histogram=kind) for kind in METHODS)
    table = correlation_table(curves_of(score_rows(pairs, values)), likeness, shuffling())
    one = of(table, series="value", histogram="hog", sweep="eval")
    for row, first in (of(one, held_angle=90), 12), (of(one, training="none", held_angle=None), 48):
        cells = values[first : first + 12, None]
        expected = curve_correlation(curve(cells), np.cos(REGULAR), shuffling())
        assert row["pearson"].tolist() == pytest.approx([expected["pearson"]])
