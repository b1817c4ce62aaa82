"""Power at periods that nobody declared."""

import numpy as np
import pytest
from factories import (
    FINE,
    IRREGULAR,
    PERIODS,
    REGULAR,
    at_nominal_rate,
    curves_of,
    harmonics,
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
from scipy import signal

from thetascope.analysis.periodogram import lomb_scargle, periodogram_table
from thetascope.analysis.permutation import shuffled_means
from thetascope.analysis.waves import resolved

modest = settings(max_examples=25, deadline=None)

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


def spectrum(*rows, confidence=0.9, draws=199):
    return periodogram_table(curves_of(*rows), shuffling(draws), confidence)


def curve_of(table, series="value", sweep="diagonal"):
    return of(table, sweep=sweep, series=series).set_index("period")


@pytest.mark.parametrize("seeds", [1, 3])
def test_periodogram_finds_what_nobody_declared(seeds):
    cells = wave(FINE, 3, 72, 10)[:, None] + null_cells(np.random.default_rng(0), 24, seeds)
    table = spectrum(score_rows(FINE, cells, seeds=seeds), confidence=0.95)
    value, flat = curve_of(table), curve_of(table, "chance")
    assert value["cycles"].tolist() == list(range(1, 12))  # 12 would be the Nyquist frequency
    assert value.index[value["power"] >= value["threshold"]].tolist() == [72]
    assert value.index[value["p_max"] <= 0.05].tolist() == [72]
    assert (flat["power"] == 0).all() and flat["threshold"].isna().all()


@pytest.mark.parametrize("confidence", [0.5, 0.9])
def test_power_and_threshold_are_shares_of_the_curve_that_they_belong_to(confidence):
    """Far from 1, and of a value and an excess that differ."""
    rng = np.random.default_rng(0)
    value, chance, own_cut = rng.normal(0, 7, (3, 12, 2))
    table = spectrum(score_rows(REGULAR, value, chance, own_cut, seeds=2), confidence=confidence)
    of_series = {"value": value, "excess": value - chance, "turning": value - own_cut}
    for series, cells in of_series.items():
        own = cells - cells.mean(axis=0)
        curve = own.mean(axis=1)
        transform = 2 / 12 * abs(np.fft.rfft(curve)[1:6]) ** 2
        found = curve_of(table, series)
        assert found["power"].tolist() == pytest.approx(transform / (curve @ curve))
        draws = shuffled_means(cells, shuffling(199))
        highest = (2 / 12 * abs(np.fft.rfft(draws, axis=0)[1:6]) ** 2).max(axis=0) / (curve @ curve)
        expected = np.quantile(highest, confidence, method="higher")
        assert found["threshold"].tolist() == pytest.approx([expected] * 5)
        p_max = [(highest >= power * (1 - 1e-9)).mean() for power in found["power"]]
        assert found["p_max"].tolist() == pytest.approx(p_max)


def test_threshold_is_reached_at_the_nominal_rate():
    rng = np.random.default_rng(0)
    noise = [
        score_rows(IRREGULAR, null_cells(rng, 16, 2), seeds=2, items=1, metric=f"m{i}")
        for i in range(200)
    ]
    table = curve_of(spectrum(*noise))
    reached = table["power"] >= table["threshold"]
    assert reached.tolist() == (table["p_max"] <= 0.1).tolist()
    assert at_nominal_rate(1 - reached.groupby(table["metric"].to_numpy()).any(), 0.1)


def test_what_has_no_valid_test_has_power_alone():
    rng = np.random.default_rng(0)
    edges = score_rows(REGULAR, rng.normal(size=12), model="baseline", attribution="sobel")
    pairs = [(t, e) for t in (0, 90, 180, 270, "random") for e in REGULAR]
    crossed = score_rows(pairs, rng.normal(size=(60, 2)), seeds=2)
    table = spectrum(crossed)
    for untested in (
        curve_of(spectrum(edges)),
        *(curve_of(table, sweep=sweep) for sweep in ("eval", "eval_margin")),
    ):
        assert untested[["threshold", "p_max"]].isna().all(axis=None)
        assert untested["power"].notna().all()
    assert curve_of(table, sweep="train")["threshold"].notna().all()


def test_a_quarter_of_the_circle_has_no_periodogram():
    assert spectrum(score_rows([0, 30, 60, 90], [1.0, 2, 0, 5])).empty


def test_staggered_seeds_show_what_no_seed_resolves_alone():
    """Power beside a level for every seed; periods that each seed sees at one place are none."""
    theta = staggered_grid(12, 3)
    cells = wave(theta, 3, 24, 5) + null_cells(np.random.default_rng(0), 12, 3)
    table = spectrum(staggered_rows(theta, cells), confidence=0.95)
    value = curve_of(table)
    assert value["cycles"].tolist() == [n for n in range(1, 18) if n != 12]
    assert value.index[value["p_max"] <= 0.05].tolist() == [24]
    own = cells - cells.mean(axis=0)
    for period, power in value["power"].items():
        waves = [wave(theta, 1, period, q * period / 4).ravel() for q in (0, 1)]
        design = np.column_stack([np.tile(np.eye(3), (12, 1)), *waves])
        rest = own.ravel() - design @ np.linalg.lstsq(design, own.ravel())[0]
        assert power == pytest.approx(1 - (rest**2).sum() / (own**2).sum())


def test_staggered_thresholds_are_reached_at_the_nominal_rate():
    rng, theta = np.random.default_rng(0), staggered_grid(8, 2)
    noise = [
        staggered_rows(theta, null_cells(rng, 8, 2), items=1, metric=f"m{i}") for i in range(200)
    ]
    table = curve_of(spectrum(*noise))
    found = (table["p_max"] <= 0.1).groupby(table["metric"].to_numpy()).any()
    assert at_nominal_rate(1 - found, 0.1)
