"""Designs: the noise of a pilot is told apart, and what they promise comes true."""

import numpy as np
import pandas as pd
import pytest
from factories import PERIODS, analysis, curves_of, score_rows, shuffling

from thetascope.analysis.designs import components, design_table, report
from thetascope.analysis.permutation import permutation_test
from thetascope.analysis.planner import seeds_needed

THETA = np.arange(0, 360, 15.0)
QUESTION = {"main": {"series": ["value"]}}


def pilot(run, item, seeds=3, items=6, seed=0, **names):
    rng = np.random.default_rng(seed)
    cells = 0.6 + run * rng.normal(size=(len(THETA), seeds, 1))
    value = cells + item * rng.normal(size=(len(THETA), seeds, items)) + rng.normal(size=items)
    return score_rows(THETA, value, seeds=seeds, items=items, **names)


def benchmarks():
    took = {"pretrain": [50, 70], "finetune": [100], "saliency": [30], "score": [10], "data": [999]}
    return pd.DataFrame(
        [(rule, s) for rule, all_ in took.items() for s in all_], columns=["rule", "s"]
    )


@pytest.mark.parametrize(("run", "item"), [(0.03, 0.05), (0.02, 0.05), (0.05, 0.0)])
def test_the_noise_of_runs_and_cases_is_told_apart(run, item):
    found = []
    for seed in range(30):
        curve = next(
            c for c in curves_of(pilot(run, item, seed=seed)) if c.key["series"] == "value"
        )
        one = components(curve, PERIODS)
        found.append([one.run**2, one.case**2])
    assert np.mean(found, axis=0) == pytest.approx([run**2, item**2 / 2], rel=0.1, abs=2e-5)
    assert one.cell(4) == pytest.approx(np.sqrt(one.run**2 + one.case**2 / 4))


def test_items_of_a_case_that_move_together_count_once():
    """Two items of each of six cases, alike but for a little: six cases, not twelve."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(30):
        case = 0.06 * rng.normal(size=(len(THETA), 3, 6))
        value = 0.6 + case[..., np.arange(12) // 2]
        rows = score_rows(THETA, value, seeds=3, items=12)  # two items of a case
        curve = next(c for c in curves_of(rows) if c.key["series"] == "value")
        found.append(components(curve, PERIODS))
    assert {one.cases for one in found} == {6}
    assert np.mean([one.case**2 for one in found]) == pytest.approx(0.06**2, rel=0.1)
    assert np.mean([one.run**2 for one in found]) < 0.1 * 0.06**2 / 6


def test_the_design_finds_the_wave_four_times_in_five():
    section = analysis(questions=QUESTION, smallest_effect=0.02, confidence=0.95, permutations=499)
    rows = pilot(0.03, 0.06)
    table = design_table(curves_of(rows), benchmarks(), section).set_index(
        ["angles", "times_cases"]
    )
    angles, cases = 24, 6
    seeds, n_tests = (int(table.loc[(angles, 2), name]) for name in ("seeds_all", "n_tests"))
    (curve,) = (c for c in curves_of(rows) if c.key["series"] == "value")
    noise = components(curve, PERIODS).cell(cases)
    theta = np.repeat(np.arange(angles)[:, None] * 360 / angles, seeds, axis=1)
    asked = [360, 180, 120, 90]
    rng = np.random.default_rng(1)
    hits = []
    for i in range(120):
        cells = 0.02 * np.cos(np.deg2rad(2 * theta) + i) + noise * rng.normal(size=theta.shape)
        p = permutation_test(theta, cells[..., None], asked, shuffling(499, i))[0][1]
        hits.append(p <= 0.05 / n_tests)
    assert 0.7 < np.mean(hits) < 0.97  # the least number of seeds that reaches 0.8


def test_seeds_are_for_half_and_all_of_the_curves_at_the_level_of_the_questions_own_tests():
    """Three curves of unlike noise; of four periods one was asked for, and all are fitted."""
    asked = {"main": {"series": ["value"], "period": [90]}}
    section = analysis(questions=asked, smallest_effect=0.02, confidence=0.8)
    noises = enumerate((0.08, 0.02, 0.04))
    curves = curves_of(*[pilot(run, 0.06, seed=i, dataset=f"d{i}") for i, run in noises])
    table = design_table(curves, benchmarks(), section).set_index(["angles", "times_cases"])
    found = [components(c, PERIODS) for c in curves if c.key["series"] == "value"]
    for more in 1, 4:
        row = table.loc[(24, more)]
        noise = [one.cell(more * one.cases) for one in found]
        each = [seeds_needed(24, PERIODS, of_curve, 0.02, 0.2 / 3) for of_curve in noise]
        assert row[["seeds_half", "seeds_all", "n_tests"]].tolist() == [*sorted(each)[1:], 3]
        assert len(set(each)) == 3


def test_a_curve_that_no_number_of_seeds_would_settle_counts_among_the_halves():
    section = analysis(questions=QUESTION, smallest_effect=0.02, confidence=0.95)
    noises = enumerate((9, 9, 0.02))
    curves = curves_of(*[pilot(run, 0.06, seed=i, dataset=f"d{i}") for i, run in noises])
    table = design_table(curves, benchmarks(), section)
    assert table[["seeds_half", "seeds_all"]].isna().all(axis=None)


def test_more_angles_and_cases_take_fewer_seeds_and_runs_have_their_hours():
    section = analysis(questions=QUESTION, smallest_effect=0.02, confidence=0.95)
    rows = [pilot(0.03, 0.06), pilot(0.05, 0.06, seed=1, dataset="e")]
    table = design_table(curves_of(*rows), benchmarks(), section)
    for _, of_angles in table.groupby("angles"):
        assert of_angles["seeds_all"].is_monotonic_decreasing
    for _, of_cases in table.groupby("times_cases"):
        assert of_cases["seeds_all"].is_monotonic_decreasing
    assert (table["seeds_half"] <= table["seeds_all"]).all()
    assert (table["runs"] == table["angles"] * table["seeds_all"]).all()
    of_run = 60 + 100 + table["times_cases"] * 40
    assert table["hours"].tolist() == pytest.approx((table["runs"] * of_run / 3600).tolist())
    words = report(table, 0.02)
    assert "a wave of 0.02 with probability 0.8" in words and "main, corrected for" in words


def test_what_no_design_finds_is_left_open_and_nothing_declared_is_said():
    section = analysis(questions=QUESTION, smallest_effect=1e-4, confidence=0.95)
    table = design_table(curves_of(pilot(0.03, 0.06)), benchmarks(), section)
    assert table[["seeds_all", "runs", "hours"]].isna().all(axis=None)
    assert "–" in report(table, 1e-4)
    other = analysis(questions={"main": {"series": ["turning"], "metric": ["no"]}})
    table = design_table(curves_of(pilot(0.03, 0.06)), benchmarks(), other)
    assert table.empty and "no curve answers a declared question" in report(table, 0.02)
