"""Tests over θ have known answers, hold their level, and agree with other ways to compute them."""

from itertools import pairwise, permutations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal, stats

from thetascope.analysis.inference import (
    contrasts,
    false_discovery,
    interaction_tests,
    period_tests,
    permutation_test,
    shuffled_means,
)
from thetascope.analysis.periodogram import lomb_scargle, periodogram_table
from thetascope.analysis.planner import detectable_amplitude, noise_amplitude, noise_sd, noise_table
from thetascope.analysis.scores import arrange
from thetascope.analysis.waves import harmonics, oscillation_table, resolved
from thetascope.angles import label

REGULAR = np.arange(0, 360, 30.0)
FINE = np.arange(0, 360, 15.0)
WITH_360 = np.append(REGULAR, 360)
IRREGULAR = np.array([0, 20, 45, 75, 90, 110, 135, 170, 180, 200, 225, 265, 270, 300, 315, 340.0])
PERIODS = [360, 180, 120, 90]
modest = settings(max_examples=25, deadline=None)


def wave(theta, amplitude, period, phase=0.0):
    return amplitude * np.cos(2 * np.pi * (np.asarray(theta) - phase) / period)


def null_cells(rng, angles, seeds, items=4, run=1.0, draw=None):
    """Means over items under H0: items share each run's noise, seeds and items have levels."""
    draw = draw or rng.normal
    level = rng.normal(0, 3, (1, seeds, items)) + rng.normal(0, 3, (1, 1, items))
    own = rng.normal(0, 0.5, (angles, seeds, items))
    return (level + run * draw(size=(angles, seeds, 1)) + own).mean(axis=2)


def scores(cells, theta=REGULAR, pairs=None, items=2, **names):
    """Scores per item whose means are `cells` [angles, seeds], on the diagonal or at `pairs`."""
    pairs = pairs or [(label(t), label(t)) for t in theta]
    rows = [
        (*pair, str(seed), f"i{item}", cells[i, seed] + (item - (items - 1) / 2), 0.1 * item)
        for (i, pair), seed, item in product(
            enumerate(pairs), range(np.shape(cells)[1]), range(items)
        )
    ]
    columns = ["angle", "eval_angle", "seed", "item", "value", "null"]
    fixed = {"dataset": "d", "view": "plain", "encoder": "e", "method": "moco"}
    fixed |= {"model": "pretrained", "orientation": "rotated", "map": "smoothgrad"}
    return pd.DataFrame(rows, columns=columns).assign(**fixed | {"metric": "auroc"} | names)


def of(table, series="value", sweep="diagonal"):
    return table[(table["sweep"] == sweep) & (table["series"] == series)].set_index("period")


def at_nominal_rate(p, level=0.05):
    """Whether as many p reach the level as do in all but one of 10,000 sets of exact tests."""
    low, high = stats.binom.interval(0.9999, len(p), level)
    return low <= (np.asarray(p) <= level).sum() <= high


# -- permutation test: known answers ---------------------------------------------------------------


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("theta", [REGULAR, WITH_360, IRREGULAR])
def test_wave_is_found_at_its_period_alone(theta, seeds):
    rng = np.random.default_rng(3)
    cells = wave(theta, 4, 90, 20)[:, None] + rng.normal(size=(len(theta), seeds)) / 2
    p, p_max, p_any = permutation_test(theta, cells[..., None], PERIODS, 999, 0)
    assert p_max[3] <= (0.03 if seeds == 1 else 0.001)
    assert p[:3].min() > 0.05
    assert (p_max >= p).all()
    assert np.isnan(p_any) if seeds == 1 else p_any == 0.001


def test_flat_curves_are_no_evidence():
    p, p_max, p_any = permutation_test(REGULAR, np.full((12, 2, 1), 0.1 + 0.2), PERIODS, 99, 0)
    assert (p == 1).all() and (p_max == 1).all() and p_any == 1


def test_p_is_that_of_all_permutations():
    theta, curve = np.arange(0, 360, 60.0), np.array([3, 1, 2, 0, -1, 0.5])
    every = np.array(list(permutations(curve))).T
    power = harmonics(theta, every, [360])[2][0]
    share = power / (power + ((curve - curve.mean()) ** 2).sum() - power)
    exact = (share >= share[0] - 1e-9).mean()
    p = permutation_test(theta, curve[:, None, None], [360], 20_000, 0)[0][0]
    assert p == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 20_000) ** 0.5)


def test_no_degree_of_freedom_no_test():
    theta = np.arange(0, 360, 360 / 7)
    cells = np.random.default_rng(0).normal(size=(7, 2, 1))
    assert np.isnan(permutation_test(theta, cells[:, :1], [360, 180, 120], 99, 0)[:2]).all()
    assert np.isfinite(permutation_test(theta, cells, [360, 180, 120], 99, 0)[0]).all()
    assert np.isnan(detectable_amplitude(theta, [360, 180, 120], 1, 1)).all()


def test_agreement_between_seeds_of_any_shape_is_found():
    spike = np.where(REGULAR == 150, 5.0, 0)[:, None, None]
    noise = np.random.default_rng(0).normal(size=(12, 3, 1))
    assert permutation_test(REGULAR, spike + noise, PERIODS, 999, 0)[2] <= 0.005


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
        ours.append(permutation_test(theta, cells[..., None], PERIODS, 999, i)[0])
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
        p, p_max, p_any = permutation_test(theta, cells[..., None], PERIODS, 199, i + 1000)
        found.append([*p, p_max.min(), p_any])
    rates = np.array(found).T
    assert all(at_nominal_rate(p) for p in rates[: 5 if seeds == 1 else 6])


@pytest.mark.parametrize("theta", [REGULAR, IRREGULAR])
def test_a_wave_at_another_period_does_not_change_the_level(theta):
    found = []
    for i in range(400):
        rng = np.random.default_rng(i)
        cells = wave(theta, 3, 90)[:, None] + null_cells(rng, len(theta), 2)
        found.append(permutation_test(theta, cells[..., None], PERIODS, 199, i + 1000)[0][:3])
    assert all(at_nominal_rate(p) for p in np.transpose(found))


def test_items_are_no_replicates_of_a_run():
    cells = null_cells(np.random.default_rng(0), 12, 2)
    few, many = (period_tests(arrange([scores(cells, items=n)]), PERIODS, 199, 0) for n in (2, 40))
    pd.testing.assert_frame_equal(few[["p", "p_max", "p_any"]], many[["p", "p_max", "p_any"]])


# -- permutation test: invariances -----------------------------------------------------------------

any_cells = st.integers(0, 2**31).map(lambda s: np.random.default_rng(s).normal(size=(12, 2, 1)))


@modest
@given(any_cells, st.floats(-5, 5), st.floats(0.5, 20), st.permutations(range(4)))
def test_level_unit_and_order_of_periods_do_not_matter(cells, level, unit, order):
    before = permutation_test(REGULAR, cells, PERIODS, 99, 0)
    moved = unit * cells + np.array([level, -level])[:, None]
    after = permutation_test(REGULAR, moved, [PERIODS[i] for i in order], 99, 0)
    assert after[0].tolist() == before[0][order].tolist()
    assert after[1].tolist() == before[1][order].tolist()
    assert after[2] == before[2]


@modest
@given(any_cells, st.permutations(range(48)))
def test_order_and_names_of_items_do_not_matter(cells, order):
    rows = scores(cells[..., 0])
    renamed = rows.assign(item=rows["item"].map({"i0": "i9", "i1": "i1"}))
    before, after = (period_tests(arrange([r]), PERIODS, 99, 0) for r in (rows, renamed.loc[order]))
    pd.testing.assert_frame_equal(before, after)


def test_arrays_of_one_shape_are_shuffled_alike():
    cells = np.random.default_rng(0).normal(size=(12, 3))
    assert shuffled_means(2 * cells, 50, 7) == pytest.approx(2 * shuffled_means(cells, 50, 7))
    assert (shuffled_means(cells, 50, 7) != shuffled_means(cells, 50, 8)).any()


# -- table of tests --------------------------------------------------------------------------------


def test_table_has_the_rows_of_the_oscillation_table():
    rows = scores(null_cells(np.random.default_rng(0), 12, 2) + wave(REGULAR, 9, 90)[:, None])
    tests = period_tests(arrange([rows]), [*PERIODS, 60], 99, 0)
    shares = oscillation_table(arrange([rows]), [*PERIODS, 60], 10, 0.95, 0)
    key = [c for c in shares.columns if c in tests.columns]
    pd.testing.assert_frame_equal(tests[key], shares[key])
    value = of(tests)
    assert value.loc[90, ["p", "p_max", "p_any"]].tolist() == [0.01, 0.01, 0.01]
    assert np.isnan(value.loc[60, "p"]) and not value.loc[60, "resolved"]
    assert of(tests, "footprint")[["p", "p_max", "p_any"]].isna().all(axis=None)


def test_a_quarter_of_the_circle_resolves_nothing_and_breaks_nothing():
    theta = np.array([0, 30, 60, 90])
    rows = [
        scores(null_cells(np.random.default_rng(i), 4, 3) + theta[:, None], theta, dataset=name)
        for i, name in enumerate("ab")
    ]
    both = pd.concat(rows)
    value = of(period_tests(arrange([both]), PERIODS, 99, 0))
    assert not value["resolved"].any() and value[["p", "p_max"]].isna().all(axis=None)
    assert (value["p_any"] <= 0.02).all()  # that seeds agree needs no period
    assert of(interaction_tests(arrange([both]), PERIODS, 99, 0))["p"].isna().all()
    assert noise_table(arrange([both]), PERIODS)["noise_amplitude"].isna().all()
    assert periodogram_table(arrange([both]), 99, 0.95, 0).empty


def test_maps_without_a_network_are_not_tested():
    rows = scores(np.random.default_rng(0).normal(size=(12, 2)), model="baseline", map="sobel")
    tests, spectrum = (
        period_tests(arrange([rows]), [360], 99, 0),
        periodogram_table(arrange([rows]), 99, 0.95, 0),
    )
    assert of(tests)["p"].isna().all() and of(spectrum)["threshold"].isna().all()
    assert of(spectrum)["power"].notna().all()


def test_one_encoder_seen_from_all_angles_is_not_tested():
    trained = ["000.0", "090.0", "180.0", "270.0", "random"]
    pairs = [(t, label(e)) for t in trained for e in REGULAR]
    rows = scores(np.random.default_rng(0).normal(size=(60, 2)), pairs=pairs)
    tests, noise = period_tests(arrange([rows]), [360], 99, 0), noise_table(arrange([rows]), [360])
    spectrum = periodogram_table(arrange([rows]), 99, 0.95, 0)
    assert of(tests, sweep="eval")["p"].isna().all()
    assert of(tests, sweep="train")["p"].notna().all()
    assert of(noise, sweep="eval")["noise_amplitude"].isna().all()
    assert of(noise, sweep="train")["noise_amplitude"].notna().all()
    assert of(spectrum, sweep="eval")["threshold"].isna().all()
    assert of(spectrum, sweep="eval")["power"].notna().all()


# -- false discovery -------------------------------------------------------------------------------


def benjamini_hochberg(p):
    """q of each p: the smallest level at which the step-up procedure rejects it."""
    steps = np.sort(p) * len(p) / np.arange(1, len(p) + 1)
    return [steps[np.sort(p) >= own].min() for own in p]


def test_families_are_corrected_apart():
    p = np.array([0.001, 0.02, 0.03, np.nan, 0.004, 0.5, 0.04, 0.9])
    tests = pd.DataFrame({"p": p, "metric": ["auroc"] * 4 + ["dice"] * 4, "series": ["a", "b"] * 4})
    tests["period"] = np.arange(8)
    table = false_discovery(tests, {"metric": ["auroc"], "series": ["a", "b"]})
    assert table["confirmatory"].tolist() == [True] * 4 + [False] * 4
    assert table["q"][:3].tolist() == pytest.approx(benjamini_hochberg(p[:3]))
    assert table["q"][4:].tolist() == pytest.approx(benjamini_hochberg(p[4:]))
    assert np.isnan(table["q"][3])
    narrow = false_discovery(tests, {"metric": ["auroc"], "series": ["a"]})
    assert narrow["confirmatory"].tolist() == [True, False, True, False] + [False] * 4


def test_what_is_declared_must_be_in_all_series():
    # five waves that subtracting has made, and one that is in every series but not strong
    excess = pd.DataFrame(
        {"series": "excess", "period": np.arange(10), "p": [0.001] * 5 + [0.5] * 5}
    )
    value = excess.assign(series="value", p=0.4)
    footprint = excess.assign(series="footprint", p=np.nan)
    for table in excess, value:
        table.loc[9, "p"] = 0.01
    tests = pd.concat([excess, value, footprint], ignore_index=True)
    table = false_discovery(tests, {"series": ["excess"]})
    pd.testing.assert_series_equal(table["p"], tests["p"])
    # alone it would have been the sixth of ten: q = 0.017
    assert table["q"][:10].tolist() == pytest.approx(
        benjamini_hochberg([0.4] * 5 + [0.5] * 4 + [0.01])
    )
    assert table["q"][9] == pytest.approx(0.1)


def test_false_discoveries_among_nulls_are_at_the_level():
    rng = np.random.default_rng(0)
    any_found = []
    for _ in range(400):
        tests = pd.DataFrame({"p": rng.uniform(size=20), "metric": "auroc", "period": range(20)})
        any_found.append((false_discovery(tests, {"metric": ["auroc"]})["q"] <= 0.05).any())
    assert at_nominal_rate(1 - np.array(any_found))


def test_a_declaration_that_nothing_meets_makes_all_rows_exploratory(caplog):
    tests = pd.DataFrame({"metric": "auroc", "period": range(3), "p": [0.01, 0.02, 0.5]})
    table = false_discovery(tests, {"metric": ["auc"]})
    assert not table["confirmatory"].any()
    assert table["q"].notna().all()
    assert "confirmatory" in caplog.text


def test_no_tests_no_discoveries():
    tests = period_tests(arrange([scores(np.zeros((2, 1)), theta=[0, 90])]), PERIODS, 9, 0)
    assert {"confirmatory", "q"} <= set(false_discovery(tests, {"metric": ["auroc"]}).columns)


# -- Lomb–Scargle ----------------------------------------------------------------------------------

irregular = st.lists(st.integers(0, 359), min_size=8, max_size=40, unique=True).map(
    lambda angles: np.array(sorted(angles), dtype=float)
)


@modest
@given(irregular, st.integers(0, 2**31))
def test_single_waves_are_scipys_lomb_scargle(theta, seed):
    curve = np.random.default_rng(seed).normal(size=len(theta))
    known = np.array([p for p in 360 / np.arange(1, 20) if resolved(theta, [p])[0]])
    if len(known):
        ours = lomb_scargle(theta, curve[:, None], known)[:, 0] / (len(theta) * curve.var())
        options = {"normalize": True, "floating_mean": True}
        theirs = np.atleast_1d(signal.lombscargle(theta, curve, 2 * np.pi / known, **options))
        assert ours == pytest.approx(theirs, abs=1e-8)


def test_full_circle_gives_the_harmonics():
    curve = np.random.default_rng(0).normal(size=(12, 3))
    power = harmonics(REGULAR, curve, PERIODS)[2]
    assert lomb_scargle(REGULAR, curve, PERIODS) == pytest.approx(power)


@pytest.mark.parametrize("seeds", [1, 3])
def test_periodogram_finds_what_nobody_declared(seeds):
    cells = wave(FINE, 3, 72, 10)[:, None] + null_cells(np.random.default_rng(0), 24, seeds)
    table = periodogram_table(arrange([scores(cells, FINE)]), 199, 0.95, 0)
    value, flat = of(table), of(table, "footprint")
    assert value["cycles"].tolist() == list(range(1, 12))  # 12 would be the Nyquist frequency
    assert value.index[value["power"] >= value["threshold"]].tolist() == [72]
    assert value.index[value["p_max"] <= 0.05].tolist() == [72]
    assert (flat["power"] == 0).all() and flat["threshold"].isna().all()


def test_threshold_is_reached_at_the_nominal_rate():
    rng = np.random.default_rng(0)
    noise = [
        scores(null_cells(rng, len(IRREGULAR), 2), IRREGULAR, items=1, metric=f"m{i}")
        for i in range(200)
    ]
    table = of(periodogram_table(arrange([pd.concat(noise)]), 199, 0.95, 0))
    reached = table["power"] >= table["threshold"]
    assert reached.tolist() == (table["p_max"] <= 0.05).tolist()
    assert at_nominal_rate(1 - reached.groupby(table["metric"].to_numpy()).any())


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
        p, p_max, p_any = permutation_test(REGULAR, contrasts(cells), PERIODS, 199, i + 1000)
        found.append([*p, p_max.min(), p_any])
    rates = np.array(found).T
    assert all(at_nominal_rate(p) for p in rates[: 5 if seeds == 1 else 6])


@pytest.mark.parametrize("seeds", [1, 3])
def test_difference_at_one_period_does_not_change_the_level_of_others(seeds):
    found = []
    for i in range(300):
        cells = sets_cells(np.random.default_rng(i), np.zeros(12), (1, 1, 1), seeds)
        cells[..., 0] += wave(REGULAR, 5, 180)[:, None]
        p = permutation_test(REGULAR, contrasts(cells), PERIODS, 199, i + 1000)[0]
        found.append(np.delete(p, 1))
    assert all(at_nominal_rate(p) for p in np.transpose(found))


def test_agrees_with_the_f_of_pillais_trace():
    ours, theirs = [], []
    for i in range(40):
        cells = np.random.default_rng(i).normal(size=(12, 3, 3))
        cells[..., 0] += wave(REGULAR, i / 40, 90)[:, None]
        ours.append(permutation_test(REGULAR, contrasts(cells), PERIODS, 999, i)[2])
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
    rows = [scores(cells[..., i], theta, dataset=f"d{i}") for i in range(3)]
    table = interaction_tests(arrange([pd.concat(rows)]), PERIODS, 999, 0)
    assert "dataset" not in table
    assert (table[["n_datasets", "n_seeds"]] == [3, seeds]).all(axis=None)
    value = of(table)
    assert value.loc[180, "p_max"] <= 0.002
    assert value["p"].drop(180).min() > 0.05
    assert value["p_any"].isna().all() if seeds == 1 else (value["p_any"] <= 0.01).all()


def test_common_curve_and_order_of_sets_do_not_matter():
    rng = np.random.default_rng(0)
    cells = sets_cells(rng, np.zeros(12), (1, 2, 1), 3)
    moved = cells[..., [2, 0, 1]] + rng.normal(size=(12, 3, 1)) + rng.normal(size=3)
    first, second = (
        permutation_test(REGULAR, contrasts(c), PERIODS, 199, 0) for c in (cells, moved)
    )
    assert first[0].tolist() == second[0].tolist()
    assert first[2] == second[2]


def test_two_sets_are_tested_by_their_difference():
    cells = sets_cells(np.random.default_rng(0), np.zeros(12), (1, 2), 3)
    difference = cells[..., :1] - cells[..., 1:]
    pair, single = (
        permutation_test(REGULAR, c, PERIODS, 199, 0) for c in (contrasts(cells), difference)
    )
    assert pair[0].tolist() == single[0].tolist()


def test_only_curves_over_the_same_angles_are_compared():
    one = scores(null_cells(np.random.default_rng(0), 12, 2), dataset="a")
    assert interaction_tests(arrange([one]), PERIODS, 9, 0).empty
    other = scores(null_cells(np.random.default_rng(0), 24, 2), FINE, dataset="b")
    assert interaction_tests(arrange([pd.concat([one, other])]), PERIODS, 9, 0).empty
    same = interaction_tests(arrange([pd.concat([one, one.assign(dataset="b")])]), PERIODS, 9, 0)
    assert (same.loc[same["series"] == "value", ["p", "p_max", "p_any"]] == 1).all(axis=None)


# -- noise and power -------------------------------------------------------------------------------


def test_noise_is_recovered_whatever_the_curve_and_the_levels():
    rng = np.random.default_rng(0)
    curve = wave(WITH_360, 5, 90)[:, None] + [0, 5, 9]
    draws = [noise_sd(WITH_360, curve + rng.normal(0, 2, (13, 3))) for _ in range(300)]
    assert np.sqrt(np.mean(np.square(draws), axis=0)) == pytest.approx([2, 2], rel=0.06)
    assert np.isnan(noise_sd(WITH_360, rng.normal(size=(13, 1)))[0])
    assert np.isnan(noise_sd(REGULAR, rng.normal(size=(12, 3)))[1])


@pytest.mark.parametrize("theta", [REGULAR, WITH_360, IRREGULAR])
def test_noise_has_the_expected_amplitude(theta):
    curves = np.random.default_rng(0).normal(0, 0.3, (len(theta), 20_000, 2)).mean(axis=2)
    simulated = harmonics(theta, curves, PERIODS)[0].mean(axis=1)
    assert noise_amplitude(theta, PERIODS, 0.3, 2) == pytest.approx(simulated, rel=0.02)


def test_noise_amplitude_of_a_full_circle_is_the_formula():
    expected = 0.3 * np.sqrt(np.pi / (12 * 2))
    assert noise_amplitude(REGULAR, PERIODS, 0.3, 2) == pytest.approx([expected] * 4)


@pytest.mark.parametrize(
    ("theta", "seeds"), [(REGULAR, 1), (REGULAR, 3), (WITH_360, 2), (IRREGULAR, 2)]
)
def test_detectable_amplitude_is_detected_four_times_in_five(theta, seeds):
    rng = np.random.default_rng(0)
    found = []
    for period, amplitude in zip(
        PERIODS, detectable_amplitude(theta, PERIODS, 0.5, seeds), strict=True
    ):
        for i in range(100):
            curve = wave(theta, amplitude, period, rng.uniform(0, period))[:, None]
            cells = curve + rng.normal(0, 0.5, (len(theta), seeds))
            p = permutation_test(theta, cells[..., None], PERIODS, 199, i)[0]
            found.append(p[PERIODS.index(period)] <= 0.05)
    assert np.mean(found) == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("theta", [REGULAR, IRREGULAR])
def test_power_grows_with_amplitude_seeds_and_angles(theta):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(200, len(theta), 2))
    rates = []
    for amplitude in (0, 0.4, 0.8, 1.2):
        curve = wave(theta, amplitude, 180, 25)[:, None, None]
        tests = [permutation_test(theta, n[..., None] + curve, PERIODS, 99, 0)[0] for n in noise]
        rates.append(np.mean([p[1] <= 0.05 for p in tests]))
    assert all(a < b for a, b in pairwise(rates))
    amplitudes = [detectable_amplitude(theta, PERIODS, 1, n)[1] for n in (1, 2, 3, 5)]
    assert all(a > b for a, b in pairwise(amplitudes))
    assert (
        detectable_amplitude(FINE, PERIODS, 1, 2)[1]
        < detectable_amplitude(REGULAR, PERIODS, 1, 2)[1]
    )
    wished = [detectable_amplitude(theta, PERIODS, 1, 2, power)[1] for power in (0.5, 0.8, 0.95)]
    assert all(a < b for a, b in pairwise(wished))


def test_noise_table():
    rng = np.random.default_rng(0)
    cells = 0.2 * rng.normal(size=(13, 3))
    table = noise_table(arrange([scores(cells, WITH_360)]), [*PERIODS, 45])
    value, footprint = of(table), of(table, "footprint")
    seed_sd, replicate_sd = noise_sd(WITH_360, cells)
    assert value["seed_sd"].tolist() == pytest.approx([seed_sd] * 5)
    assert value["replicate_sd"].tolist() == pytest.approx([replicate_sd] * 5)
    for column, function in (
        ("noise_amplitude", noise_amplitude),
        ("detectable_amplitude", detectable_amplitude),
    ):
        expected = [*function(WITH_360, PERIODS, seed_sd, 3), np.nan]
        assert value[column].tolist() == pytest.approx(expected, nan_ok=True)
    assert (footprint["seed_sd"] == 0).all() and footprint["noise_amplitude"].isna().all()
    single = of(noise_table(arrange([scores(cells[:, :1], WITH_360)]), PERIODS))
    assert single["seed_sd"].isna().all() and single["noise_amplitude"].notna().all()
