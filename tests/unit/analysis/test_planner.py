"""Noise of a curve, and what its design could detect."""

from itertools import pairwise

import numpy as np
import pytest
from factories import (
    FINE,
    IRREGULAR,
    PERIODS,
    REGULAR,
    WITH_360,
    curves_of,
    grid,
    harmonics,
    of,
    score_rows,
    shuffling,
    staggered_grid,
    staggered_rows,
    wave,
)

from thetascope.analysis.permutation import permutation_test
from thetascope.analysis.planner import (
    detectable_amplitude,
    noise_amplitude,
    noise_sd,
    noise_table,
    seeds_needed,
)

SDS = ["cell_sd", "seed_sd", "replicate_sd"]


def detected(theta, amplitude, noise, period=90, level=0.05, n=100):
    """How often `permutation_test` finds a wave at any phase."""
    rng, found = np.random.default_rng(0), []
    for i in range(n):
        curve = wave(theta, amplitude, period, rng.uniform(0, period))
        cells = curve + rng.normal(0, noise, theta.shape)
        p = permutation_test(theta, cells[..., None], PERIODS, shuffling(199, i % 20))[0]
        found.append(p[PERIODS.index(period)] <= level)
    return np.mean(found)


# -- noise -----------------------------------------------------------------------------------------


def test_noise_by_hand():
    """Two-way analysis of variance: (angles − 1) (seeds − 1) degrees of freedom."""
    cells = np.random.default_rng(1).normal(size=(13, 3))
    table = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
    difference = cells[12] - cells[0]
    expected = [np.sqrt((table**2).sum() / (12 * 2)), np.sqrt((difference**2).sum() / (2 * 3))]
    assert noise_sd(grid(WITH_360, 3), cells) == pytest.approx(expected)


def test_noise_is_recovered_whatever_the_curve_and_the_levels():
    rng = np.random.default_rng(0)
    curve = wave(WITH_360, 5, 90)[:, None] + [0, 5, 9]
    theta = grid(WITH_360, 3)
    draws = [noise_sd(theta, curve + rng.normal(0, 2, (13, 3))) for _ in range(3000)]
    variances = np.mean(np.square(draws), axis=0)
    assert variances[0] == pytest.approx(4, rel=0.02)  # another degree of freedom is 4 % or more
    assert variances[1] == pytest.approx(4, rel=0.06)
    assert np.isnan(noise_sd(grid(WITH_360), rng.normal(size=(13, 1)))[0])
    assert np.isnan(noise_sd(grid(REGULAR, 3), rng.normal(size=(12, 3)))[1])
    assert np.isnan(noise_sd(staggered_grid(12, 3), rng.normal(size=(12, 3)))).all()


@pytest.mark.parametrize(
    "theta", [grid(REGULAR, 2), grid(WITH_360, 2), grid(IRREGULAR, 2), staggered_grid(12, 2)]
)
def test_noise_has_the_expected_amplitude(theta):
    curves = np.random.default_rng(0).normal(0, 0.3, (*theta.shape, 20_000))
    simulated = harmonics(theta, curves, PERIODS)[0].mean(axis=1)
    assert noise_amplitude(theta, PERIODS, 0.3) == pytest.approx(simulated, rel=0.02)


def test_noise_amplitude_of_a_full_circle_is_the_formula():
    expected = 0.3 * np.sqrt(np.pi / (12 * 2))
    for theta in grid(REGULAR, 2), staggered_grid(12, 2):
        assert noise_amplitude(theta, PERIODS, 0.3) == pytest.approx([expected] * 4)


# -- what can be detected --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "theta",
    [
        grid(REGULAR),
        grid(REGULAR, 3),
        grid(WITH_360, 2),
        grid(IRREGULAR, 2),
        staggered_grid(12, 3),
    ],
)
def test_detectable_amplitude_is_detected_four_times_in_five(theta):
    amplitudes = detectable_amplitude(theta, PERIODS, 0.5)
    found = [detected(theta, *pair) for pair in zip(amplitudes, [0.5] * 4, PERIODS, strict=True)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.08)


def test_on_an_irregular_grid_it_has_the_power_that_it_takes_in_the_mean_of_all_phases():
    """As on as many angles in equal steps, where a wave has a sum of squares of 16 A² / 2."""
    even = detectable_amplitude(grid(np.arange(16) * 22.5), PERIODS, 1)
    for i, amplitude in enumerate(detectable_amplitude(grid(IRREGULAR), PERIODS, 1)):
        crests = np.arange(8) * PERIODS[i] / 8
        waves = wave(IRREGULAR[:, None], amplitude, PERIODS[i], crests)
        power = harmonics(grid(IRREGULAR), waves[:, None], PERIODS)[2][i]
        assert power.mean() == pytest.approx(8 * even[i] ** 2)


@pytest.mark.parametrize("theta", [REGULAR, IRREGULAR])
def test_power_grows_with_amplitude_seeds_and_angles(theta):
    rates = [detected(grid(theta, 2), amplitude, 1, 180) for amplitude in (0, 0.4, 0.8, 1.2)]
    assert all(a < b for a, b in pairwise(rates))
    amplitudes = [detectable_amplitude(grid(theta, n), PERIODS, 1)[1] for n in (1, 2, 3, 5)]
    assert all(a > b for a, b in pairwise(amplitudes))
    fine, coarse = (detectable_amplitude(grid(t, 2), PERIODS, 1)[1] for t in (FINE, REGULAR))
    assert fine < coarse
    wished = [detectable_amplitude(grid(theta, 2), PERIODS, 1, power)[1] for power in (0.5, 0.95)]
    strict = detectable_amplitude(grid(theta, 2), PERIODS, 1, level=0.01)[1]
    assert wished[0] < amplitudes[1] < wished[1] and strict > amplitudes[1]


def test_no_degree_of_freedom_nothing_detectable():
    theta = np.arange(0, 360, 360 / 7)
    assert np.isnan(detectable_amplitude(grid(theta), [360, 180, 120], 1)).all()
    assert np.isfinite(detectable_amplitude(grid(theta, 2), [360, 180, 120], 1)).all()
    assert np.isnan(detectable_amplitude(grid(REGULAR), PERIODS, np.nan)).all()


@pytest.mark.parametrize(("angles", "amplitude", "level"), [(12, 0.5, 0.05), (24, 0.3, 0.01)])
def test_as_many_seeds_as_it_takes_and_no_more(angles, amplitude, level):
    theta = np.arange(angles) * 360 / angles
    seeds = seeds_needed(angles, PERIODS, 0.6, amplitude, level)
    enough, fewer = (
        detectable_amplitude(grid(theta, n), PERIODS, 0.6, level=level).max()
        for n in (seeds, seeds - 1)
    )
    assert enough <= amplitude < fewer
    found = [
        detected(grid(theta, n), amplitude, 0.6, level=level, n=400) for n in (seeds, seeds - 1)
    ]
    assert found[0] > 0.76 and found[1] < 0.82 and found[1] < found[0]


def test_seeds_for_what_is_easy_and_for_what_is_out_of_reach():
    assert seeds_needed(24, PERIODS, 0.01, 1, 0.05) == 1
    assert np.isnan(seeds_needed(24, PERIODS, 1, 0.001, 0.05))
    assert np.isnan(seeds_needed(24, PERIODS, np.nan, 0.1, 0.05))
    assert np.isnan(seeds_needed(4, [90], 0.1, 1, 0.05))  # no period is resolved
    # eight angles and three periods leave one degree of freedom, four periods none
    assert seeds_needed(8, PERIODS, 0.1, 1, 0.05) == seeds_needed(8, PERIODS[:3], 0.1, 1, 0.05)


# -- the table -------------------------------------------------------------------------------------


def table_of(rows, periods=PERIODS):
    return noise_table(curves_of(rows), periods)


def curve_of(table, series="value", sweep="diagonal"):
    return of(table, sweep=sweep, series=series).set_index("period")


def residual_sd(theta, cells):
    """About a level per seed and the waves of `PERIODS`."""
    waves = [wave(theta, 1, p, q * p / 4).ravel() for p in PERIODS for q in (0, 1)]
    design = np.column_stack([np.tile(np.eye(theta.shape[1]), (len(theta), 1)), *waves])
    rest = cells.ravel() - design @ np.linalg.lstsq(design, cells.ravel())[0]
    return np.sqrt((rest**2).sum() / (rest.size - design.shape[1]))


def test_noise_table_is_of_each_series_own_noise():
    rng = np.random.default_rng(0)
    value, chance, own_cut = rng.normal(0, [[[0.2]], [[0.3]], [[0.5]]], (3, 13, 3))
    chance += wave(WITH_360, 0.1, 90)[:, None]
    table = table_of(score_rows(WITH_360, value, chance, own_cut, seeds=3), [*PERIODS, 45])
    theta = grid(WITH_360, 3)
    of_series = {"value": value, "excess": value - chance, "turning": value - own_cut}
    for series, cells in of_series.items():
        found = curve_of(table, series)
        sds = residual_sd(theta, cells), *noise_sd(theta, cells)
        assert found[SDS].to_numpy() == pytest.approx(np.tile(sds, (5, 1)))
        for column, function in (
            ("noise_amplitude", noise_amplitude),
            ("detectable_amplitude", detectable_amplitude),
        ):
            expected = [*function(theta, PERIODS, sds[0]), np.nan]
            assert found[column].tolist() == pytest.approx(expected, nan_ok=True)
    assert curve_of(table, "chance")["noise_amplitude"].isna().all()


def test_one_seed_and_staggered_seeds_have_the_noise_about_their_waves():
    cells = np.random.default_rng(0).normal(size=(13, 1))
    single = curve_of(table_of(score_rows(WITH_360, cells)))
    assert single["seed_sd"].isna().all()
    assert single["replicate_sd"].tolist() == pytest.approx(
        [abs(cells[12] - cells[0])[0] / 2**0.5] * 4
    )
    sd = residual_sd(grid(WITH_360), cells)
    assert single["cell_sd"].tolist() == pytest.approx([sd] * 4)
    theta, cells = staggered_grid(12, 3), np.random.default_rng(1).normal(size=(12, 3))
    staggered = curve_of(table_of(staggered_rows(theta, cells)))
    assert staggered["cell_sd"].tolist() == pytest.approx([residual_sd(theta, cells)] * 4)
    assert staggered[SDS[1:]].isna().all(axis=None)
    expected = detectable_amplitude(theta, PERIODS, residual_sd(theta, cells))
    assert staggered["detectable_amplitude"].tolist() == pytest.approx(expected)


def test_one_encoder_seen_from_all_angles_has_no_noise_between_them():
    pairs = [(t, e) for t in (0, 90, 180, 270, "random") for e in REGULAR]
    table = table_of(score_rows(pairs, np.random.default_rng(0).normal(size=(60, 2)), seeds=2))
    assert of(table, sweep="eval")["noise_amplitude"].isna().all()
    trained = of(of(table, sweep="train", series="value"), resolved=True)
    assert trained["noise_amplitude"].notna().all()


def test_without_a_resolved_period_there_is_no_amplitude():
    rows = score_rows([0, 30, 60, 90], np.random.default_rng(0).normal(size=(4, 2)), seeds=2)
    table = curve_of(table_of(rows))
    assert table["noise_amplitude"].isna().all() and table["seed_sd"].notna().all()
