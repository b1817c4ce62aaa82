"""Differences of shape and of phase between curves."""

import numpy as np
import pandas as pd
import pytest
from factories import (
    FINE,
    PERIODS,
    REGULAR,
    analysis,
    at_nominal_rate,
    curves_of,
    grid,
    null_cells,
    of,
    score_rows,
    shuffling,
    wave,
)
from scipy import stats

from thetascope.analysis.bounds import Error
from thetascope.analysis.contrasts import (
    about_common,
    contrast_table,
    phase_difference_p,
    phase_table,
)
from thetascope.analysis.inference import false_discovery, period_tests
from thetascope.analysis.permutation import agreement_test, permutation_test

P = ["p", "p_max", "p_any"]


def of_runs(cells, theta=REGULAR, **names):
    """Scores whose means over items are `cells` [angles, seeds], beside a chance of 0.25."""
    return score_rows(theta, cells, seeds=cells.shape[1], **names)


def differences(*rows, factor="dataset", **changes):
    return of(contrast_table(curves_of(*rows), analysis(**changes)), factor=factor)


def sets_cells(rng, common, noises, seeds):
    """Curves of data sets that differ in noise and level only: [angles, seeds, sets]."""
    cells = [null_cells(rng, len(common), seeds, run=noise) for noise in noises]
    return np.stack(cells, axis=2) + common[:, None, None]


# -- the test --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seeds", "noises"), [(1, (0.3, 3)), (2, (0.3, 1, 3)), (3, (0.2, 0.4, 0.8, 1.5, 3))]
)
def test_equal_shapes_are_called_different_at_the_nominal_rate(seeds, noises):
    common, found = wave(REGULAR, 3, 90) + wave(REGULAR, 2, 360, 70), []
    for i in range(250):
        cells = about_common(sets_cells(np.random.default_rng(i), common, noises, seeds))
        draws = shuffling(199, 1000 + i % 20)
        p, p_max = permutation_test(grid(REGULAR, seeds), cells, PERIODS, draws)
        found.append([*p, p_max.min(), agreement_test(grid(REGULAR, seeds), cells, draws)])
    rates = np.array(found).T
    assert all(at_nominal_rate(p) for p in rates[: 5 if seeds == 1 else 6])
    assert 0.03 <= (rates[:4] <= 0.05).mean() <= 0.07


@pytest.mark.parametrize("seeds", [1, 3])
def test_difference_at_one_period_does_not_change_the_level_of_others(seeds):
    found = []
    for i in range(250):
        cells = sets_cells(np.random.default_rng(i), np.zeros(12), (1, 1, 1), seeds)
        cells[..., 0] += wave(REGULAR, 5, 180)[:, None]
        draws = shuffling(199, 1000 + i % 20)
        p = permutation_test(grid(REGULAR, seeds), about_common(cells), PERIODS, draws)[0]
        found.append(np.delete(p, 1))
    assert all(at_nominal_rate(p) for p in np.transpose(found))


def test_agrees_with_the_f_of_pillais_trace():
    ours, theirs = [], []
    for i in range(40):
        cells = np.random.default_rng(i).normal(size=(12, 3, 3))
        cells[..., 0] += wave(REGULAR, i / 40, 90)[:, None]
        ours.append(agreement_test(grid(REGULAR, 3), about_common(cells), shuffling(999, i)))
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


def test_a_wave_of_one_set_is_found_as_often_as_its_size_says():
    found = []
    for size in 0.5, 1.5:
        for i in range(60):
            cells = sets_cells(np.random.default_rng(i), wave(REGULAR, 5, 360), (1, 1), 2)
            cells[..., 1] += wave(REGULAR, size, 90, 10)[:, None]
            test = permutation_test(grid(REGULAR, 2), about_common(cells), PERIODS, shuffling(199))
            found.append(test[0][3] <= 0.05)
    few, many = np.reshape(found, (2, 60)).mean(axis=1)
    assert 0.1 < few < 0.5 and many > 0.85


def test_common_curve_and_order_of_sets_do_not_matter():
    rng = np.random.default_rng(0)
    cells = sets_cells(rng, np.zeros(12), (1, 2, 1), 3)
    moved = cells[..., [2, 0, 1]] + rng.normal(size=(12, 3, 1)) + rng.normal(size=3)
    first, second = (
        permutation_test(grid(REGULAR, 3), about_common(c), PERIODS, shuffling(199, 0))
        for c in (cells, moved)
    )
    assert first[0] == pytest.approx(second[0]) and first[1] == pytest.approx(second[1])


# -- the table -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("theta", "seeds"), [(FINE, 1), (REGULAR, 3)])
def test_different_curves_are_found_at_their_period(theta, seeds):
    cells = sets_cells(np.random.default_rng(2), wave(theta, 5, 90), (1, 1, 1), seeds)
    cells[..., 2] += wave(theta, 5, 180, 40)[:, None]
    rows = [of_runs(cells[..., i], theta, dataset=f"d{i}") for i in range(3)]
    table = differences(*rows, permutations=999).set_index("period")
    assert table["dataset"].isna().all() and set(table["levels"]) == {"d0, d1, d2"}
    assert set(table["n_seeds"]) == {seeds} and set(table["question"]) == {"main"}
    assert table.loc[180, "p_max"] <= 0.002
    assert table["p"].drop(180).min() > 0.05
    assert table["p_any"].isna().all() if seeds == 1 else (table["p_any"] <= 0.01).all()
    assert table["amplitude"].isna().all()  # three curves have no one difference
    assert table["q"].tolist() == pytest.approx(stats.false_discovery_control(table["p"]))


def test_two_sets_are_tested_by_their_difference():
    cells = sets_cells(np.random.default_rng(0), np.zeros(12), (1, 2), 3)
    rows = [of_runs(cells[..., i], dataset=name) for i, name in enumerate("ab")]
    table = differences(*rows)
    pair = cells[..., :1] - cells[..., 1:]
    p, p_max = permutation_test(grid(REGULAR, 3), pair, PERIODS, shuffling(99, 3))
    assert table["p"].tolist() == p.tolist() and table["p_max"].tolist() == p_max.tolist()
    assert set(table["p_any"]) == {agreement_test(grid(REGULAR, 3), pair, shuffling(99, 3))}


def test_views_are_compared_pair_by_pair_and_show_the_size_of_their_difference():
    """Though the question names one view alone: the others are its controls."""
    noise = np.random.default_rng(0).normal(0, 0.01, (3, 12, 2))
    plain, disc, sham = wave(REGULAR, 0.3, 90, 20), wave(REGULAR, 0.1, 90, 50), 0 * REGULAR
    curves = {"disc": disc, "plain": plain, "sham": sham}
    rows = [
        of_runs(0.5 + curve[:, None] + own, view=name)
        for (name, curve), own in zip(curves.items(), noise, strict=True)
    ]
    question = {"sweep": ["diagonal"], "series": ["excess"], "metric": ["auroc"], "view": ["plain"]}
    table = differences(*rows, factor="view", questions={"main": question})
    at_90 = of(table, period=90).set_index("levels")
    assert len(at_90) == 3
    for name, row in at_90.iterrows():
        one, other = name.split(" − ")
        apart = curves[one] - curves[other]
        wave_of = 2 * np.mean(apart * np.exp(2j * np.pi * REGULAR / 90))
        assert row["amplitude"] == pytest.approx(abs(wave_of), abs=0.02)
        assert row["amplitude_ci_low"] < abs(wave_of) < row["amplitude_ci_high"]
        phase = np.angle(wave_of) * 90 / (2 * np.pi)
        assert (row["phase_deg"] - phase + 45) % 90 == pytest.approx(45, abs=4)
        assert row["p"] <= 0.05 and pd.isna(row["view"])
    assert differences(*rows, factor="dataset").empty
    narrow = differences(*rows, factor="view", questions={"main": question}, confidence=0.5)
    narrow = of(narrow, period=90).set_index("levels")
    assert (narrow["amplitude_ci_low"] > at_90["amplitude_ci_low"]).all()
    assert (narrow["amplitude_ci_high"] < at_90["amplitude_ci_high"]).all()


def test_only_curves_over_the_same_angles_are_compared():
    one = of_runs(null_cells(np.random.default_rng(0), 12, 2), dataset="a")
    assert differences(one).empty
    other = of_runs(null_cells(np.random.default_rng(0), 24, 2), FINE, dataset="b")
    assert differences(one, other).empty
    assert differences(one, one.assign(dataset="b", view="disc")).empty
    same = differences(one, one.assign(dataset="b"))
    assert (same[P] == 1).all(axis=None)


def test_data_sets_are_compared_in_one_place_at_a_time():
    """Held angles tell curves apart, and a place without one is a place too."""
    rng = np.random.default_rng(1)
    pairs = [(a, e) for a in REGULAR for e in (0.0, 30.0)] + [("none", e) for e in REGULAR]
    cells = {name: rng.normal(size=(36, 2)) for name in "ab"}
    rows = (of_runs(v, pairs, dataset=name) for name, v in cells.items())
    every = {"any": {"series": ["value"]}}
    table = differences(*rows, questions=every)
    for held, first in (0, 0), (30, 1):
        both = np.stack([v[first:24:2] for v in cells.values()], axis=2)
        test = permutation_test(grid(REGULAR, 2), about_common(both), PERIODS, shuffling(99, 3))
        found = of(table, sweep="train", held_angle=held)
        assert found["p"].tolist() == test[0].tolist()
    unheld = of(table, sweep="eval", training="none", held_angle=None)
    assert len(unheld) == 4 and unheld["p"].isna().all()


def test_a_set_that_a_question_names_is_left_out_of_the_others():
    cells = null_cells(np.random.default_rng(0), 12, 2)
    rows = [
        of_runs(cells + i * wave(REGULAR, 9, 90)[:, None], dataset=n)
        for i, n in enumerate(["a", "b", "toy"])
    ]
    main = {"sweep": ["diagonal"], "series": ["excess"]}
    asked = {"main": main, "check": {"dataset": ["toy"], **main}}
    assert set(differences(*rows, questions=asked)["levels"]) == {"a − b"}
    assert set(differences(*rows)["levels"]) == {"a, b, toy"}
    named = {"main": {**main, "dataset": ["a", "toy"]}}
    assert set(differences(*rows, questions=named)["levels"]) == {"a − toy"}


# -- phases ----------------------------------------------------------------------------------------


def phase_p(rng, first, second, n=1500):
    """p of pairs of waves in noise whose variances, 1 and 4, are estimated."""
    found = []
    for wave_, variance, freedom in (first, 1, 16), (second, 4, 28):
        noise = rng.normal(0, variance**0.5, (n, 2)) @ [1, 1j]
        drawn = variance * rng.chisquare(freedom, n) / freedom
        found.append((wave_ + noise, Error(drawn, np.full(n, float(freedom)))))
    (a, one), (b, other) = found
    return np.array(
        [
            phase_difference_p(
                a[i], b[i], tuple(Error(e.variance[i], e.freedom[i]) for e in (one, other))
            )
            for i in range(n)
        ]
    )


@pytest.mark.parametrize("turn", [0, 1, 2.5])
def test_equal_phases_are_called_different_at_the_nominal_rate(turn):
    """Whatever the amplitudes, here of 6 and 20 standard errors."""
    way = np.exp(1j * turn)
    p = phase_p(np.random.default_rng(1), 6 * way, 40 * way)
    assert 0.03 <= (p <= 0.05).mean() <= 0.07


def test_phases_that_lie_apart_are_found():
    rng = np.random.default_rng(0)
    power = [
        (phase_p(rng, 6, 40 * np.exp(1j * np.deg2rad(apart)), 300) <= 0.05).mean()
        for apart in (5, 25, 90, 180)
    ]
    assert power[0] < 0.25 < power[1] < power[2]
    assert min(power[2:]) > 0.98


def test_both_waves_count_alike():
    errors = Error(1.0, 10.0), Error(4.0, 20.0)
    p = phase_difference_p(3 + 1j, 2 - 5j, errors)
    assert phase_difference_p(2 - 5j, 3 + 1j, errors[::-1]) == pytest.approx(p)
    wider = Error(100.0, 10.0), Error(400.0, 20.0)
    assert phase_difference_p(30 + 10j, 20 - 50j, wider) == pytest.approx(p)


def phases_of(crests, amplitude=0.2, rotate=(), confidence=0.95, q=None):
    """Rows of `phase_table` for sets with their crests at these angles of 90.

    Each is of an adapter of its own, but for those that are turned by `rotate`, all of one.
    """
    rng = np.random.default_rng(0)
    rows = [
        of_runs(
            0.5 + wave(REGULAR, amplitude, 90, crest)[:, None] + rng.normal(0, 0.03, (12, 3)),
            dataset=name,
        )
        for name, crest in crests.items()
    ]
    curves, settings = curves_of(*rows), analysis(confidence=confidence, permutations=199)
    found = period_tests(curves, PERIODS, settings.tests)
    tests = false_discovery(found, settings.questions)
    tests = tests if q is None else tests.assign(q=q)
    sets = {name: {"adapter": "one", "rotate": rotate[name]} for name in rotate}
    return phase_table(curves, tests, settings, {n: {"adapter": n} for n in crests} | sets)


def test_crests_of_data_sets_are_compared_where_both_have_a_wave():
    table = phases_of({"a": 80, "b": 5, "c": 80})
    assert set(table["period"]) == {90} and "dataset" not in table
    found = table.set_index(["first", "second"])
    assert found["difference"].tolist() == pytest.approx([-15, 0, 15], abs=4)
    assert found.loc[("a", "b"), "first_phase"] == pytest.approx(80, abs=3)
    assert found.loc[("a", "b"), "second_phase"] == pytest.approx(5, abs=3)
    assert (found["p"] < 0.01).tolist() == [True, False, True]
    assert table["q"].tolist() == pytest.approx(stats.false_discovery_control(table["p"]))
    assert phases_of({"a": 80, "b": 5}, amplitude=0).empty
    weak = [phases_of({"a": 80, "b": 5}, confidence=level, q=0.15) for level in (0.8, 0.9)]
    assert [len(rows) for rows in weak] == [len(PERIODS), 0]
    assert table[["moved", "p_moved"]].isna().all(axis=None)  # they are different sets


def test_crests_of_what_the_pictures_show_come_earlier_in_turned_pictures():
    """By as much as the pictures are turned; the third set's wave stays, as the canvas does."""
    crests = {"plain": 80, "moves": 50, "stays": 80, "another": 50}
    table = phases_of(crests, rotate={"plain": 0, "moves": 30, "stays": 30})
    found = table.set_index(["first", "second"])
    moves, stays = found.loc[("moves", "plain")], found.loc[("plain", "stays")]
    assert moves["moved"] == pytest.approx(-30) and stays["moved"] == pytest.approx(30)
    assert moves["difference"] == pytest.approx(-30, abs=4)
    assert moves["p_moved"] > 0.05 and moves["p"] < 0.001
    assert stays["p_moved"] < 0.001 and stays["p"] > 0.05
    # turned alike: nothing is to be told
    alike = found.loc[("moves", "stays")]
    assert alike["moved"] == 0 and alike["p_moved"] == alike["p"]
    assert found.loc["another"]["p_moved"].isna().all()


def test_by_a_whole_period_nothing_can_be_told():
    (row,) = phases_of({"a": 80, "b": 80}, rotate={"a": 0, "b": 180}).to_dict("records")
    assert row["moved"] == pytest.approx(0) and row["p_moved"] == pytest.approx(row["p"])


# -- one model seen from all angles ----------------------------------------------------------------


def seen_from_all_angles(rng, canvas, cases=10, content=0.1):
    """Curves of one model in two views: each case's own wave in both, a common one in the first."""
    theta = FINE[FINE < 360]
    of_case = [wave(theta, content, 90, rng.uniform(0, 90)) for _ in range(cases)]
    shared = np.repeat(np.transpose(of_case), 2, axis=1)[:, None]  # two items of a case
    rows = []
    for view, amplitude in (("plain", canvas), ("disc", 0)):
        own = 0.02 * rng.normal(size=(len(theta), 1, cases))
        value = 0.5 + shared + np.repeat(own, 2, axis=2) + wave(theta, amplitude, 90)[:, None, None]
        seen = [(0, angle) for angle in theta]
        rows.append(score_rows(seen, value, items=2 * cases, view=view, input="rotated"))
    return rows


def contrast_of_views(rows):
    question = {"sweep": ["eval"], "series": ["turning"], "input": ["rotated"]}
    table = contrast_table(curves_of(*rows), analysis(questions={"main": question}))
    return of(table, factor="view", period=90, held_angle=0)


def test_views_of_one_model_differ_where_cases_share_the_difference():
    (row,) = contrast_of_views(seen_from_all_angles(np.random.default_rng(0), 0.06)).itertuples()
    assert row.p < 1e-4 and row.levels == "disc − plain"
    assert row.amplitude == pytest.approx(0.06, abs=0.01)
    # the case that one of the views lacks is left out of both
    plain, disc = seen_from_all_angles(np.random.default_rng(0), 0.06)
    lacking = disc[disc["case"] != "c3"]
    (fewer,) = contrast_of_views([plain, lacking]).itertuples()
    assert row.p < fewer.p < 1e-3


def test_views_of_one_model_that_do_not_differ_are_called_so_at_the_nominal_rate():
    """Whatever wave the cases have themselves: it is the same picture in both views."""
    p = [
        contrast_of_views(seen_from_all_angles(np.random.default_rng(i), 0.0))["p"].item()
        for i in range(120)
    ]
    assert at_nominal_rate(p)
