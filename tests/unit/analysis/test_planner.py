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
    of,
    score_rows,
    shuffling,
    wave,
)

from thetascope.analysis.inference import permutation_test
from thetascope.analysis.planner import (
    detectable_amplitude,
    noise_amplitude,
    noise_sd,
    noise_table,
)
from thetascope.analysis.scores import arrange
from thetascope.analysis.waves import harmonics


def test_noise_by_hand():
    """Two-way analysis of variance: (angles − 1) (seeds − 1) degrees of freedom."""
    cells = np.random.default_rng(1).normal(size=(13, 3))
    table = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
    difference = cells[12] - cells[0]
    expected = [np.sqrt((table**2).sum() / (12 * 2)), np.sqrt((difference**2).sum() / (2 * 3))]
    assert noise_sd(WITH_360, cells) == pytest.approx(expected)


def test_noise_is_recovered_whatever_the_curve_and_the_levels():
    rng = np.random.default_rng(0)
    curve = wave(WITH_360, 5, 90)[:, None] + [0, 5, 9]
    draws = [noise_sd(WITH_360, curve + rng.normal(0, 2, (13, 3))) for _ in range(3000)]
    variances = np.mean(np.square(draws), axis=0)
    assert variances[0] == pytest.approx(4, rel=0.02)  # another degree of freedom is 4 % or more
    assert variances[1] == pytest.approx(4, rel=0.06)
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
            p = permutation_test(theta, cells[..., None], PERIODS, shuffling(199, i))[0]
            found.append(p[PERIODS.index(period)] <= 0.05)
    assert np.mean(found) == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("theta", [REGULAR, IRREGULAR])
def test_power_grows_with_amplitude_seeds_and_angles(theta):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(200, len(theta), 2))
    rates = []
    for amplitude in (0, 0.4, 0.8, 1.2):
        curve = wave(theta, amplitude, 180, 25)[:, None, None]
        tests = [
            permutation_test(theta, n[..., None] + curve, PERIODS, shuffling())[0] for n in noise
        ]
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


def test_no_degree_of_freedom_nothing_detectable():
    theta = np.arange(0, 360, 360 / 7)
    assert np.isnan(detectable_amplitude(theta, [360, 180, 120], 1, 1)).all()


def table_of(rows, periods=PERIODS):
    return noise_table(arrange([rows]), periods)


def curve_of(table, series="value", sweep="diagonal"):
    return of(table, sweep=sweep, series=series).set_index("period")


def test_noise_table_is_of_each_series_own_noise():
    rng = np.random.default_rng(0)
    value, chance, own_cut = rng.normal(0, [[[0.2]], [[0.3]], [[0.5]]], (3, 13, 3))
    chance += wave(WITH_360, 0.1, 90)[:, None]
    table = table_of(score_rows(WITH_360, value, chance, own_cut, seeds=3), [*PERIODS, 45])
    of_series = {"value": value, "excess": value - chance, "turning": value - own_cut}
    for series, cells in of_series.items():
        found = curve_of(table, series)
        seed_sd, replicate_sd = noise_sd(WITH_360, cells)
        assert found["seed_sd"].tolist() == pytest.approx([seed_sd] * 5)
        assert found["replicate_sd"].tolist() == pytest.approx([replicate_sd] * 5)
        for column, function in (
            ("noise_amplitude", noise_amplitude),
            ("detectable_amplitude", detectable_amplitude),
        ):
            expected = [*function(WITH_360, PERIODS, seed_sd, 3), np.nan]
            assert found[column].tolist() == pytest.approx(expected, nan_ok=True)
    assert curve_of(table, "chance")["noise_amplitude"].isna().all()


def test_one_seed_has_the_noise_of_its_replicates():
    cells = np.random.default_rng(0).normal(size=(13, 1))
    single = curve_of(table_of(score_rows(WITH_360, cells)))
    (difference,) = cells[12] - cells[0]
    assert single["seed_sd"].isna().all()
    expected = noise_amplitude(WITH_360, PERIODS, abs(difference) / 2**0.5, 1)
    assert single["noise_amplitude"].tolist() == pytest.approx(expected)
    unknown = curve_of(table_of(score_rows(REGULAR, cells[:12])))
    columns = ["seed_sd", "replicate_sd", "noise_amplitude", "detectable_amplitude"]
    assert unknown[columns].isna().all(axis=None)


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
