"""All curves of a question, all data sets and all metrics at once."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from factories import (
    NAMES,
    PERIODS,
    REGULAR,
    analysis,
    at_nominal_rate,
    curves_of,
    grid,
    of,
    score_rows,
    shuffling,
    staggered_grid,
    staggered_rows,
    wave,
)
from scipy import stats

from thetascope.analysis.bounds import Error, amplitude_bound
from thetascope.analysis.curves import curves
from thetascope.analysis.permutation import p_value, permutation_test, wave_shares
from thetascope.analysis.scores import Scores
from thetascope.analysis.together import metrics_table, pooled_table, questions_table
from thetascope.angles import FIXED

MAIN = {"main": {"sweep": ["diagonal"], "series": ["excess"]}}
WEIGHTS = np.array([[1, 0.9, 0.8, 0.3]]).T  # of four metrics in what they share


def sets_rows(cells, **names):
    """Scores of data sets whose means over items are `cells` [sets, angles, seeds]."""
    return [
        score_rows(REGULAR, own, seeds=own.shape[1], dataset=f"d{i}", **names)
        for i, own in enumerate(cells)
    ]


def metric_rows(cells, **names):
    """The same of metrics, `cells` [metrics, angles, seeds]."""
    return [
        score_rows(REGULAR, own, seeds=own.shape[1], metric=f"m{i}", **names)
        for i, own in enumerate(cells)
    ]


def study(name, cells, column):
    """Curves of one item, `cells` [curves, angles, seeds], for simulations of many such studies."""
    places = [(FIXED, theta, theta) for theta in REGULAR]
    nothing = np.full((12, cells.shape[2], 1), np.nan)
    scores = [
        Scores(
            {**NAMES, "encoder": name, column: f"{column}{i}"},
            places,
            np.array(["a"]),
            own[..., None],
            np.zeros_like(nothing),
            nothing,
        )
        for i, own in enumerate(cells)
    ]
    return list(curves(scores))


def correlated(rng, seeds=2):
    """Noise of four metrics of the same maps: [metrics, angles, seeds]."""
    common = rng.normal(size=(1, 12, seeds))
    return WEIGHTS[..., None] * common + 0.3 * rng.normal(size=(4, 12, seeds))


# -- any curve of a question -----------------------------------------------------------------------


def test_any_curve_is_found_at_the_nominal_rate_however_they_hang_together():
    studies = [f"s{i}" for i in range(200)]
    rng = np.random.default_rng(0)
    every = [one for name in studies for one in study(name, correlated(rng), "metric")]
    questions = {name: {**MAIN["main"], "encoder": [name]} for name in studies}
    table = questions_table(every, analysis(questions=questions, permutations=399))
    assert table["question"].tolist() == studies
    assert set(table["n_curves"]) == {4} and set(table["n_tests"]) == {16}
    p = table["p_any_curve"]
    assert at_nominal_rate(p) and at_nominal_rate(p, 0.2)
    assert 0.02 <= (np.array(p) <= 0.05).mean() <= 0.08


def test_p_of_any_curve_is_that_of_the_largest_share():
    cells = correlated(np.random.default_rng(7))
    every, draws = curves_of(*metric_rows(cells)), shuffling(99, 3)
    shares = [wave_shares(grid(REGULAR, 2), own[..., None], PERIODS, draws) for own in cells]
    highest = np.max(shares, axis=(0, 1))
    found = questions_table(every, analysis(questions=MAIN))["p_any_curve"].item()
    assert found == pytest.approx(p_value(highest, highest))
    # of one curve at one period it is its own p
    one = {"main": {**MAIN["main"], "period": [120], "metric": ["m2"]}}
    found = questions_table(every, analysis(questions=one)).iloc[0]
    assert (
        found["p_any_curve"]
        == permutation_test(grid(REGULAR, 2), cells[2][..., None], PERIODS, draws)[0][2]
    )
    assert found["n_tests"] == 1


def test_one_wave_among_many_curves_is_found_whatever_their_grids():
    rng = np.random.default_rng(0)
    rows = sets_rows(0.1 * rng.normal(size=(3, 12, 2)))
    theta = staggered_grid(12, 2)
    waving = 0.1 * rng.normal(size=theta.shape) + wave(theta, 0.3, 90)
    rows.append(staggered_rows(theta, waving, dataset="d9"))
    found = questions_table(curves_of(*rows), analysis(questions=MAIN, permutations=999)).iloc[0]
    assert found["p_any_curve"] <= 0.005 and found["n_curves"] == 4
    settings = analysis(questions={"main": {**MAIN["main"], "dataset": ["d0", "d1", "d2"]}})
    assert questions_table(curves_of(*rows), settings)["p_any_curve"].item() > 0.05


def test_curves_without_a_test_and_exploratory_ones_do_not_count():
    rng = np.random.default_rng(0)
    rows = metric_rows(rng.normal(size=(2, 12, 2)), model="baseline", attribution="sobel")
    assert questions_table(curves_of(*rows), analysis(questions=MAIN)).empty
    rows = metric_rows(rng.normal(size=(2, 12, 2)))
    other = {"main": {**MAIN["main"], "metric": ["m1"]}}
    assert questions_table(curves_of(*rows), analysis(questions=other))["n_curves"].item() == 1
    assert questions_table(curves_of(*rows), analysis(questions={})).empty


# -- all data sets ---------------------------------------------------------------------------------


def test_the_mean_wave_of_data_sets_is_covered_at_its_rate():
    """Sets with waves of their own about a mean of 0.1, in noise."""
    settings = analysis(questions={"main": {**MAIN["main"], "period": [90]}}, confidence=0.9)
    rng, every = np.random.default_rng(0), []
    for i in range(300):
        own = rng.normal([[[0.1]], [[0]]], 0.05, (2, 5, 1))
        waves = wave(REGULAR, own[0], 90) + wave(REGULAR, own[1], 90, 22.5)
        cells = 0.5 + waves[..., None] + rng.normal(0, 0.05, (5, 12, 1))
        every += study(f"s{i}", cells, "dataset")
    table = pooled_table(every, settings)
    assert len(table) == 300 and set(table["n_datasets"]) == {5}
    covered = (table["amplitude_ci_low"] <= 0.1) & (table["amplitude_ci_high"] >= 0.1)
    low, high = stats.binom.interval(0.9999, 300, 0.9)
    assert low <= covered.sum() <= high
    assert low <= (table["amplitude_bound"] >= 0.1).sum() <= high


def test_p_of_the_mean_wave_is_at_its_level():
    """Where every set has a wave, and no two at like angles."""
    settings = analysis(questions={"main": {**MAIN["main"], "period": [90]}})
    rng, every = np.random.default_rng(1), []
    for i in range(300):
        own = rng.normal(0, 0.3, (2, 4, 1))
        waves = wave(REGULAR, own[0], 90) + wave(REGULAR, own[1], 90, 22.5)
        cells = waves[..., None] + rng.normal(0, 0.05, (4, 12, 1))
        every += study(f"s{i}", cells, "dataset")
    p = pooled_table(every, settings)["p"]
    assert at_nominal_rate(p) and at_nominal_rate(p, 0.3)


def test_the_mean_wave_by_hand():
    cells = np.random.default_rng(0).normal(size=(3, 12, 2)) + wave(REGULAR, 3, 90, 10)[:, None]
    table = pooled_table(curves_of(*sets_rows(cells)), analysis(questions=MAIN))
    assert table["period"].tolist() == PERIODS and "dataset" not in table
    found = table.set_index("period").loc[90]
    turns = np.exp(2j * np.pi * REGULAR / 90)
    own = 2 * (cells.mean(axis=2) * turns).mean(axis=1)
    assert found["amplitude"] == pytest.approx(abs(own.mean()))
    assert found["phase_deg"] == pytest.approx(np.angle(own.mean()) * 90 / (2 * np.pi) % 90)
    # cosine and sine have the same variance: F of 2 and 2 (n − 1)
    within = (abs(own - own.mean()) ** 2).sum() / 4
    f = 3 * abs(own.mean()) ** 2 / 2 / within
    assert found["p"] == pytest.approx(stats.f.sf(f, 2, 4))
    error = Error(np.array(within / 3), np.array(4.0))
    bound = amplitude_bound(np.array(abs(own.mean())), error, 0.9)
    assert found["amplitude_bound"] == pytest.approx(bound.item())
    alone = pooled_table(curves_of(*sets_rows(cells[:1])), analysis(questions=MAIN))
    assert alone.empty and list(alone) == list(table)


def test_sets_with_crests_apart_have_no_mean_wave():
    noise = np.random.default_rng(0).normal(0, 0.01, (4, 12, 1))
    settings = analysis(questions=MAIN)
    for crests, found in ([20, 22, 19, 20], True), ([0, 22.5, 45, 67.5], False):
        cells = wave(REGULAR, 0.1, 90, np.reshape(crests, (4, 1)))[..., None] + noise
        table = pooled_table(curves_of(*sets_rows(cells)), settings).set_index("period")
        assert (table.loc[90, "p"] < 0.01) == found
        assert (table.loc[90, "amplitude"] > 0.09) == found


# -- all metrics -----------------------------------------------------------------------------------


def test_a_wave_whatever_the_metric():
    rng = np.random.default_rng(0)
    noise = correlated(rng) * 0.05
    settings = analysis(questions={"main": {**MAIN["main"], "metric": ["m0"]}}, confidence=0.95)
    sizes = np.array([0.1, 0.2, 0.05, 0.08])
    everywhere = noise + (sizes[:, None] * wave(REGULAR, 1, 90))[..., None]
    table = metrics_table(curves_of(*metric_rows(everywhere)), settings).set_index("period")
    assert "metric" not in table and set(table["n_metrics"]) == {4}
    turns = np.exp(2j * np.pi * REGULAR / 90)
    amplitudes = abs(2 * (everywhere.mean(axis=2) * turns).mean(axis=1))
    assert table.loc[90, "amplitude_median"] == pytest.approx(np.median(amplitudes))
    p = [
        permutation_test(grid(REGULAR, 2), own[..., None], PERIODS, shuffling(99, 3))[0]
        for own in everywhere
    ]
    assert table["n_small_p"].tolist() == (np.array(p) <= 0.05 + 1e-12).sum(axis=0).tolist()
    lenient = metrics_table(curves_of(*metric_rows(everywhere)), replace(settings, confidence=0.5))
    assert lenient["n_small_p"].tolist() == (np.array(p) <= 0.5).sum(axis=0).tolist()
    assert table.loc[90, "n_small_p"] == 4 and table.loc[90, "p"] == 0.01
    shares = [
        wave_shares(grid(REGULAR, 2), own[..., None], PERIODS, shuffling(99, 3))
        for own in everywhere
    ]
    mean = np.mean(shares, axis=0)
    assert table["p"].tolist() == pytest.approx(p_value(mean, mean).tolist())


def test_metrics_together_hold_the_level():
    rng, every = np.random.default_rng(0), []
    for i in range(200):
        every += study(f"s{i}", correlated(rng, 1), "metric")
    table = metrics_table(every, analysis(questions=MAIN, permutations=399))
    assert len(table) == 800
    assert all(at_nominal_rate(own) for _, own in table.groupby("period")["p"])
    assert 0.03 <= (table["p"] <= 0.05).mean() <= 0.07


def test_one_metric_is_no_specification_curve():
    rows = pd.concat(metric_rows(np.random.default_rng(0).normal(size=(2, 12, 2))))
    table = metrics_table(curves_of(of(rows, metric="m0")), analysis(questions=MAIN))
    assert table.empty and "amplitude_median" in table
