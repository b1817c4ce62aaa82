from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thetascope.analysis.bootstrap import bootstrap_means, interval
from thetascope.analysis.curves import curves, footprint_share
from thetascope.analysis.scores import arrange
from thetascope.analysis.waves import harmonics, oscillation_table, peaks_table, resolved
from thetascope.angles import label
from thetascope.errors import UserError

REGULAR = np.arange(0, 360, 30.0)
PERIODS = [360, 180, 120, 90, 60, 45]
SERIES = ["value", "footprint", "excess", "residual"]
modest = settings(max_examples=50, deadline=None)


def wave(theta, amplitude, period, phase):
    return amplitude * np.cos(2 * np.pi * (np.asarray(theta) - phase) / period)


def scores(theta, value, null=0.0, pairs=None, items=5, seeds=1, noise=0.0):
    """Scores per item whose mean is `value` at the angles `theta` of the diagonal (or `pairs`)."""
    rng = np.random.default_rng(0)
    pairs = pairs or [(label(t), label(t)) for t in theta]
    value, null = np.broadcast_to(value, len(pairs)), np.broadcast_to(null, len(pairs))
    rows = [
        (angle, evaluated, str(seed), f"i{item}", value[i] + rng.normal(0, noise), null[i])
        for (i, (angle, evaluated)), seed, item in product(
            enumerate(pairs), range(seeds), range(items)
        )
    ]
    columns = ["angle", "eval_angle", "seed", "item", "value", "null"]
    fixed = {"dataset": "d", "view": "plain", "encoder": "e", "method": "moco", "case": "c"}
    fixed |= {"model": "pretrained", "orientation": "rotated", "map": "smoothgrad"}
    return pd.DataFrame(rows, columns=columns).assign(**fixed, metric="auroc")


def oscillation(rows, periods=PERIODS, bootstrap=50):
    table = oscillation_table(arrange([rows]), periods, bootstrap, 0.95, 0)
    return table.set_index(["sweep", "at", "series", "period"])


def peaks(rows, bootstrap=50):
    return peaks_table(arrange([rows]), bootstrap, 0.95, 0).set_index(["sweep", "at", "series"])


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
        draws = bootstrap_means(values, 300, 0)
        low, high = interval(harmonics(REGULAR, draws, [360, 180, 120, 90])[0][3], 0.9)
        covered.append(low <= truth <= high)
    assert 0.84 <= np.mean(covered) <= 0.95


# -- the tables ------------------------------------------------------------------------------------


@pytest.mark.parametrize("theta", [REGULAR, np.append(REGULAR, 360), np.arange(0, 360, 12.5)])
def test_known_wave(theta):
    rows = scores(theta, 0.5 + wave(theta, 0.06, 90, 50) + wave(theta, 0.03, 360, 10), 0.2)
    table = oscillation(rows).loc[("diagonal", "same")]
    assert table.loc[("value", 90), ["amplitude", "phase_deg"]].tolist() == pytest.approx(
        [0.06, 50]
    )
    assert table.loc[("value", 360), ["amplitude", "phase_deg"]].tolist() == pytest.approx(
        [0.03, 10]
    )
    assert table.loc[("value", 120), ["amplitude", "power_share"]].tolist() == [0, 0]
    shares = table.loc["value", "power_share"].dropna()
    assert shares.sum() == pytest.approx(1, abs=0.15 if len(theta) != len(REGULAR) else 1e-9)
    assert shares[90] > 3 * shares[360]
    for column in ("amplitude", "phase_deg"):
        assert table.loc["excess", column].to_numpy() == pytest.approx(
            table.loc["value", column].to_numpy(), nan_ok=True
        )


def test_unresolved_periods_are_not_reported():
    table = oscillation(scores(REGULAR, 0.5 + wave(REGULAR, 0.1, 60, 0)))
    unresolved = table.loc[("diagonal", "same", "value", 60)]
    assert not unresolved["resolved"]
    assert unresolved[["amplitude", "amplitude_ci_low", "phase_deg", "power_share"]].isna().all()
    assert table.loc[("diagonal", "same", "value", 90), "resolved"]


def test_flat_curve_has_no_power_and_no_peak():
    rows = scores(REGULAR, 0.1 + 0.2)
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
    before, after = (oscillation(scores(t, value), [360, 180, 90]) for t in (REGULAR, turned))
    period = before.index.get_level_values("period")
    moved = (after["phase_deg"] - before["phase_deg"] - shift + period / 2) % period - period / 2
    assert moved.xs("value", level="series").to_numpy() == pytest.approx(0, abs=1e-6)
    assert after["power_share"].to_numpy() == pytest.approx(before["power_share"].to_numpy())
    before, after = (
        peaks(scores(t, value)).loc[("diagonal", "same", "value")] for t in (REGULAR, turned)
    )
    assert after["peak_angle"] == (before["peak_angle"] + shift) % 360
    assert after["range"] == before["range"]


def test_items_that_lack_a_score_are_left_out_of_the_whole_curve():
    rows = scores(REGULAR, 0.5 + wave(REGULAR, 0.1, 180, 0), items=5, seeds=2)
    broken = (rows["item"] == "i3") & (rows["angle"] == "090.0") & (rows["seed"] == "1")
    rows.loc[rows["item"] == "i3", "value"] += 10
    rows.loc[broken, "value"] = np.nan
    fit = oscillation(rows).loc[("diagonal", "same", "value", 180)]
    assert fit["amplitude"] == pytest.approx(0.1)
    assert fit[["n_angles", "n_items", "n_left_out", "n_seeds"]].tolist() == [12, 4, 1, 2]
    assert peaks(rows).loc[("diagonal", "same", "value"), "peak_value"] == pytest.approx(0.6)


def test_items_that_lack_a_null_are_left_out_too():
    rows = scores(REGULAR, 0.5 + wave(REGULAR, 0.1, 180, 0), items=3)
    rows.loc[(rows["item"] == "i1") & (rows["angle"] == "090.0"), "null"] = np.nan
    fit = oscillation(rows)
    assert (fit[["n_items", "n_left_out"]] == [2, 1]).all(axis=None)
    assert np.isfinite(fit.loc[("diagonal", "same", "excess", 180), "amplitude"])


def test_curve_without_complete_items_is_reported(caplog):
    rows = scores(REGULAR, 0.5, items=2)
    for item, angle in ("i0", "030.0"), ("i1", "060.0"):
        rows.loc[(rows["item"] == item) & (rows["angle"] == angle), "value"] = np.nan
    assert peaks(rows).empty
    assert "no item has a score at all angles" in caplog.text


def test_an_angle_without_any_score_is_no_part_of_the_curve():
    rows = scores(REGULAR, 0.5 + wave(REGULAR, 0.1, 180, 0))
    rows.loc[rows["angle"] == "000.0", "value"] = np.nan
    fit = oscillation(rows)
    at_180 = fit.loc[("diagonal", "same", "value", 180)]
    assert at_180["n_angles"] == 11
    assert at_180["amplitude"] == pytest.approx(0.1)
    # the gap of 60° hides what is shorter than twice that
    assert not fit.loc[("diagonal", "same", "value", 120), "resolved"]


# -- peaks -----------------------------------------------------------------------------------------


def test_peak_and_its_interval_close_over_north():
    theta = np.arange(0, 360, 10.0)
    rows = scores(theta, 0.5 + wave(theta, 0.1, 360, 358), items=20, noise=0.02)
    peak = peaks(rows, bootstrap=400).loc[("diagonal", "same", "value")]
    assert min(peak["peak_angle"], 360 - peak["peak_angle"]) <= 20
    assert peak["peak_ci_low"] >= 330 and peak["peak_ci_high"] <= 30
    assert 0.2 < peak["peak_support"] < 1
    assert abs(peak["trough_angle"] - 178) <= 20
    assert peak["range"] == pytest.approx(peak["peak_value"] - peak["trough_value"])


def test_sharp_peak_is_certain():
    value = np.where(REGULAR == 240, 0.9, 0.5)
    peak = peaks(scores(REGULAR, value, noise=0.01)).loc[("diagonal", "same", "value")]
    columns = ["peak_angle", "peak_ci_low", "peak_ci_high", "peak_support"]
    assert peak[columns].tolist() == [240, 240, 240, 1]


def test_rounding_does_not_choose_between_equal_peaks():
    rows = scores(REGULAR, 0.5 + wave(REGULAR, 0.1, 90, 45))  # 240 is the highest, by 1e-16
    peak = peaks(rows).loc[("diagonal", "same", "value")]
    assert peak[["peak_angle", "peak_support"]].tolist() == [30, 1]


# -- which curves ----------------------------------------------------------------------------------


def names(rows):
    return {(c.key["sweep"], c.key["at"], c.key["series"]) for c in curves(arrange([rows]))}


def test_full_grid_has_every_sweep():
    grid = ["000.0", "090.0", "180.0", "270.0"]
    rows = scores(None, 0.5, pairs=[*product(grid, grid), *product(["none", "random"], grid)])
    sweeps = {("diagonal", "same")} | {("train", a) for a in grid}
    sweeps |= {("eval", a) for a in [*grid, "none", "random"]}
    sweeps |= {("train", "mean"), ("eval", "mean")}
    assert names(rows) == {(*s, k) for s in sweeps for k in SERIES}


def test_train_sweep_leaves_out_what_is_no_angle():
    value = np.arange(6.0)
    trained = ["000.0", "090.0", "180.0", "270.0", "none", "random"]
    rows = scores(None, value, pairs=[(angle, "000.0") for angle in trained])
    curve = next(c for c in curves(arrange([rows])) if c.key["sweep"] == "train")
    assert curve.key["at"] == "000.0"
    assert curve.theta.tolist() == [0, 90, 180, 270]
    assert curve.mean.tolist() == [0, 1, 2, 3]


def test_0_and_360_are_two_rows_but_one_angle():
    assert names(scores([0, 120, 240, 360], 0.5)) == set()
    curve = next(curves(arrange([scores([0, 90, 180, 270, 360], np.arange(5.0))])))
    assert curve.theta.tolist() == [0, 90, 180, 270, 360]
    assert curve.mean.tolist() == [0, 1, 2, 3, 4]


def test_too_few_angles_give_empty_tables_with_their_columns(caplog):
    rows = scores([0, 90], 0.5)
    assert "peak_angle" in peaks_table(arrange([rows]), 10, 0.95, 0).columns
    assert "amplitude" in oscillation_table(arrange([rows]), PERIODS, 10, 0.95, 0).columns
    assert "no curves" in caplog.text


@pytest.mark.parametrize("periods", [[360, 100], [90, 90]])
def test_periods_that_do_not_fit_the_circle_are_refused(periods):
    with pytest.raises(UserError, match=r"analysis\.periods"):
        oscillation(scores(REGULAR, 0.5), periods)


# -- margins ---------------------------------------------------------------------------------------


def test_margins_of_a_full_factorial():
    """What training at θ does, and what evaluating there does, each averaged over the other."""
    parts = [
        scores(REGULAR, 0.5 + wave(REGULAR, 0.1, 180, 0) + 0.2 * np.cos(np.deg2rad(at))).assign(
            eval_angle=label(at)
        )
        for at in REGULAR
    ]
    fits = oscillation(pd.concat(parts, ignore_index=True))["amplitude"]
    assert fits["train", "mean", "value", 180] == pytest.approx(0.1)
    assert fits["train", "mean", "value", 360] == pytest.approx(0, abs=1e-8)
    assert fits["eval", "mean", "value", 360] == pytest.approx(0.2)
    assert fits["eval", "mean", "value", 180] == pytest.approx(0, abs=1e-8)


def test_without_all_combinations_there_are_no_margins():
    diagonal = scores(REGULAR, 0.5 + wave(REGULAR, 0.1, 180, 0))
    assert "mean" not in oscillation(diagonal).index.get_level_values("at")


# -- series ----------------------------------------------------------------------------------------


@given(seed=st.integers(0, 999), taken=st.floats(-1, 2), level=st.floats(-1, 1))
@modest
def test_residual_is_the_least_that_any_share_of_the_footprint_leaves(seed, taken, level):
    rng = np.random.default_rng(seed)
    footprint = rng.normal(size=(12, 1, 4)).repeat(2, axis=1)
    value = level + taken * footprint + 0.3 * rng.normal(size=footprint.shape)
    share = footprint_share(value, footprint)

    def left(share):
        return (value - share * footprint).mean(axis=(1, 2)).var()

    assert 0 <= share <= 1
    assert left(share) <= min(map(left, np.linspace(0, 1, 101))) + 1e-12


@pytest.mark.parametrize("taken", [0.0, 0.3, 1.0])
def test_series_of_a_map_that_takes_up_a_share_of_the_footprint(taken):
    footprint = 0.5 + wave(REGULAR, 0.1, 90, 20)
    own = wave(REGULAR, 0.05, 180, 0)
    table = oscillation(scores(REGULAR, 0.2 + taken * footprint + own, footprint))
    of = table.loc[("diagonal", "same")]["amplitude"]
    assert of["value", 90] == pytest.approx(0.1 * taken)
    assert of["footprint", 90] == pytest.approx(0.1)
    assert of["excess", 90] == pytest.approx(0.1 * (1 - taken))
    assert of["residual", 90] == pytest.approx(0, abs=1e-9)
    assert [of[series, 180] for series in ("value", "excess", "residual")] == pytest.approx(
        [0.05] * 3
    )


def test_a_flat_footprint_has_no_share():
    flat = np.full((18, 3, 12), 0.7846)  # whose mean is not quite that
    assert footprint_share(np.full_like(flat, 0.5), flat) == 0
