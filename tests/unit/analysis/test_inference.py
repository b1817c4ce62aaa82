"""Tests over θ have known answers, hold their level, and agree with other ways to compute them."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from factories import (
    FINE,
    IRREGULAR,
    PERIODS,
    REGULAR,
    WITH_360,
    at_nominal_rate,
    intervals,
    null_cells,
    of,
    score_rows,
    shuffling,
    wave,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from thetascope.analysis.inference import (
    contrasts,
    false_discovery,
    interaction_tests,
    period_tests,
    permutation_test,
    shuffled_means,
)
from thetascope.analysis.scores import arrange
from thetascope.analysis.waves import harmonics, oscillation_table

modest = settings(max_examples=25, deadline=None)


def period_table(*rows, periods=PERIODS, permutations=None):
    return period_tests(arrange(rows), periods, permutations or shuffling())


def differences(*rows, permutations=None):
    return interaction_tests(arrange(rows), PERIODS, permutations or shuffling())


def curve_of(table, series="value", sweep="diagonal"):
    return of(table, sweep=sweep, series=series).set_index("period")


def of_runs(cells, theta=REGULAR, **names):
    """Scores whose means over items are `cells` [angles, seeds], beside a chance of 0.25."""
    return score_rows(theta, cells, seeds=cells.shape[1], **names)


# -- permutation test: known answers ---------------------------------------------------------------


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("theta", [REGULAR, WITH_360, IRREGULAR])
def test_wave_is_found_at_its_period_alone(theta, seeds):
    rng = np.random.default_rng(3)
    cells = wave(theta, 4, 90, 20)[:, None] + rng.normal(size=(len(theta), seeds)) / 2
    p, p_max, p_any = permutation_test(theta, cells[..., None], PERIODS, shuffling(999, 0))
    assert p_max[3] <= (0.03 if seeds == 1 else 0.001)
    assert p[:3].min() > 0.05
    assert (p_max >= p).all()
    assert np.isnan(p_any) if seeds == 1 else p_any == 0.001


def test_flat_curves_are_no_evidence():
    p, p_max, p_any = permutation_test(
        REGULAR, np.full((12, 2, 1), 0.1 + 0.2), PERIODS, shuffling()
    )
    assert (p == 1).all() and (p_max == 1).all() and p_any == 1


def test_p_is_that_of_all_permutations():
    theta, curve = np.arange(0, 360, 60.0), np.array([3, 1, 2, 0, -1, 0.5])
    every = np.array(list(permutations(curve))).T
    power = harmonics(theta, every, [360])[2][0]
    share = power / (power + ((curve - curve.mean()) ** 2).sum() - power)
    exact = (share >= share[0] - 1e-9).mean()
    p = permutation_test(theta, curve[:, None, None], [360], shuffling(20_000, 0))[0][0]
    assert p == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 20_000) ** 0.5)


def test_no_degree_of_freedom_no_test():
    theta = np.arange(0, 360, 360 / 7)
    cells = np.random.default_rng(0).normal(size=(7, 2, 1))
    assert np.isnan(
        permutation_test(theta, cells[:, :1], [360, 180, 120], shuffling(99, 0))[:2]
    ).all()
    assert np.isfinite(permutation_test(theta, cells, [360, 180, 120], shuffling(99, 0))[0]).all()


def test_agreement_between_seeds_of_any_shape_is_found():
    spike = np.where(REGULAR == 150, 5.0, 0)[:, None, None]
    noise = np.random.default_rng(0).normal(size=(12, 3, 1))
    assert permutation_test(REGULAR, spike + noise, PERIODS, shuffling(999, 0))[2] <= 0.005


# -- permutation test: level and references --------------------------------------------------------


def f_test(theta, cells, periods):
    """p of each period by harmonic regression with a level per seed, in Gaussian noise."""
    angles, seeds = cells.shape
    levels = np.tile(np.eye(seeds), (angles, 1))
    waves = [np.repeat(wave(theta, 1, p, q * p / 4), seeds) for p in periods for q in (0, 1)]

    def residual(kept):
        design = np.column_stack([levels, *(waves[i] for i in kept)])
        return ((cells.ravel() - design @ np.linalg.lstsq(design, cells.ravel())[0]) ** 2).sum()

    every = range(2 * len(periods))
    freedom = seeds * (angles - 1) - len(every)
    full = residual(every)
    without = [residual([k for k in every if k // 2 != i]) for i in range(len(periods))]
    return stats.f.sf((np.array(without) - full) / 2 / (full / freedom), 2, freedom)


@pytest.mark.parametrize(
    ("theta", "seeds"), [(REGULAR, 1), (WITH_360, 2), (IRREGULAR, 1), (IRREGULAR, 3)]
)
def test_p_agrees_with_the_f_test_in_gaussian_noise(theta, seeds):
    rng = np.random.default_rng(1)
    ours, theirs = [], []
    for i in range(40):
        curve = wave(theta, rng.uniform(0, 1), 90) + wave(theta, rng.uniform(0, 1), 180, 30)
        cells = curve[:, None] + rng.normal(size=(len(theta), seeds)) + rng.normal(size=seeds)
        ours.append(permutation_test(theta, cells[..., None], PERIODS, shuffling(999, i))[0])
        theirs.append(f_test(theta, cells, PERIODS))
    assert np.ravel(ours) == pytest.approx(np.ravel(theirs), abs=0.08)
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.01)


@pytest.mark.parametrize(
    ("theta", "seeds", "heavy_tails"),
    [
        (REGULAR, 1, False),
        (REGULAR, 3, False),
        (REGULAR, 2, True),
        (WITH_360, 2, False),
        (IRREGULAR, 5, False),
    ],
)
def test_false_positives_come_at_the_nominal_rate(theta, seeds, heavy_tails):
    found = []
    for i in range(400):
        rng = np.random.default_rng(i)
        draw = (lambda size, rng=rng: rng.standard_t(3, size)) if heavy_tails else None
        cells = null_cells(rng, len(theta), seeds, draw=draw)
        p, p_max, p_any = permutation_test(
            theta, cells[..., None], PERIODS, shuffling(199, i + 1000)
        )
        found.append([*p, p_max.min(), p_any])
    rates = np.array(found).T
    assert all(at_nominal_rate(p) for p in rates[: 5 if seeds == 1 else 6])


@pytest.mark.parametrize("theta", [REGULAR, IRREGULAR])
def test_a_wave_at_another_period_does_not_change_the_level(theta):
    found = []
    for i in range(400):
        rng = np.random.default_rng(i)
        cells = wave(theta, 3, 90)[:, None] + null_cells(rng, len(theta), 2)
        found.append(
            permutation_test(theta, cells[..., None], PERIODS, shuffling(199, i + 1000))[0][:3]
        )
    assert all(at_nominal_rate(p) for p in np.transpose(found))


def test_items_are_no_replicates_of_a_run():
    cells = null_cells(np.random.default_rng(0), 12, 2)
    spread = [cells[..., None] + np.linspace(-1, 1, n) for n in (2, 40)]
    few, many = (period_table(score_rows(REGULAR, v, seeds=2, items=v.shape[2])) for v in spread)
    pd.testing.assert_frame_equal(few[["p", "p_max", "p_any"]], many[["p", "p_max", "p_any"]])


# -- permutation test: invariances -----------------------------------------------------------------

any_cells = st.integers(0, 2**31).map(lambda s: np.random.default_rng(s).normal(size=(12, 2, 1)))


@modest
@given(any_cells, st.floats(-5, 5), st.floats(0.5, 20), st.permutations(range(4)))
def test_level_unit_and_order_of_periods_do_not_matter(cells, level, unit, order):
    before = permutation_test(REGULAR, cells, PERIODS, shuffling(99, 0))
    moved = unit * cells + np.array([level, -level])[:, None]
    after = permutation_test(REGULAR, moved, [PERIODS[i] for i in order], shuffling(99, 0))
    assert after[0].tolist() == before[0][order].tolist()
    assert after[1].tolist() == before[1][order].tolist()
    assert after[2] == before[2]


@modest
@given(any_cells, st.permutations(range(48)))
def test_order_and_names_of_items_do_not_matter(cells, order):
    rows = of_runs(cells[..., 0])
    renamed = rows.assign(item=rows["item"].map({"i0": "i9", "i1": "i1"}))
    before, after = (period_table(r) for r in (rows, renamed.loc[order]))
    pd.testing.assert_frame_equal(before, after)


def test_arrays_of_one_shape_are_shuffled_alike():
    cells = np.random.default_rng(0).normal(size=(12, 3))
    assert shuffled_means(2 * cells, shuffling(50, 7)) == pytest.approx(
        2 * shuffled_means(cells, shuffling(50, 7))
    )
    assert (
        shuffled_means(cells, shuffling(50, 7)) != shuffled_means(cells, shuffling(50, 8))
    ).any()


# -- table of tests --------------------------------------------------------------------------------


def test_table_has_the_rows_of_the_oscillation_table():
    rows = of_runs(null_cells(np.random.default_rng(0), 12, 2) + wave(REGULAR, 9, 90)[:, None])
    tests = period_table(rows, periods=[*PERIODS, 60])
    shares = oscillation_table(arrange([rows]), [*PERIODS, 60], intervals())
    key = [c for c in shares.columns if c in tests.columns]
    pd.testing.assert_frame_equal(tests[key], shares[key])
    value = curve_of(tests)
    assert value.loc[90, ["p", "p_max", "p_any"]].tolist() == [0.01, 0.01, 0.01]
    assert np.isnan(value.loc[60, "p"]) and not value.loc[60, "resolved"]
    assert curve_of(tests, "chance")[["p", "p_max", "p_any"]].isna().all(axis=None)


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
            expected = permutation_test(REGULAR, cells[..., None], PERIODS, shuffling())
            found = curve_of(table, name, sweep)
            assert found["p"].tolist() == expected[0].tolist()
            assert found["p_max"].tolist() == expected[1].tolist()
            assert set(found["p_any"]) == {expected[2]}
    p = table.pivot(index=["sweep", "series"], columns="period", values="p").dropna()
    assert len(p) == 6 and not p.duplicated().any()  # none could stand for another


def test_a_quarter_of_the_circle_resolves_nothing_and_breaks_nothing():
    theta = np.array([0, 30, 60, 90])
    rows = [
        of_runs(null_cells(np.random.default_rng(i), 4, 3) + theta[:, None], theta, dataset=name)
        for i, name in enumerate("ab")
    ]
    value = curve_of(period_table(*rows))
    assert not value["resolved"].any() and value[["p", "p_max"]].isna().all(axis=None)
    assert (value["p_any"] <= 0.02).all()  # that seeds agree needs no period
    assert curve_of(differences(*rows))["p"].isna().all()


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
    tests = tests.assign(series=["a", "b"] * 5, period=np.arange(10))
    questions = {"one": {"metric": ["auroc"], "series": ["a", "b"]}, "two": {"metric": ["dice"]}}
    table = false_discovery(tests, questions)
    assert table["question"].tolist() == ["one"] * 4 + ["two"] * 4 + ["exploratory"] * 2
    for rows in slice(3), slice(4, 8), slice(8, 10):
        assert table["q"][rows].tolist() == pytest.approx(benjamini_hochberg(p[rows]))
    assert np.isnan(table["q"][3])
    pd.testing.assert_frame_equal(table[list(tests)], tests)
    narrow = false_discovery(tests, {"main": {"metric": ["auroc"], "series": ["a"]}})
    assert (narrow["question"] == "main").tolist() == [True, False, True, False] + [False] * 6


def test_a_curve_belongs_to_the_first_question_that_asks_for_it():
    tests = pd.DataFrame({"p": [0.01, 0.02, 0.03], "metric": ["x", "x", "y"], "period": [1, 2, 2]})
    both = {"x": {"metric": ["x"]}, "any": {"metric": ["x", "y"]}}
    assert false_discovery(tests, both)["question"].tolist() == ["x", "x", "any"]
    turned = dict(reversed(both.items()))
    assert false_discovery(tests, turned)["question"].tolist() == ["any"] * 3


def test_periods_that_a_question_does_not_ask_for_go_to_no_other_question():
    """Else another question would say of the same curve that nothing was found."""
    tests = pd.DataFrame({"p": [0.01, 0.02, 0.03], "metric": ["x", "x", "y"], "period": [1, 2, 2]})
    questions = {"wave": {"metric": ["x"], "period": [2]}, "any": {"metric": ["x", "y"]}}
    table = false_discovery(tests, questions)
    assert table["question"].tolist() == ["exploratory", "wave", "any"]
    assert table["q"].tolist() == [0.01, 0.02, 0.03]


def test_without_questions_all_is_exploratory():
    tests = pd.DataFrame({"p": [0.01, 0.04], "metric": "x"})
    table = false_discovery(tests, {})
    assert set(table["question"]) == {"exploratory"} and table["q"].tolist() == [0.02, 0.04]


def test_what_is_declared_of_a_held_angle_is_found_as_a_number():
    tests = pd.DataFrame({"held_angle": [np.nan, 30.0, 60.0], "p": [0.1, 0.2, 0.3]})
    found = false_discovery(tests, {"main": {"held_angle": [30]}})["question"]
    assert found.tolist() == ["exploratory", "main", "exploratory"]


def test_q_comes_from_p_and_not_from_p_max():
    tests = pd.DataFrame({"period": [1, 2], "p": [0.01, 0.04], "p_max": [0.3, 0.4], "p_any": 0.9})
    assert false_discovery(tests, {"main": {"period": [1, 2]}})["q"].tolist() == [0.02, 0.04]


def test_false_discoveries_among_nulls_are_at_the_level():
    rng = np.random.default_rng(0)
    any_found = []
    for _ in range(400):
        tests = pd.DataFrame({"p": rng.uniform(size=20), "metric": "auroc", "period": range(20)})
        q = false_discovery(tests, {"main": {"metric": ["auroc"]}})["q"]
        any_found.append((q <= 0.05).any())
    assert at_nominal_rate(1 - np.array(any_found))


def test_a_question_that_nothing_meets_is_named_and_leaves_its_rows_to_others(caplog):
    tests = pd.DataFrame({"metric": "auroc", "period": range(3), "p": [0.01, 0.02, 0.5]})
    table = false_discovery(tests, {"typo": {"metric": ["auc"]}, "met": {"period": [0]}})
    assert table["question"].tolist() == ["met", "exploratory", "exploratory"]
    assert table["q"].tolist() == pytest.approx([0.01, 0.04, 0.5])
    assert "analysis.questions.typo" in caplog.text and "questions.met" not in caplog.text


def test_no_tests_no_discoveries():
    tests = period_table(score_rows([0, 90], 0.5))
    table = false_discovery(tests, {"main": {"metric": ["auroc"]}})
    assert table.empty and {"question", "q"} <= set(table.columns)


# -- data set × θ ----------------------------------------------------------------------------------


def sets_cells(rng, common, noises, seeds):
    """Curves of data sets that differ in noise and level only: [angles, seeds, sets]."""
    cells = [null_cells(rng, len(common), seeds, run=noise) for noise in noises]
    return np.stack(cells, axis=2) + common[:, None, None]


@pytest.mark.parametrize(
    ("seeds", "noises"), [(1, (0.3, 3)), (2, (0.3, 1, 3)), (3, (0.2, 0.4, 0.8, 1.5, 3))]
)
def test_equal_shapes_are_called_different_at_the_nominal_rate(seeds, noises):
    common, found = wave(REGULAR, 3, 90) + wave(REGULAR, 2, 360, 70), []
    for i in range(300):
        cells = sets_cells(np.random.default_rng(i), common, noises, seeds)
        p, p_max, p_any = permutation_test(
            REGULAR, contrasts(cells), PERIODS, shuffling(199, i + 1000)
        )
        found.append([*p, p_max.min(), p_any])
    rates = np.array(found).T
    assert all(at_nominal_rate(p) for p in rates[: 5 if seeds == 1 else 6])


@pytest.mark.parametrize("seeds", [1, 3])
def test_difference_at_one_period_does_not_change_the_level_of_others(seeds):
    found = []
    for i in range(300):
        cells = sets_cells(np.random.default_rng(i), np.zeros(12), (1, 1, 1), seeds)
        cells[..., 0] += wave(REGULAR, 5, 180)[:, None]
        p = permutation_test(REGULAR, contrasts(cells), PERIODS, shuffling(199, i + 1000))[0]
        found.append(np.delete(p, 1))
    assert all(at_nominal_rate(p) for p in np.transpose(found))


def test_agrees_with_the_f_of_pillais_trace():
    ours, theirs = [], []
    for i in range(40):
        cells = np.random.default_rng(i).normal(size=(12, 3, 3))
        cells[..., 0] += wave(REGULAR, i / 40, 90)[:, None]
        ours.append(permutation_test(REGULAR, contrasts(cells), PERIODS, shuffling(999, i))[2])
        difference = cells[..., :2] - cells[..., 2:]  # parallel profiles: angles are the groups
        difference = difference - difference.mean(axis=0)
        mean = difference.mean(axis=1)
        hypothesis = 3 * mean.T @ mean
        total = difference.reshape(-1, 2).T @ difference.reshape(-1, 2)
        trace = np.trace(hypothesis @ np.linalg.inv(total))
        m, n = (11 - 2 - 1) / 2, (22 - 2 - 1) / 2  # hypothesis 11, error 22 degrees of freedom
        f = (2 * n + 3) / (2 * m + 3) * trace / (2 - trace)
        theirs.append(stats.f.sf(f, 2 * (2 * m + 3), 2 * (2 * n + 3)))
    assert ours == pytest.approx(theirs, abs=0.08)


@pytest.mark.parametrize(("theta", "seeds"), [(FINE, 1), (REGULAR, 3)])
def test_different_curves_are_found_at_their_period(theta, seeds):
    cells = sets_cells(np.random.default_rng(2), wave(theta, 5, 90), (1, 1, 1), seeds)
    cells[..., 2] += wave(theta, 5, 180, 40)[:, None]
    rows = [of_runs(cells[..., i], theta, dataset=f"d{i}") for i in range(3)]
    table = differences(*rows, permutations=shuffling(999))
    assert "dataset" not in table
    assert (table[["n_datasets", "n_seeds"]] == [3, seeds]).all(axis=None)
    value = curve_of(table)
    assert value.loc[180, "p_max"] <= 0.002
    assert value["p"].drop(180).min() > 0.05
    assert value["p_any"].isna().all() if seeds == 1 else (value["p_any"] <= 0.01).all()


def test_common_curve_and_order_of_sets_do_not_matter():
    rng = np.random.default_rng(0)
    cells = sets_cells(rng, np.zeros(12), (1, 2, 1), 3)
    moved = cells[..., [2, 0, 1]] + rng.normal(size=(12, 3, 1)) + rng.normal(size=3)
    first, second = (
        permutation_test(REGULAR, contrasts(c), PERIODS, shuffling(199, 0)) for c in (cells, moved)
    )
    assert first[0].tolist() == second[0].tolist()
    assert first[2] == second[2]


def test_two_sets_are_tested_by_their_difference():
    cells = sets_cells(np.random.default_rng(0), np.zeros(12), (1, 2), 3)
    difference = cells[..., :1] - cells[..., 1:]
    pair, single = (
        permutation_test(REGULAR, c, PERIODS, shuffling(199, 0))
        for c in (contrasts(cells), difference)
    )
    assert pair[0].tolist() == single[0].tolist()


def test_only_curves_over_the_same_angles_are_compared():
    one = of_runs(null_cells(np.random.default_rng(0), 12, 2), dataset="a")
    assert differences(one).empty
    other = of_runs(null_cells(np.random.default_rng(0), 24, 2), FINE, dataset="b")
    assert differences(one, other).empty
    assert differences(one, one.assign(dataset="b", view="disc")).empty
    same = differences(one, one.assign(dataset="b"))
    assert (of(same, series="value")[["p", "p_max", "p_any"]] == 1).all(axis=None)


def test_data_sets_are_compared_in_one_place_at_a_time():
    """Held angles tell curves apart, and a place without one is a place too."""
    rng = np.random.default_rng(1)
    pairs = [(a, e) for a in REGULAR for e in (0.0, 30.0)] + [("none", e) for e in REGULAR]
    cells = {name: rng.normal(size=(36, 2)) for name in "ab"}
    table = differences(*(of_runs(v, pairs, dataset=name) for name, v in cells.items()))
    for held, first in (0, 0), (30, 1):
        both = np.stack([v[first:24:2] for v in cells.values()], axis=2)
        expected = permutation_test(REGULAR, contrasts(both), PERIODS, shuffling())[0]
        found = of(table, sweep="train", held_angle=held, series="value")
        assert found["p"].tolist() == expected.tolist()
    unheld = of(table, sweep="eval", training="none", held_angle=None, series="value")
    assert unheld["n_datasets"].tolist() == [2] * 4 and unheld["p"].isna().all()
