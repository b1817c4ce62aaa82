"""Waves of declared periods, and peaks."""

import numpy as np
import pandas as pd
import pytest
from factories import REGULAR, intervals, of, score_rows, wave
from hypothesis import given, settings
from hypothesis import strategies as st

from thetascope.analysis.bootstrap import bootstrap_means, interval
from thetascope.analysis.scores import arrange
from thetascope.analysis.waves import harmonics, oscillation_table, peaks_table, resolved
from thetascope.errors import UserError

PERIODS = [360, 180, 120, 90, 60, 45]
modest = settings(max_examples=50, deadline=None)


def noisy(value, noise, items, seeds=1):
    """Scores of items [angles, seeds, items] about a curve."""
    shape = len(value), seeds, items
    return value[:, None, None] + np.random.default_rng(0).normal(0, noise, shape)


def oscillation(rows, periods=PERIODS, bootstrap=None):
    return oscillation_table(arrange([rows]), periods, bootstrap or intervals())


def fits(rows, series="value", sweep="diagonal", **options):
    return of(oscillation(rows, **options), sweep=sweep, series=series).set_index("period")


def peaks(rows, bootstrap=None):
    """Peaks on the diagonal, by series."""
    table = peaks_table(arrange([rows]), bootstrap or intervals())
    return of(table, sweep="diagonal").set_index("series")


# -- the fit ---------------------------------------------------------------------------------------


def test_regular_grid_gives_the_fourier_transform():
    curve = np.random.default_rng(0).normal(size=len(REGULAR))
    amplitude, phase, power = harmonics(REGULAR, curve[:, None], [360, 180, 120, 90])
    spectrum = np.fft.rfft(curve)[1:5] / len(curve)
    assert amplitude[:, 0] == pytest.approx(2 * abs(spectrum))
    period = np.array([360, 180, 120, 90])
    assert phase[:, 0] == pytest.approx(-np.angle(spectrum) * period / (2 * np.pi) % period)
    assert power[:, 0] == pytest.approx(2 * len(curve) * abs(spectrum) ** 2)


irregular = st.lists(st.integers(0, 359), min_size=12, max_size=40, unique=True).map(
    lambda angles: np.array(sorted(angles), dtype=float)
)


@modest
@given(
    irregular,
    st.lists(st.floats(0.01, 1), min_size=6, max_size=6),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=6, max_size=6),
)
def test_resolved_waves_are_recovered_on_any_grid(theta, amplitudes, turns):
    known = [p for p, ok in zip(PERIODS, resolved(theta, PERIODS), strict=True) if ok]
    parts = [wave(theta, a, p, t * p) for p, a, t in zip(known, amplitudes, turns, strict=False)]
    curve = 0.5 + np.sum(parts, axis=0) * np.ones_like(theta)
    if known:
        amplitude, phase, _ = harmonics(theta, curve[:, None], known)
        assert amplitude[:, 0] == pytest.approx(amplitudes[: len(known)], rel=1e-5)
        apart = (phase[:, 0] / known - turns[: len(known)] + 0.5) % 1 - 0.5
        assert apart == pytest.approx(0, abs=1e-5)


@modest
@given(irregular, st.integers(0, 2**31))
def test_power_is_what_the_fit_loses_without_the_period(theta, seed):
    curve = np.random.default_rng(seed).normal(size=len(theta))
    known = [p for p, ok in zip(PERIODS, resolved(theta, PERIODS), strict=True) if ok]

    def residual(periods):
        waves = [wave(theta, 1, p, q * p / 4) for p in periods for q in (0, 1)]
        design = np.stack([np.ones_like(theta), *waves], axis=1)
        return ((curve - design @ np.linalg.lstsq(design, curve)[0]) ** 2).sum()

    if known:
        power = harmonics(theta, curve[:, None], known)[2][:, 0]
        lost = [residual([q for q in known if q != p]) - residual(known) for p in known]
        assert power == pytest.approx(lost, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(
    ("theta", "expected"),
    [
        (REGULAR, [360, 180, 120, 90]),  # 60 is exactly twice the step: its sine could vanish
        (np.append(REGULAR, 360), [360, 180, 120, 90]),
        (np.arange(0, 360, 22.0), PERIODS),
        (np.arange(0, 90, 10.0), []),  # nothing is known about three quarters of the circle
        (np.delete(REGULAR, 3), [360, 180]),
    ],
)
def test_resolved_periods(theta, expected):
    assert [p for p, ok in zip(PERIODS, resolved(theta, PERIODS), strict=True) if ok] == expected


def test_intervals_cover_the_truth_at_their_nominal_rate():
    rng = np.random.default_rng(0)
    items, truth = 40, 0.05
    covered = []
    for _ in range(200):
        own = rng.normal(truth, 0.05, items)  # each item oscillates in its own way
        values = rng.normal(0.5, 0.1, items) + wave(REGULAR[:, None], own, 90, 40)
        values = (values + rng.normal(0, 0.05, values.shape))[:, None]
        draws = bootstrap_means(values, intervals(300))
        low, high = interval(harmonics(REGULAR, draws, [360, 180, 120, 90])[0][3], 0.9)
        covered.append(low <= truth <= high)
    assert 0.84 <= np.mean(covered) <= 0.95


# -- the tables ------------------------------------------------------------------------------------


@pytest.mark.parametrize("theta", [REGULAR, np.append(REGULAR, 360), np.arange(0, 360, 12.5)])
def test_known_wave(theta):
    value = 0.5 + wave(theta, 0.06, 90, 50) + wave(theta, 0.03, 360, 10)
    rows = score_rows(theta, value, 0.2)
    of_value = fits(rows)
    assert of_value.loc[90, ["amplitude", "phase_deg"]].tolist() == pytest.approx([0.06, 50])
    assert of_value.loc[360, ["amplitude", "phase_deg"]].tolist() == pytest.approx([0.03, 10])
    assert of_value.loc[120, ["amplitude", "power_share"]].tolist() == [0, 0]
    shares = of_value["power_share"].dropna()
    assert shares.sum() == pytest.approx(1, abs=0.15 if len(theta) != len(REGULAR) else 1e-9)
    assert shares[90] > 3 * shares[360]
    of_excess = fits(rows, "excess")  # constant chance takes no wave away
    for column in "amplitude", "phase_deg":
        expected = of_value[column].to_numpy()
        assert of_excess[column].to_numpy() == pytest.approx(expected, nan_ok=True)


def test_every_series_has_a_wave_and_an_interval_of_its_own():
    """Chance with a wave, and items that differ in how far they follow it."""
    taken = np.array([0.2, 0.5, 1.4, 0.9, 0.1])
    chance = noisy(0.3 + wave(REGULAR, 0.1, 90, 20), 0.01, 5)
    own_cut = noisy(0.4 + wave(REGULAR, 0.05, 90, 50), 0.02, 5)
    value = 0.5 + wave(REGULAR, 0.06, 90, 65)[:, None, None] + taken * (chance - 0.3)
    rows = score_rows(REGULAR, value, chance, own_cut, items=5)
    columns = ["amplitude", "amplitude_ci_low", "amplitude_ci_high", "phase_deg"]
    of_series = {"value": value, "chance": chance, "turning": value - own_cut}
    of_series["excess"] = value - chance
    for series, scores in of_series.items():
        curve = scores.mean(axis=(1, 2))
        draws = bootstrap_means(scores, intervals())
        (one,), (phase,), _ = harmonics(REGULAR, curve[:, None], [90])
        low, high = interval(harmonics(REGULAR, draws, [90])[0][0], 0.9)
        found = fits(rows, series, periods=[90]).loc[90, columns].tolist()
        assert found == pytest.approx([one[0], low, high, phase[0]])
    assert fits(rows, periods=[90]).loc[90, "amplitude_ci_low"] < 0.9 * low


def test_the_phase_is_that_of_the_mean_curve_and_not_the_mean_of_draws():
    """Crests about 0: the phases of draws lie at both ends of [0, period)."""
    phases = np.array([-8, -3, 1, 4, 5, 7.0])
    value = 0.5 + wave(REGULAR[:, None], 0.1, 90, phases)[:, None, :]
    found = fits(score_rows(REGULAR, value, items=6)).loc[90, "phase_deg"]
    turns = np.exp(2j * np.pi * phases / 90).mean()
    assert found == pytest.approx(np.angle(turns) * 90 / (2 * np.pi) % 90)


def test_a_wider_confidence_has_the_quantiles_that_it_says():
    rows = score_rows(REGULAR, noisy(0.5 + wave(REGULAR, 0.1, 90), 0.2, 9), items=9)
    value = rows["value"].to_numpy().reshape(12, 1, 9)
    draws = harmonics(REGULAR, bootstrap_means(value, intervals(200)), [90])[0][0]
    for confidence in 0.5, 0.99:
        found = fits(rows, periods=[90], bootstrap=intervals(200, confidence)).loc[90]
        tails = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
        assert found[["amplitude_ci_low", "amplitude_ci_high"]].tolist() == pytest.approx(tails)


def test_unresolved_periods_are_not_reported():
    table = fits(score_rows(REGULAR, 0.5 + wave(REGULAR, 0.1, 60, 0)))
    unresolved = table.loc[60]
    assert not unresolved["resolved"]
    assert unresolved[["amplitude", "amplitude_ci_low", "phase_deg", "power_share"]].isna().all()
    assert table.loc[90, "resolved"]


def test_flat_curve_has_no_power_and_no_peak():
    rows = score_rows(REGULAR, 0.1 + 0.2)
    flat = oscillation(rows, [360, 90])
    assert (flat[["amplitude", "amplitude_ci_high", "power_share"]] == 0).all(axis=None)
    assert flat["phase_deg"].isna().all()
    peak = peaks(rows)
    assert (peak[["range", "peak_support"]] == 0).all(axis=None)
    assert peak[["peak_angle", "trough_angle", "peak_ci_low"]].isna().all(axis=None)


@pytest.mark.parametrize("shift", [30, 60, 300])
def test_turning_all_angles_moves_phase_and_peak(shift):
    value = np.random.default_rng(1).normal(size=len(REGULAR))
    turned = (REGULAR + shift) % 360
    before, after = (fits(score_rows(t, value), periods=[360, 180, 90]) for t in (REGULAR, turned))
    period = before.index.to_numpy()
    moved = (after["phase_deg"] - before["phase_deg"] - shift + period / 2) % period - period / 2
    assert moved.to_numpy() == pytest.approx(0, abs=1e-6)
    assert after["power_share"].to_numpy() == pytest.approx(before["power_share"].to_numpy())
    before, after = (peaks(score_rows(t, value)).loc["value"] for t in (REGULAR, turned))
    assert after["peak_angle"] == (before["peak_angle"] + shift) % 360
    assert after["range"] == before["range"]


def test_items_that_lack_a_score_are_left_out_of_the_whole_curve():
    rows = score_rows(REGULAR, 0.5 + wave(REGULAR, 0.1, 180, 0), items=5, seeds=2)
    broken = (rows["item"] == "i3") & (rows["angle"] == 90) & (rows["seed"] == 1)
    rows.loc[rows["item"] == "i3", "value"] += 10
    rows.loc[broken, "value"] = np.nan
    fit = fits(rows).loc[180]
    assert fit["amplitude"] == pytest.approx(0.1)
    assert fit[["n_angles", "n_items", "n_left_out", "n_seeds"]].tolist() == [12, 4, 1, 2]
    assert peaks(rows).loc["value", "peak_value"] == pytest.approx(0.6)


@pytest.mark.parametrize(("column", "series"), [("chance", "excess"), ("own_cut", "turning")])
def test_items_that_lack_what_is_subtracted_are_left_out_of_that_series(column, series):
    rows = score_rows(REGULAR, 0.5 + wave(REGULAR, 0.1, 180, 0), items=3)
    rows.loc[(rows["item"] == "i1") & (rows["angle"] == 90), column] = np.nan
    fit = fits(rows, series)
    assert (fit[["n_items", "n_left_out"]] == [2, 1]).all(axis=None)
    assert np.isfinite(fit.loc[180, "amplitude"])
    assert (fits(rows)[["n_items", "n_left_out"]] == [3, 0]).all(axis=None)


def test_an_angle_without_any_score_is_no_part_of_the_curve():
    rows = score_rows(REGULAR, 0.5 + wave(REGULAR, 0.1, 180, 0))
    rows.loc[rows["angle"] == 0, "value"] = np.nan
    fit = fits(rows)
    assert fit.loc[180, "n_angles"] == 11
    assert fit.loc[180, "amplitude"] == pytest.approx(0.1)
    # the gap of 60° hides what is shorter than twice that
    assert not fit.loc[120, "resolved"]


def test_series_are_the_score_over_what_it_is_compared_with():
    """Each in its own amplitude and phase: waves of one period add up as arrows do."""
    value, chance = wave(REGULAR, 0.05, 90), wave(REGULAR, 0.1, 90, 22.5)
    own_cut = wave(REGULAR, 0.2, 90)
    table = oscillation(score_rows(REGULAR, 0.5 + value, 0.2 + chance, 0.4 + own_cut))
    found = of(table, period=90).set_index("series")[["amplitude", "phase_deg"]]
    # a crest that lies a quarter of a period beside is at a right angle
    beside = np.hypot(0.05, 0.1), 90 - np.rad2deg(np.arctan2(0.1, 0.05)) / 4
    expected = {"value": (0.05, 0), "chance": (0.1, 22.5), "excess": beside, "turning": (0.15, 45)}
    for series, numbers in expected.items():
        assert found.loc[series].tolist() == pytest.approx(numbers), series


def test_margins_show_what_training_and_what_evaluation_does():
    pairs = [(float(a), float(e)) for a in REGULAR for e in REGULAR]
    trained, evaluated = np.transpose(pairs)
    value = 0.5 + wave(trained, 0.1, 180) + wave(evaluated, 0.2, 360)
    rows = score_rows(pairs, value, 0.3)
    train, eval_ = (fits(rows, sweep=s)["amplitude"] for s in ("train_margin", "eval_margin"))
    assert train[[180, 360]].tolist() == pytest.approx([0.1, 0], abs=1e-8)
    assert eval_[[180, 360]].tolist() == pytest.approx([0, 0.2], abs=1e-8)


def test_too_few_angles_give_empty_tables_with_their_columns(caplog):
    rows = score_rows([0, 90], 0.5)
    assert "peak_angle" in peaks_table(arrange([rows]), intervals()).columns
    assert "amplitude" in oscillation(rows).columns
    assert "no curves" in caplog.text


@pytest.mark.parametrize("periods", [[360, 100], [90, 90], [359]])
def test_periods_that_do_not_fit_the_circle_are_refused(periods):
    with pytest.raises(UserError, match=r"analysis\.periods"):
        oscillation(score_rows(REGULAR, 0.5), periods)


# -- peaks -----------------------------------------------------------------------------------------


def test_peak_and_its_interval_close_over_north():
    theta = np.arange(0, 360, 10.0)
    rows = score_rows(theta, noisy(0.5 + wave(theta, 0.1, 360, 358), 0.02, 20), items=20)
    peak = peaks(rows, intervals(400)).loc["value"]
    assert min(peak["peak_angle"], 360 - peak["peak_angle"]) <= 20
    assert peak["peak_ci_low"] >= 330 and peak["peak_ci_high"] <= 30
    assert 0.2 < peak["peak_support"] < 1
    assert abs(peak["trough_angle"] - 178) <= 20
    assert peak["range"] == pytest.approx(peak["peak_value"] - peak["trough_value"])


def test_sharp_peak_is_certain():
    value = noisy(np.where(REGULAR == 240, 0.9, 0.5), 0.01, 5)
    peak = peaks(score_rows(REGULAR, value, items=5)).loc["value"]
    columns = ["peak_angle", "peak_ci_low", "peak_ci_high", "peak_support"]
    assert peak[columns].tolist() == [240, 240, 240, 1]


def test_the_interval_of_a_peak_goes_over_all_seeds():
    """One seed peaks at 60, two at 90: the first alone, or no seed drawn, would be certain."""
    peaked = [np.where(at == REGULAR, high, 0.5) for at, high in ((60, 0.9), (90, 0.8), (90, 0.8))]
    peak = peaks(score_rows(REGULAR, np.transpose(peaked), seeds=3), intervals(999)).loc["value"]
    assert peak[["peak_angle", "peak_ci_low", "peak_ci_high"]].tolist() == [90, 60, 90]
    # 60 wins if two or more of three seeds drawn are the first: 7 of 27
    assert peak["peak_support"] == pytest.approx(20 / 27, abs=0.05)


def test_each_series_has_its_own_peak():
    value, chance = 0.5 + wave(REGULAR, 0.1, 360, 30), 0.3 + wave(REGULAR, 0.3, 360, 210)
    own_cut = 0.2 + wave(REGULAR, 0.3, 360, 30)
    found = peaks(score_rows(REGULAR, value, chance, own_cut))
    found = found[["peak_angle", "trough_angle", "peak_value"]]
    assert found.loc["value"].tolist() == pytest.approx([30, 210, 0.6])
    assert found.loc["chance"].tolist() == pytest.approx([210, 30, 0.6])
    assert found.loc["excess"].tolist() == pytest.approx([30, 210, 0.6])
    assert found.loc["turning"].tolist() == pytest.approx([210, 30, 0.5])


def test_rounding_does_not_choose_between_equal_peaks():
    rows = score_rows(REGULAR, 0.5 + wave(REGULAR, 0.1, 90, 45))  # 240 is the highest, by 1e-16
    peak = peaks(rows).loc["value"]
    assert peak[["peak_angle", "peak_support"]].tolist() == [30, 1]


def test_curve_without_complete_items_is_reported(caplog):
    rows = score_rows(REGULAR, 0.5, items=2)
    for item, angle in ("i0", 30), ("i1", 60):
        rows.loc[(rows["item"] == item) & (rows["angle"] == angle), "value"] = np.nan
    assert peaks(rows).empty
    assert "no item has a score at all angles" in caplog.text


def test_draws_do_not_depend_on_what_else_is_there():
    one = score_rows(REGULAR, noisy(0.5 + wave(REGULAR, 0.1, 90), 0.1, 5), items=5)
    two = oscillation(pd.concat([one.assign(metric="aaa"), one]))
    alone = oscillation(one).drop(columns="metric")
    for metric in "aaa", "auroc":
        found = of(two, metric=metric).drop(columns="metric").reset_index(drop=True)
        pd.testing.assert_frame_equal(found, alone)
