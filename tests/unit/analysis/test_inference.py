"""The table of tests over θ, and the correction of its p for their number."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from factories import (
    PERIODS,
    REGULAR,
    at_nominal_rate,
    curves_of,
    grid,
    null_cells,
    of,
    score_rows,
    shuffling,
    staggered_grid,
    staggered_rows,
    wave,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from thetascope.analysis.inference import (
    asked_for,
    false_discovery,
    period_tests,
    question_of,
    with_p,
)
from thetascope.analysis.oscillation import oscillation_table
from thetascope.analysis.permutation import agreement_test, permutation_test

modest = settings(max_examples=25, deadline=None)
P = ["p", "p_max", "p_any"]


def period_table(*rows, periods=PERIODS, permutations=None):
    return period_tests(curves_of(*rows), periods, permutations or shuffling())


def curve_of(table, series="value", sweep="diagonal"):
    return of(table, sweep=sweep, series=series).set_index("period")


def of_runs(cells, theta=REGULAR, **names):
    """Scores whose means over items are `cells` [angles, seeds], beside a chance of 0.25."""
    return score_rows(theta, cells, seeds=cells.shape[1], **names)


# -- table of tests --------------------------------------------------------------------------------


def test_table_has_the_rows_of_the_oscillation_table():
    rows = of_runs(null_cells(np.random.default_rng(0), 12, 2) + wave(REGULAR, 9, 90)[:, None])
    tests = period_table(rows, periods=[*PERIODS, 60], permutations=shuffling(199))
    shares = oscillation_table(curves_of(rows), [*PERIODS, 60], 0.9)
    key = [c for c in shares.columns if c in tests.columns]
    assert {"dataset", "series", "period", "resolved", "n_cases"} <= set(key)
    pd.testing.assert_frame_equal(tests[key], shares[key])
    value = curve_of(tests)
    assert value.loc[90, "p"] < 1e-4 and value.loc[90, "p_any"] == 0.005
    assert np.isnan(value.loc[60, "p"]) and not value.loc[60, "resolved"]
    assert curve_of(tests, "chance")[P].isna().all(axis=None)


def test_each_series_is_tested_by_its_own_scores():
    rng = np.random.default_rng(4)
    pairs = [*REGULAR, *((a, 15.0) for a in REGULAR)]  # a diagonal and a sweep over training
    measures = rng.normal(0, 0.5, (3, 24, 3))
    # chance and own cut swing with θ
    measures[1:] += np.tile(wave(REGULAR, [[0.3], [0.7]], 120), 2)[..., None]
    table = period_table(score_rows(pairs, *measures, seeds=3))
    for sweep, place in ("diagonal", slice(12)), ("train", slice(12, None)):
        value, chance, own_cut = measures[:, place]
        series = {"value": value, "excess": value - chance, "turning": value - own_cut}
        for name, cells in series.items():
            cells = (cells - cells.mean(axis=0))[..., None]
            found = curve_of(table, name, sweep)
            p, p_max = permutation_test(grid(REGULAR, 3), cells, PERIODS, shuffling())
            assert found["p"].tolist() == p.tolist() and found["p_max"].tolist() == p_max.tolist()
            without_0 = permutation_test(grid(REGULAR, 3), cells, PERIODS, shuffling(), spike=True)
            if p.min() <= 0.05:
                assert found["p_without_0"].tolist() == without_0[0].tolist()
            else:  # nobody asks
                assert found["p_without_0"].isna().all()
            assert set(found["p_any"]) == {agreement_test(grid(REGULAR, 3), cells, shuffling())}
    p = table.pivot(index=["sweep", "series"], columns="period", values="p").dropna()
    assert len(p) == 6 and not p.duplicated().any()  # none could stand for another
    assert 0 < table["p_without_0"].notna().sum() < 24


def test_whether_a_wave_rests_on_0_is_asked_at_the_level_of_the_tests():
    rows = of_runs(null_cells(np.random.default_rng(0), 12, 2))
    smallest = curve_of(period_table(rows))["p"].min()
    for level, asked in (smallest, True), (smallest - 0.001, False):
        found = curve_of(period_table(rows, permutations=replace(shuffling(), level=level)))
        assert found["p_without_0"].notna().any() == asked


def test_items_are_no_replicates_of_a_run():
    cells = null_cells(np.random.default_rng(0), 12, 2)
    spread = [cells[..., None] + np.linspace(-1, 1, n) for n in (2, 40)]
    few, many = (period_table(score_rows(REGULAR, v, seeds=2, items=v.shape[2])) for v in spread)
    pd.testing.assert_frame_equal(few[P], many[P])


@modest
@given(
    st.integers(0, 2**31).map(lambda s: np.random.default_rng(s).normal(size=(12, 2))),
    st.permutations(range(48)),
)
def test_order_and_names_of_items_do_not_matter(cells, order):
    rows = of_runs(cells)
    renamed = rows.assign(item=rows["item"].map({"i0": "i9", "i1": "i1"}))
    before, after = (period_table(r) for r in (rows, renamed.loc[order]))
    pd.testing.assert_frame_equal(before, after)


def test_staggered_seeds_are_tested_at_periods_that_no_seed_resolves_alone():
    theta = staggered_grid(12, 3)
    cells = 0.4 + wave(theta, 2, 45, 10) + null_cells(np.random.default_rng(0), 12, 3)
    found = curve_of(period_table(staggered_rows(theta, cells), periods=[90, 60, 45, 30]))
    assert found["resolved"].tolist() == [True, True, True, False]
    assert found["p"].idxmin() == 45 and found.loc[45, "p"] <= 0.01
    assert found["p_any"].isna().all() and set(found["n_angles"]) == {36}
    expected = permutation_test(theta, cells[..., None], [90, 60, 45], shuffling())[0]
    assert found["p"].tolist() == pytest.approx([*expected, np.nan], nan_ok=True)


def test_what_rests_on_0_where_too_few_angles_are_left_is_no_wave_without_it():
    """Eight angles of one seed and three waves: without 0 there is nothing to test by."""
    noise = np.random.default_rng(59).normal(size=(8, 1))  # which has waves with p ≤ 0.05
    rows = of_runs(noise, np.arange(8) * 45.0)
    found = curve_of(period_tests(curves_of(rows), [360, 180, 120], shuffling()))
    tested = found["p"].notna()
    assert tested.any() and found["p"].min() <= 0.05
    assert (found["p_without_0"][tested] == 1).all() and found["p_without_0"][~tested].isna().all()


def test_a_spike_at_0_has_a_small_p_at_some_period_and_none_without_0():
    noise = 0.05 * np.random.default_rng(5).normal(size=(12, 3))
    spike = curve_of(period_table(of_runs(noise + 0.4 * (REGULAR == 0)[:, None])))
    # seeds agree on it; one angle of one seed alone is no evidence
    assert spike["p"].min() <= 0.02 and spike["p_without_0"].min() > 0.05
    waving = curve_of(period_table(of_runs(noise + wave(REGULAR, 0.08, 90)[:, None])))
    assert waving.loc[90, ["p", "p_without_0"]].max() <= 0.01
    other = curve_of(period_table(of_runs(noise, REGULAR + 5)))
    assert other["p_without_0"].isna().all() and other["p"].notna().all()


def test_a_quarter_of_the_circle_resolves_nothing_and_breaks_nothing():
    theta = np.array([0, 30, 60, 90])
    rows = of_runs(null_cells(np.random.default_rng(0), 4, 3) + theta[:, None], theta)
    value = curve_of(period_table(rows))
    assert not value["resolved"].any() and value[["p", "p_max"]].isna().all(axis=None)
    assert (value["p_any"] <= 0.02).all()  # that seeds agree needs no period


def test_flat_curves_are_no_evidence():
    value = curve_of(period_table(score_rows(REGULAR, 0.1 + 0.2, seeds=2)))
    assert (value[P] == 1).all(axis=None)


def test_of_maps_without_a_network_only_those_of_noise_are_tested():
    cells = np.random.default_rng(0).normal(size=(12, 2))
    names = ["sobel", "centre", "hog", "footprint", "random"]
    table = curve_of(period_table(of_runs(cells, model="baseline", attribution=names)))
    tested = table["p"].notna().groupby(table["attribution"]).all()
    assert tested.to_dict() == {name: name == "random" for name in names}


def test_one_encoder_seen_from_all_angles_is_not_tested():
    trained = [0, 90, 180, 270, "random"]
    pairs = [(t, e) for t in trained for e in REGULAR]
    tests = period_table(of_runs(np.random.default_rng(0).normal(size=(60, 2)), pairs))
    for sweep in "eval", "eval_margin":
        assert of(tests, sweep=sweep)["p"].isna().all()
    assert of(tests, sweep="eval", training="random", held_angle=None)["series"].nunique() == 4
    tested = tests[tests["resolved"] & (tests["series"] != "chance")]
    assert of(tested, sweep="train")["held_angle"].nunique() == 12
    for sweep in "diagonal", "train", "train_margin":
        assert not of(tests, sweep=sweep).empty
        assert of(tested, sweep=sweep)["p"].notna().all()


# -- false discovery -------------------------------------------------------------------------------


def benjamini_hochberg(p):
    """q of each p: the smallest level at which the step-up procedure rejects it."""
    steps = np.sort(p) * len(p) / np.arange(1, len(p) + 1)
    return [steps[np.sort(p) >= own].min() for own in p]


def test_questions_and_all_other_rows_are_corrected_apart():
    p = np.array([0.001, 0.02, 0.03, np.nan, 0.004, 0.5, 0.04, 0.9, 0.01, 0.2])
    tests = pd.DataFrame({"p": p, "metric": ["auroc"] * 4 + ["dice"] * 4 + ["auprc"] * 2})
    tests = tests.assign(
        dataset="d", attribution="smoothgrad", series=["a", "b"] * 5, period=np.arange(10)
    )
    questions = {"one": {"metric": ["auroc"], "series": ["a", "b"]}, "two": {"metric": ["dice"]}}
    table = false_discovery(tests, questions)
    assert table["question"].tolist() == ["one"] * 4 + ["two"] * 4 + ["exploratory"] * 2
    for rows in slice(3), slice(4, 8), slice(8, 10):
        assert table["q"][rows].tolist() == pytest.approx(benjamini_hochberg(p[rows]))
    assert np.isnan(table["q"][3])
    pd.testing.assert_frame_equal(table[list(tests)], tests)
    narrow = false_discovery(tests, {"main": {"metric": ["auroc"], "series": ["a"]}})
    assert (narrow["question"] == "main").tolist() == [True, False, True, False] + [False] * 6


def three_tests():
    rows = {"p": [0.01, 0.02, 0.03], "metric": ["x", "x", "y"], "period": [1, 2, 2]}
    return pd.DataFrame(rows).assign(dataset="d", attribution="smoothgrad")


def test_a_curve_belongs_to_the_first_question_that_asks_for_it():
    both = {"x": {"metric": ["x"]}, "any": {"metric": ["x", "y"]}}
    assert false_discovery(three_tests(), both)["question"].tolist() == ["x", "x", "any"]
    turned = dict(reversed(both.items()))
    assert false_discovery(three_tests(), turned)["question"].tolist() == ["any"] * 3


def test_periods_of_a_curve_may_belong_to_different_questions():
    questions = {"wave": {"metric": ["x"], "period": [2]}, "any": {"metric": ["x", "y"]}}
    table = false_discovery(three_tests(), questions)
    assert table["question"].tolist() == ["any", "wave", "any"]
    assert table["q"].tolist() == [0.02, 0.02, 0.03]
    alone = false_discovery(three_tests(), {"wave": questions["wave"]})
    assert alone["question"].tolist() == ["exploratory", "wave", "exploratory"]


def test_data_sets_that_a_question_names_are_not_meant_by_those_that_name_none():
    tests = pd.DataFrame({"dataset": ["real", "toy", "toy"], "metric": ["x", "x", "y"]})
    tests = tests.assign(p=0.02, period=90, attribution="smoothgrad")
    questions = {"main": {"metric": ["x"]}, "check": {"dataset": ["toy"], "metric": ["y"]}}
    named = ["main", "exploratory", "check"]
    assert false_discovery(tests, questions)["question"].tolist() == named
    assert question_of(tests, questions).tolist() == named
    assert asked_for(tests, "main", {"main": questions["main"]}).tolist() == [True, True, False]


def test_mean_maps_of_other_pictures_are_meant_by_those_alone_that_name_attributions():
    rows = three_tests().assign(attribution=["smoothgrad", "others", "probe"], metric="x")
    assert asked_for(rows, "main", {"main": {"metric": ["x"]}}).tolist() == [True, False, True]
    named = {"main": {"metric": ["x"], "attribution": ["others"]}}
    assert asked_for(rows, "main", named).tolist() == [False, True, False]
    assert asked_for(rows, "main", named, ["attribution"]).all()


def test_columns_may_be_left_free():
    questions = {"main": {"metric": ["x"]}, "other": {"metric": ["y"]}}
    rows = three_tests()
    assert question_of(rows, questions).tolist() == ["main", "main", "other"]
    assert question_of(rows, questions, ["metric"]).tolist() == ["main"] * 3
    assert asked_for(rows, "other", questions, ["metric"]).all()


def test_without_questions_all_is_exploratory():
    tests = pd.DataFrame({"p": [0.01, 0.04], "metric": "x", "dataset": "d", "attribution": "m"})
    table = false_discovery(tests, {})
    assert set(table["question"]) == {"exploratory"} and table["q"].tolist() == [0.02, 0.04]


def test_what_is_declared_of_a_held_angle_is_found_as_a_number():
    tests = pd.DataFrame(
        {"held_angle": [np.nan, 30.0, 60.0], "p": [0.1, 0.2, 0.3], "dataset": "d"}
    ).assign(attribution="m")
    found = false_discovery(tests, {"main": {"held_angle": [30]}})["question"]
    assert found.tolist() == ["exploratory", "main", "exploratory"]


def test_q_comes_from_p_and_not_from_p_max():
    tests = pd.DataFrame({"period": [1, 2], "p": [0.01, 0.04], "p_max": [0.3, 0.4], "p_any": 0.9})
    found = false_discovery(
        tests.assign(dataset="d", attribution="smoothgrad"), {"main": {"period": [1, 2]}}
    )
    assert found["q"].tolist() == [0.02, 0.04]


def test_false_discoveries_among_nulls_are_at_the_level():
    rng = np.random.default_rng(0)
    any_found = []
    for _ in range(400):
        tests = pd.DataFrame({"p": rng.uniform(size=20), "metric": "auroc", "period": range(20)})
        q = false_discovery(
            tests.assign(dataset="d", attribution="smoothgrad"), {"main": {"metric": ["auroc"]}}
        )["q"]
        any_found.append((q <= 0.05).any())
    assert at_nominal_rate(1 - np.array(any_found))


def test_a_question_that_nothing_meets_is_named_and_leaves_its_rows_to_others(caplog):
    tests = pd.DataFrame({"metric": "auroc", "period": range(3), "p": [0.01, 0.02, 0.5]})
    questions = {"typo": {"metric": ["auc"]}, "met": {"period": [0]}}
    table = false_discovery(tests.assign(dataset="d", attribution="smoothgrad"), questions)
    assert table["question"].tolist() == ["met", "exploratory", "exploratory"]
    assert table["q"].tolist() == pytest.approx([0.01, 0.04, 0.5])
    assert "analysis.questions.typo" in caplog.text and "questions.met" not in caplog.text


def test_no_tests_no_discoveries():
    tests = period_table(score_rows([0, 90], 0.5))
    table = false_discovery(tests, {"main": {"metric": ["auroc"]}})
    assert table.empty and {"question", "q"} <= set(table.columns)


# -- one model seen from all angles ----------------------------------------------------------------


def seen(rng, cases, content=0.0, own_cut=0.0, turned=None):
    """Scores of one model over θ: cases of two items, whose own waves scatter by 0.02."""
    phi = np.zeros(2 * cases) if turned is None else turned
    z = 0.02 * (rng.normal(size=cases) + 1j * rng.normal(size=cases)).repeat(2)
    z = z + content * np.exp(-4j * np.deg2rad(phi))
    curve = (z * np.exp(-4j * np.deg2rad(REGULAR[:, None]))).real + wave(REGULAR, own_cut, 90)[
        :, None
    ]
    pairs = [("random", e) for e in REGULAR]
    cut = np.broadcast_to(wave(REGULAR, own_cut, 90)[:, None, None], (12, 1, 2 * cases))
    rows = score_rows(pairs, 0.5 + curve[:, None], 0.5, cut, items=2 * cases)
    return rows if turned is None else rows.assign(pre_rotation=np.tile(phi, len(REGULAR)))


def test_cases_test_what_does_not_change_with_the_corners():
    rows = seen(np.random.default_rng(0), 20, content=0.03, own_cut=0.2)
    for discs, excess in ([], False), (["plain"], True):
        table = period_tests(curves_of(rows), PERIODS, shuffling(), discs)
        p = {
            name: curve_of(table, name, "eval").loc[90, "p"]
            for name in ("value", "excess", "turning")
        }
        assert np.isnan(p["value"]) and np.isfinite(p["excess"]) == excess
        assert p["turning"] < 0.01
    few = period_tests(curves_of(seen(np.random.default_rng(0), 7, 0.03)), PERIODS, shuffling())
    assert few["p"].isna().all()


def test_what_a_map_has_over_that_of_other_cases_is_tested_by_cases_in_a_disc_alone():
    rows = seen(np.random.default_rng(0), 20, content=0.03)
    others = rows.assign(attribution="others", value=0.5)
    both = pd.concat([rows.assign(attribution="smoothgrad"), others])
    for discs, tested in ([], False), (["plain"], True):
        table = period_tests(curves_of(both), PERIODS, shuffling(), discs)
        p = curve_of(table[table["attribution"] == "smoothgrad"], "picture", "eval").loc[90, "p"]
        assert np.isfinite(p) == tested


def test_cases_hold_their_level():
    p = [
        curve_of(
            period_tests(curves_of(seen(np.random.default_rng(i), 12)), PERIODS, shuffling()),
            "turning",
            "eval",
        ).loc[90, "p"]
        for i in range(200)
    ]
    assert at_nominal_rate(p)


def test_p_max_counts_the_periods_that_were_tested_alone():
    rows = with_p([{"p": 1.0}] * 3, np.array([0.01, np.nan, 0.7]))
    assert [row["p"] for row in rows] == pytest.approx([0.01, np.nan, 0.7], nan_ok=True)
    assert [row["p_max"] for row in rows] == pytest.approx([0.02, np.nan, 1], nan_ok=True)


def test_pictures_that_were_turned_beforehand_are_tested_by_that():
    """A wave of the canvas is in every series and moves with nothing; content moves along."""
    rng = np.random.default_rng(1)
    turned = rng.uniform(0, 360, (2, 40))  # of two seeds
    for content, found in (0.04, True), (0.0, False):
        rows = [seen(rng, 20, content, 0.3, own).assign(seed=i) for i, own in enumerate(turned)]
        table = period_tests(curves_of(*rows), PERIODS, shuffling(499))
        p = curve_of(table, "value", "eval").loc[90, "p"]
        assert (p < 0.01) == found and np.isfinite(p)
        assert curve_of(table, "chance", "eval")["p"].isna().all()  # computed
