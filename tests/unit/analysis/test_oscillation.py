"""Tables of waves, levels and peaks."""

import numpy as np
import pandas as pd
import pytest
from factories import (
    REGULAR,
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

from thetascope.analysis.bounds import (
    amplitude_bound,
    amplitude_interval,
    level_interval,
    level_p,
    phase_margin,
)
from thetascope.analysis.curves import KEY, joined
from thetascope.analysis.inference import period_tests
from thetascope.analysis.oscillation import levels_table, oscillation_table, peaks_table
from thetascope.analysis.waves import fit
from thetascope.errors import UserError

PERIODS = [360, 180, 120, 90, 60, 45]
ENDS = ["amplitude_ci_low", "amplitude_ci_high", "amplitude_bound"]
CASES = ["amplitude_cases_ci_low", "amplitude_cases_ci_high"]
PHASE = ["phase_deg", "phase_ci_low", "phase_ci_high"]


def noisy(value, noise, items, seeds=1):
    """Scores of items [angles, seeds, items] about a curve."""
    shape = len(value), seeds, items
    return value[:, None, None] + np.random.default_rng(0).normal(0, noise, shape)


def oscillation(rows, periods=PERIODS, confidence=0.9):
    return oscillation_table(curves_of(rows), periods, confidence)


def fits(rows, series="value", sweep="diagonal", **options):
    return of(oscillation(rows, **options), sweep=sweep, series=series).set_index("period")


def peaks(rows, level=0.1, draws=199):
    """Peaks on the diagonal, by series."""
    curves = curves_of(rows)
    tests = period_tests(curves, [360, 180, 120, 90], shuffling(draws))
    return of(peaks_table(curves, tests, level), sweep="diagonal").set_index("series")


# -- waves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("theta", [REGULAR, np.append(REGULAR, 360), np.arange(0, 360, 12.5)])
def test_known_wave(theta):
    value = 0.5 + wave(theta, 0.06, 90, 50) + wave(theta, 0.03, 360, 10)
    rows = score_rows(theta, value, 0.2)
    of_value = fits(rows)
    assert of_value.loc[90, ["amplitude", "phase_deg"]].tolist() == pytest.approx([0.06, 50])
    assert of_value.loc[360, ["amplitude", "phase_deg"]].tolist() == pytest.approx([0.03, 10])
    assert of_value.loc[120, ["amplitude", "power_share"]].tolist() == [0, 0]
    shares = of_value["power_share"].dropna()
    assert shares.sum() == pytest.approx(1, abs=0.15 if len(theta) != len(REGULAR) else 1e-6)
    assert shares[90] > 3 * shares[360]
    of_excess = fits(rows, "excess")  # constant chance takes no wave away
    for column in "amplitude", "phase_deg":
        expected = of_value[column].to_numpy()
        assert of_excess[column].to_numpy() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_every_series_has_a_wave_and_intervals_of_its_own(confidence):
    """Chance with a wave, and items that differ in how far they follow it."""
    taken = np.array([0.2, 0.5, 1.4, 0.9, 0.1])
    chance = noisy(0.3 + wave(REGULAR, 0.1, 90, 20), 0.01, 5)
    own_cut = noisy(0.4 + wave(REGULAR, 0.05, 90, 50), 0.02, 5)
    value = noisy(0.5 + wave(REGULAR, 0.06, 90, 65), 0.03, 5) + taken * (chance - 0.3)
    rows = score_rows(REGULAR, value, chance, own_cut, items=5)
    for curve in curves_of(rows):
        found = fits(rows, curve.key["series"], periods=[180, 90], confidence=confidence).loc[90]
        expected = fit(curve, [180, 90])
        amplitude, runs, both = abs(expected.waves), expected.runs, expected.both
        assert found["amplitude"] == pytest.approx(amplitude[1])
        ends = (*amplitude_interval(amplitude, runs, confidence),)
        ends += (amplitude_bound(amplitude, runs, confidence),)
        margin = phase_margin(amplitude, runs, confidence)[1] * 90 / (2 * np.pi)
        at = np.angle(expected.waves[1]) * 90 / (2 * np.pi)
        assert found[ENDS].tolist() == pytest.approx([end[1] for end in ends], rel=1e-5)
        around = [at % 90, (at - margin) % 90, (at + margin) % 90]
        around[1:] = around[1:] if margin < 45 else [0, 90]
        assert found[PHASE].tolist() == pytest.approx(around)
        wider = [end[1] for end in amplitude_interval(amplitude, both, confidence)]
        assert found[CASES].tolist() == pytest.approx(wider, rel=1e-5)
        if curve.key["series"] == "value":
            assert found[CASES[0]] <= found[ENDS[0]] and found[CASES[1]] > found[ENDS[1]]


def test_intervals_are_in_the_same_rows_as_their_waves():
    """Several curves and periods are bounded at once."""
    value = noisy(0.5 + wave(REGULAR, 0.2, 90), 0.05, 3)
    other = noisy(0.5 + wave(REGULAR, 0.1, 180), 0.01, 3)
    both = pd.concat(
        [score_rows(REGULAR, v, items=3, metric=m) for m, v in (("zzz", value), ("aaa", other))]
    )
    table = oscillation(both)
    for metric, values in ("zzz", value), ("aaa", other):
        found = of(table, metric=metric).drop(columns="metric").reset_index(drop=True)
        alone = oscillation(score_rows(REGULAR, values, items=3)).drop(columns="metric")
        pd.testing.assert_frame_equal(found, alone)


def test_the_phase_may_lie_anywhere_unless_the_wave_is_found():
    rng = np.random.default_rng(0)
    rows = score_rows(
        REGULAR, 0.5 + wave(REGULAR, 1, 90)[:, None] + rng.normal(0, 0.1, (12, 3)), seeds=3
    )
    found = fits(rows, confidence=0.95)
    low, high = found.loc[90, PHASE[1:]]
    assert 85 < low < 90 and 0 < high < 5  # round the end of the period
    for period in 360, 120:
        assert found.loc[period, PHASE[1:]].tolist() == [0, period]
    assert found.loc[120, "amplitude_ci_low"] == 0 < found.loc[120, "amplitude_bound"]


def test_aliases_are_named():
    found = fits(score_rows(REGULAR, 0.5))["aliases"]
    assert found[90] == "45, 22.5" and found[360] == "32.73, 27.69"
    assert found[[60, 45]].isna().all()
    assert fits(score_rows(np.arange(0, 360, 12.5), 0.5))["aliases"][90] == ""


def test_unresolved_periods_are_not_reported():
    table = fits(score_rows(REGULAR, 0.5 + wave(REGULAR, 0.1, 60, 0)))
    unresolved = table.loc[60]
    assert not unresolved["resolved"] and table.loc[90, "resolved"]
    assert unresolved[["amplitude", "power_share", *ENDS, *CASES, *PHASE]].isna().all()


def test_staggered_seeds_show_one_wave():
    theta = staggered_grid(12, 3)
    value = 0.5 + wave(theta, 0.1, 45, 10) + np.array([0, 0.2, 0.5])
    found = fits(staggered_rows(theta, value), periods=[90, 45])
    assert found["resolved"].all()
    assert found.loc[45, ["amplitude", "phase_deg"]].tolist() == pytest.approx([0.1, 10])
    assert found["power_share"].tolist() == pytest.approx([0, 1], abs=1e-6)
    assert found.loc[45, ["n_angles", "n_seeds"]].tolist() == [36, 3]


def test_flat_curve_has_no_power_and_no_peak():
    rows = score_rows(REGULAR, 0.1 + 0.2)
    flat = of(oscillation(rows, [360, 90]), series="value")
    assert (flat[["amplitude", *ENDS, *CASES, "power_share"]].fillna(0) == 0).all(axis=None)
    assert flat["phase_deg"].isna().all()
    peak = peaks(rows)
    assert (peak["range"] == 0).all()
    assert peak[["peak_angle", "trough_angle", "peak_value"]].isna().all(axis=None)


@pytest.mark.parametrize("shift", [30, 60, 300])
def test_turning_all_angles_moves_phase_and_nothing_else(shift):
    value = np.random.default_rng(1).normal(size=len(REGULAR))
    turned = (REGULAR + shift) % 360
    before, after = (fits(score_rows(t, value), periods=[360, 180, 90]) for t in (REGULAR, turned))
    period = before.index.to_numpy()
    moved = (after["phase_deg"] - before["phase_deg"] - shift + period / 2) % period - period / 2
    assert moved.to_numpy() == pytest.approx(0, abs=1e-6)
    for column in "power_share", *ENDS:
        assert after[column].to_numpy() == pytest.approx(before[column].to_numpy(), rel=1e-5)


def test_items_that_lack_a_score_are_left_out_of_the_whole_curve():
    rows = score_rows(REGULAR, 0.5 + wave(REGULAR, 0.1, 180, 0), items=5, seeds=2)
    broken = (rows["item"] == "i3") & (rows["angle"] == 90) & (rows["seed"] == 1)
    rows.loc[rows["item"] == "i3", "value"] += 10
    rows.loc[broken, "value"] = np.nan
    found = fits(rows).loc[180]
    assert found["amplitude"] == pytest.approx(0.1)
    counts = ["n_angles", "n_angles_per_seed", "n_items", "n_left_out", "n_cases", "n_seeds"]
    assert found[counts].tolist() == [12, 12, 4, 1, 3, 2]


@pytest.mark.parametrize(("column", "series"), [("chance", "excess"), ("own_cut", "turning")])
def test_items_that_lack_what_is_subtracted_are_left_out_of_that_series(column, series):
    rows = score_rows(REGULAR, 0.5 + wave(REGULAR, 0.1, 180, 0), items=3)
    rows.loc[(rows["item"] == "i1") & (rows["angle"] == 90), column] = np.nan
    found = fits(rows, series)
    assert (found[["n_items", "n_left_out"]] == [2, 1]).all(axis=None)
    assert np.isfinite(found.loc[180, "amplitude"])
    assert (fits(rows)[["n_items", "n_left_out"]] == [3, 0]).all(axis=None)


def test_an_angle_without_any_score_is_no_part_of_the_curve():
    rows = score_rows(REGULAR, 0.5 + wave(REGULAR, 0.1, 180, 0))
    rows.loc[rows["angle"] == 0, "value"] = np.nan
    found = fits(rows)
    assert found.loc[180, "n_angles"] == 11
    assert found.loc[180, "amplitude"] == pytest.approx(0.1)
    # the gap of 60° hides what is shorter than twice that
    assert not found.loc[120, "resolved"]


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
        amplitude, phase = found.loc[series]
        assert amplitude == pytest.approx(numbers[0]), series
        assert (phase - numbers[1] + 45) % 90 == pytest.approx(45), series


def test_margins_show_what_training_and_what_evaluation_does():
    pairs = [(float(a), float(e)) for a in REGULAR for e in REGULAR]
    trained, evaluated = np.transpose(pairs)
    value = 0.5 + wave(trained, 0.1, 180) + wave(evaluated, 0.2, 360)
    rows = score_rows(pairs, value, 0.3)
    train, eval_ = (fits(rows, sweep=s)["amplitude"] for s in ("train_margin", "eval_margin"))
    assert train[[180, 360]].tolist() == pytest.approx([0.1, 0], abs=1e-8)
    assert eval_[[180, 360]].tolist() == pytest.approx([0, 0.2], abs=1e-8)


def test_one_encoder_seen_from_all_angles_has_intervals_for_new_cases_alone():
    pairs = [("random", e) for e in REGULAR]
    value = noisy(0.5 + wave(REGULAR, 0.1, 90), 0.02, 6)
    found = fits(score_rows(pairs, value, items=6), sweep="eval").loc[90]
    assert found[ENDS[:2]].tolist() == found[CASES].tolist()
    assert found[CASES[0]] < found["amplitude"] < found["amplitude_bound"] < found[CASES[1]]
    assert found["phase_ci_low"] > 80 or found["phase_ci_high"] < 10  # about a crest at 0


def test_too_few_angles_give_empty_tables_with_their_columns(caplog):
    rows = score_rows([0, 90], 0.5)
    assert "peak_angle" in peaks(rows).reset_index().columns
    assert "amplitude" in oscillation(rows).columns
    empty = levels_table(curves_of(rows), PERIODS, 0.9)
    assert list(joined([empty, empty])) == list(empty) and "level" in empty
    assert "no curves" in caplog.text


@pytest.mark.parametrize("periods", [[360, 100], [90, 90], [359]])
def test_periods_that_do_not_fit_the_circle_are_refused(periods):
    with pytest.raises(UserError, match=r"analysis\.periods"):
        oscillation(score_rows(REGULAR, 0.5), periods)


# -- levels ----------------------------------------------------------------------------------------


def test_levels_are_those_of_excess_and_turning():
    rng = np.random.default_rng(0)
    value, chance, own_cut = rng.normal(0, 0.1, (3, 12, 2, 4)) + np.reshape(
        [0.6, 0.3, 0.5], (3, 1, 1, 1)
    )
    curves = curves_of(score_rows(REGULAR, value, chance, own_cut, seeds=2, items=4))
    table = levels_table(curves, [360, 90], 0.9).set_index("series")
    assert table.index.tolist() == ["excess", "turning"]
    for curve in curves:
        if (series := curve.key["series"]) in table.index:
            expected, found = fit(curve, [360, 90]), table.loc[series]
            assert found["level"] == pytest.approx(curve.values.mean())
            for name, error in ("", expected.level_runs), ("cases_", expected.level_both):
                ends = level_interval(expected.level, error, 0.9)
                found_ends = [found[f"level_{name}ci_{end}"] for end in ("low", "high")]
                assert found_ends == pytest.approx(np.ravel(ends))
            assert found["p"] == pytest.approx(level_p(expected.level, expected.level_both))
    assert table.loc["excess", "level"] == pytest.approx(0.3, abs=0.05)


def test_a_level_that_is_there_is_found_whatever_the_waves():
    value = noisy(0.5 + wave(REGULAR, 0.3, 90), 0.05, 8)
    for chance, sure in (0.25, True), (0.5, False):
        table = levels_table(curves_of(score_rows(REGULAR, value, chance, items=8)), PERIODS, 0.95)
        assert (of(table, series="excess")["p"].item() < 0.01) == sure


# -- peaks -----------------------------------------------------------------------------------------


def test_peaks_are_named_where_the_curve_is_not_flat():
    noise = np.random.default_rng(0).normal(0, 0.02, (12, 3))
    peak = peaks(score_rows(REGULAR, noise + 0.5 + wave(REGULAR, 0.1, 360, 30)[:, None], seeds=3))
    mean = 0.5 + wave(REGULAR, 0.1, 360, 30) + noise.mean(axis=1)
    found = peak.loc["value", ["peak_angle", "trough_angle", "peak_value", "trough_value"]]
    expected = [30 * mean.argmax(), 30 * mean.argmin(), mean.max(), mean.min()]
    assert found.tolist() == pytest.approx(expected)
    assert peak.loc["value", "range"] == pytest.approx(np.ptp(mean))
    assert peak.loc["value", "p_flat"] < 0.01
    noise = np.random.default_rng(1).normal(size=(12, 3))
    flat = peaks(score_rows(REGULAR, noise, seeds=3)).loc["value"]
    assert flat["p_flat"] > 0.1 and np.isnan(flat["peak_angle"]) and flat["range"] > 0
    assert np.isnan(peak.loc["chance", "peak_angle"]) and np.isnan(peak.loc["chance", "p_flat"])


def test_p_flat_is_the_smallest_p_max_of_its_own_curve():
    rng = np.random.default_rng(0)
    rows = pd.concat(score_rows(REGULAR, rng.normal(size=(12, 2)), seeds=2, metric=m) for m in "ab")
    curves = curves_of(rows)
    tests = period_tests(curves, [360, 90], shuffling())
    table = peaks_table(curves, tests, 0.99).set_index(["metric", "series"])
    expected = tests.groupby(["metric", "series"])["p_max"].min()
    assert table["p_flat"].to_dict() == pytest.approx(expected.to_dict(), nan_ok=True)
    assert list(peaks_table(curves, tests, 0.99).columns[: len(KEY)]) == KEY


def test_rounding_does_not_choose_between_equal_peaks():
    rows = score_rows(REGULAR, 0.5 + wave(REGULAR, 0.1, 90, 45))  # 240 is the highest, by 1e-16
    assert peaks(rows, level=1.0).loc["value", "peak_angle"] == 30


def test_curve_without_complete_items_is_reported(caplog):
    rows = score_rows(REGULAR, 0.5, items=2)
    for item, angle in ("i0", 30), ("i1", 60):
        rows.loc[(rows["item"] == item) & (rows["angle"] == angle), "value"] = np.nan
    assert "value" not in peaks(rows).index
    assert "no item has a score at all angles" in caplog.text


def test_amplitudes_are_those_of_the_mean_curve():
    """Of seeds whose crests lie apart, whose waves add up as arrows do."""
    crests = np.array([-8, -3, 1, 4, 5, 7.0])
    value = 0.5 + wave(REGULAR[:, None], 0.1, 90, crests)
    found = fits(score_rows(REGULAR, value, seeds=6)).loc[90]
    turns = np.exp(2j * np.pi * crests / 90).mean()
    assert found["phase_deg"] == pytest.approx(np.angle(turns) * 90 / (2 * np.pi) % 90)
    assert found["amplitude"] == pytest.approx(0.1 * abs(turns))
    whole = harmonics(grid(REGULAR, 6), value[..., None], [90])[0][0, 0]
    assert found["amplitude"] == pytest.approx(whole)
