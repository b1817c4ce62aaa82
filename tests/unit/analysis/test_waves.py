"""Which waves a grid resolves, and what a fit of them says."""

import numpy as np
import pytest
from factories import (
    FINE,
    PERIODS,
    REGULAR,
    grid,
    harmonics,
    staggered_grid,
    wave,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from thetascope.analysis.curves import Curve
from thetascope.analysis.waves import (
    aliases,
    coefficients,
    fit,
    known_periods,
    resolved,
    unit_variance,
)

MANY = [360, 180, 120, 90, 60, 45]
KEY = {"model": "pretrained", "attribution": "smoothgrad", "series": "value", "sweep": "diagonal"}
modest = settings(max_examples=50, deadline=None)


def model(theta, periods):
    """One intercept per seed, cosine and sine of each period: [cells, seeds + 2 · periods]."""
    levels = np.tile(np.eye(theta.shape[1]), (len(theta), 1))
    waves = [wave(theta, 1, p, q * p / 4).ravel() for p in periods for q in (0, 1)]
    return np.column_stack([levels, *waves])


def least_squares(theta, values, periods):
    """Complex coefficients of each period and residual sum of squares, by numpy."""
    columns = model(theta, periods)
    found = np.linalg.lstsq(columns, values.ravel())[0]
    pairs = found[theta.shape[1] :].reshape(-1, 2)
    return pairs @ [1, 1j], ((values.ravel() - columns @ found) ** 2).sum()


# -- the fit ---------------------------------------------------------------------------------------


def test_regular_grid_gives_the_fourier_transform():
    curve = np.random.default_rng(0).normal(size=len(REGULAR))
    amplitude, phase, power = harmonics(grid(REGULAR), curve[:, None, None], PERIODS)
    spectrum = np.fft.rfft(curve)[1:5] / len(curve)
    assert amplitude[:, 0] == pytest.approx(2 * abs(spectrum))
    expected = -np.angle(spectrum) * PERIODS / (2 * np.pi) % PERIODS
    assert phase[:, 0] == pytest.approx(expected)
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
    known = known_periods(theta, MANY)[1]
    parts = [wave(theta, a, p, t * p) for p, a, t in zip(known, amplitudes, turns, strict=False)]
    curve = 0.5 + np.sum(parts, axis=0) * np.ones_like(theta)
    if known:
        amplitude, phase, _ = harmonics(theta, curve[:, None], known)
        assert amplitude[:, 0] == pytest.approx(amplitudes[: len(known)], rel=1e-5)
        apart = (phase[:, 0] / known - turns[: len(known)] + 0.5) % 1 - 0.5
        assert apart == pytest.approx(0, abs=1e-5)


@modest
@given(irregular, st.integers(0, 2**31), st.integers(1, 3))
def test_power_is_what_the_fit_loses_without_the_period(theta, seed, seeds):
    theta = grid(theta, seeds)
    cells = np.random.default_rng(seed).normal(size=theta.shape)
    known = known_periods(theta, MANY)[1]
    if known:
        power = harmonics(theta, cells[..., None], known)[2][:, 0]
        full = least_squares(theta, cells, known)[1]
        without = [least_squares(theta, cells, [q for q in known if q != p])[1] for p in known]
        assert power == pytest.approx(np.array(without) - full, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("shape", [(12, 3), (8, 2), (24, 4)])
def test_staggered_seeds_are_fitted_with_a_level_each(shape):
    theta = staggered_grid(*shape)
    cells = np.random.default_rng(0).normal(size=theta.shape) + [9 * s for s in range(shape[1])]
    known = known_periods(theta, MANY)[1]
    expected = least_squares(theta, cells, known)[0]
    found = coefficients(theta, cells, known)[:, 0]
    assert found == pytest.approx(expected)
    amplitude, phase, _ = harmonics(theta, cells[..., None], known)
    assert amplitude[:, 0] == pytest.approx(abs(expected))
    assert phase[:, 0] == pytest.approx(np.angle(expected) * known / (2 * np.pi) % known)


# -- grids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theta", "expected"),
    [
        (REGULAR, [360, 180, 120, 90]),  # 60 is exactly twice the step: its sine could vanish
        (np.append(REGULAR, 360), [360, 180, 120, 90]),
        (np.arange(0, 360, 22.0), MANY),
        (np.arange(0, 90, 10.0), []),  # nothing is known about three quarters of the circle
        (np.delete(REGULAR, 3), [360, 180]),
    ],
)
def test_resolved_periods(theta, expected):
    assert known_periods(theta, MANY)[1] == expected
    mask = resolved(grid(theta, 2), MANY)
    assert [period for period, ok in zip(MANY, mask, strict=True) if ok] == expected


@pytest.mark.parametrize(("angles", "seeds"), [(12, 2), (12, 3), (8, 3), (6, 4)])
def test_staggered_seeds_resolve_as_many_times_more_periods(angles, seeds):
    """But for those at which each seed sees one place of the wave, which are its levels."""
    waves = range(1, angles * seeds)
    found = [n for n in waves if resolved(staggered_grid(angles, seeds), [360 / n])[0]]
    assert found == [n for n in waves if n < angles * seeds / 2 and n % angles]
    alone = [n for n in waves if resolved(grid(np.arange(angles) * 360 / angles), [360 / n])[0]]
    assert alone == [n for n in waves if n < angles / 2]


@pytest.mark.parametrize("theta", [REGULAR, FINE, REGULAR + 7, staggered_grid(12, 3)])
def test_aliases_have_the_same_values_on_the_grid(theta):
    """Up to the phase: waves of both periods span the same space of values."""
    angles = np.unique(theta)
    for period in PERIODS:
        shorter = aliases(theta, period)
        assert len(shorter) == 2 and period > shorter[0] > shorter[1]
        columns = model(angles[:, None], [period])
        for alias in shorter:
            for phase in 0, 5:
                values = wave(angles, 1, alias, phase)
                assert columns @ np.linalg.lstsq(columns, values)[0] == pytest.approx(values)
        # no whole number of waves between has
        slowest = round(360 / shorter[0])
        for n in range(round(360 / period) + 1, slowest):
            values = wave(angles, 1, 360 / n)
            rest = values - columns @ np.linalg.lstsq(columns, values)[0]
            assert (rest**2).sum() > 1


def test_cosines_of_aliases_by_hand():
    for alias in aliases(grid(REGULAR), 90):
        assert wave(REGULAR, 1, alias) == pytest.approx(wave(REGULAR, 1, 90))
    assert aliases(grid(REGULAR), 90) == [45, 22.5]
    assert aliases(staggered_grid(12, 3), 90) == [360 / 32, 9]


def test_only_equal_steps_have_aliases():
    assert aliases(np.array([0, 20, 90, 200, 300.0]), 360) == []
    assert aliases(np.arange(0, 180, 15.0), 90) == []
    assert aliases(REGULAR, 60) == []  # not resolved


# -- errors of a fit -------------------------------------------------------------------------------


def curve(theta, values, cases=None, **key):
    cases = [f"i{i}" for i in range(values.shape[2])] if cases is None else cases
    return Curve(KEY | key, theta, values, np.array(cases), {})


@pytest.mark.parametrize(
    "theta", [grid(REGULAR), grid(np.delete(FINE, [3, 4]), 2), staggered_grid(12, 3)]
)
def test_errors_for_new_runs_by_hand(theta):
    values = np.random.default_rng(0).normal(size=(*theta.shape, 4))
    found = fit(curve(theta, values), PERIODS)
    waves, rest = least_squares(theta, values.mean(axis=2), PERIODS)
    freedom = theta.size - theta.shape[1] - 8
    covariance = np.linalg.inv(model(theta, PERIODS).T @ model(theta, PERIODS))
    own = np.diag(covariance)[theta.shape[1] :].reshape(-1, 2)
    assert found.waves == pytest.approx(waves, abs=1e-8)
    assert unit_variance(theta, PERIODS) == pytest.approx(own.sum(axis=1))
    assert found.runs.variance == pytest.approx(rest / freedom * own.mean(axis=1), rel=1e-6)
    assert found.runs.freedom.tolist() == [freedom] * 4
    assert found.level == pytest.approx(values.mean())
    assert found.level_runs.variance == pytest.approx(rest / freedom / theta.size, rel=1e-6)


def test_errors_for_new_cases_by_hand():
    """Cases of two, one and one item: weights 1/2, 1/4, 1/4."""
    theta = grid(REGULAR, 2)
    values = np.random.default_rng(0).normal(size=(12, 2, 4))
    found = fit(curve(theta, values, ["b", "a", "b", "c"]), PERIODS)
    of_cases = [values[..., i].mean(axis=2) for i in ([0, 2], [1], [3])]
    waves = np.array([least_squares(theta, one, PERIODS)[0] for one in of_cases])
    spread = [np.cov(part, rowvar=False).diagonal() for part in (waves.real, waves.imag)]
    variance = np.mean(spread, axis=0) * (1 / 4 + 1 / 16 + 1 / 16)
    assert found.both.variance - found.runs.variance == pytest.approx(variance)
    runs = found.runs
    total = (runs.variance + variance) ** 2
    freedom = total / (runs.variance**2 / runs.freedom + variance**2 / 4)
    assert found.both.freedom == pytest.approx(freedom)
    levels = np.var([one.mean() for one in of_cases], ddof=1) * 6 / 16
    assert found.level_both.variance - found.level_runs.variance == pytest.approx(levels)


def test_where_runs_are_not_independent_errors_are_those_of_cases():
    values = np.random.default_rng(0).normal(size=(12, 1, 3))
    seen = fit(curve(grid(REGULAR), values, sweep="eval"), PERIODS)
    assert seen.runs == seen.both and seen.level_runs == seen.level_both
    assert (seen.both.freedom == 4).all() and seen.level_both.freedom == 2  # of the cases alone
    drawn = fit(curve(grid(REGULAR), values), PERIODS)
    assert (drawn.both.variance > seen.both.variance).all()
    few = fit(curve(grid(np.arange(0, 360, 40.0)), values[:9]), PERIODS)  # 8 numbers, 8 fitted
    assert np.isnan(few.runs.variance).all() and np.isnan(few.both.variance).all()
    one = fit(curve(grid(REGULAR), values, ["a"] * 3), PERIODS)  # nothing known about other cases
    assert np.isnan(one.both.freedom).all() and np.isfinite(one.runs.freedom).all()
