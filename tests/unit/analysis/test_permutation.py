"""Permutation tests have known answers, hold their level, and agree with other ways to test."""

from itertools import permutations

import numpy as np
import pytest
from factories import (
    FINE,
    IRREGULAR,
    PERIODS,
    REGULAR,
    WITH_360,
    at_nominal_rate,
    grid,
    harmonics,
    null_cells,
    shuffling,
    staggered_grid,
    wave,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from thetascope.analysis.permutation import (
    agreement_test,
    least_p,
    p_value,
    permutation_test,
    shuffled_means,
    shuffled_sums,
    tail_p,
    wave_shares,
)
from thetascope.analysis.waves import staggered

modest = settings(max_examples=25, deadline=None)


def f_test(theta, cells, periods):
    """p of each period by harmonic regression with a level per seed, in Gaussian noise."""
    angles, seeds = cells.shape
    levels = np.tile(np.eye(seeds), (angles, 1))
    waves = [wave(theta, 1, p, q * p / 4).ravel() for p in periods for q in (0, 1)]

    def residual(kept):
        design = np.column_stack([levels, *(waves[i] for i in kept)])
        return ((cells.ravel() - design @ np.linalg.lstsq(design, cells.ravel())[0]) ** 2).sum()

    every = range(2 * len(periods))
    freedom = seeds * (angles - 1) - len(every)
    full = residual(every)
    without = [residual([k for k in every if k // 2 != i]) for i in range(len(periods))]
    return stats.f.sf((np.array(without) - full) / 2 / (full / freedom), 2, freedom)


def all_tests(theta, cells, permutations):
    """p of each period, the smallest p_max, and p of agreement if there are several seeds."""
    p, p_max = permutation_test(theta, cells, PERIODS, permutations)
    agreement = agreement_test(theta, cells, permutations)
    return [*p, p_max.min(), *([] if np.isnan(agreement) else [agreement])]


# -- shuffling -------------------------------------------------------------------------------------


def test_arrays_of_one_shape_are_shuffled_alike():
    cells = np.random.default_rng(0).normal(size=(12, 3))
    ours, other = (shuffled_means(cells, shuffling(50, seed)) for seed in (7, 8))
    assert shuffled_means(2 * cells, shuffling(50, 7)) == pytest.approx(2 * ours)
    assert (ours != other).any()


def test_sums_are_of_cells_that_changed_places_within_their_seed():
    rng = np.random.default_rng(0)
    cells, weights = rng.normal(size=(5, 2)), rng.normal(size=(3, 5, 2))
    found = shuffled_sums(weights, cells, shuffling(300))
    assert found[:, 0] == pytest.approx((weights * cells).sum(axis=(1, 2)))
    one, other = (np.array(list(permutations(column))) for column in cells.T)
    first, second = (weights[..., i] @ each.T for i, each in enumerate((one, other)))
    every = (first[..., None] + second[:, None]).reshape(3, -1)
    assert all(np.isclose(every.T, draw).all(axis=1).any() for draw in found.T)
    assert len(np.unique(found[0].round(9))) > 250  # of 14,400


def test_sums_with_equal_weights_are_means():
    cells = np.random.default_rng(0).normal(size=(6, 3))
    own = cells - cells.mean(axis=0)
    weights = np.repeat(np.eye(6)[..., None], 3, axis=2) / 3
    means = shuffled_means(cells, shuffling(50))
    assert shuffled_sums(weights, own, shuffling(50)) == pytest.approx(means)


def test_sums_are_the_same_whether_seeds_are_summed_beforehand_or_not():
    rng = np.random.default_rng(0)
    for cells in rng.normal(3, 1, size=(2, 7, 3)):  # with levels, which no weight here leaves out
        weights = np.repeat(rng.random((4, 7, 1)), 3, axis=2)
        apart = weights + 1e-9 * np.arange(3)  # no longer the same for all seeds
        sums, each = (shuffled_sums(w, cells, shuffling(50)) for w in (weights, apart))
        assert sums == pytest.approx(each, abs=1e-6)
        assert np.ptp(sums, axis=1).min() > 0.1


def test_p_counts_the_observed_and_what_equals_it():
    null = np.array([2.0, 1, 2 - 1e-12, 3, 0])
    assert p_value(null, null) == 3 / 5
    assert p_value(null[1:], null[1:]) == 3 / 4


# -- known answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("theta", [REGULAR, WITH_360, IRREGULAR])
def test_wave_is_found_at_its_period_alone(theta, seeds):
    rng = np.random.default_rng(3)
    cells = wave(grid(theta, seeds), 4, 90, 20) + rng.normal(size=(len(theta), seeds)) / 2
    p, p_max = permutation_test(grid(theta, seeds), cells[..., None], PERIODS, shuffling(999, 0))
    assert p_max[3] <= (0.03 if seeds == 1 else 0.001)
    assert p[:3].min() > 0.05
    assert (p_max >= p * (1 - 1e-9)).all()


def test_flat_curves_are_no_evidence():
    flat = np.full((12, 2, 1), 0.1 + 0.2)
    assert all_tests(grid(REGULAR, 2), flat, shuffling()) == [1] * 6


def test_p_is_that_of_all_permutations():
    theta, curve = np.arange(0, 360, 60.0), np.array([3, 1, 2, 0, -1, 0.5])
    every = np.array(list(permutations(curve))).T
    power = harmonics(theta, every, [360])[2][0]
    exact = (power >= power[0] - 1e-9).mean()
    p = permutation_test(theta[:, None], curve[:, None, None], [360], shuffling(20_000, 0))[0][0]
    assert p == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 20_000) ** 0.5)


def test_no_degree_of_freedom_no_test():
    theta, cells = np.arange(0, 360, 360 / 7), np.random.default_rng(0).normal(size=(7, 2, 1))
    few = permutation_test(grid(theta, 1), cells[:, :1], [360, 180, 120], shuffling(99, 0))
    assert np.isnan(few).all()
    assert np.isfinite(permutation_test(grid(theta, 2), cells, [360, 180, 120], shuffling())).all()


def test_agreement_between_seeds_of_any_shape_is_found():
    spike = np.where(REGULAR == 150, 5.0, 0)[:, None, None]
    cells = spike + np.random.default_rng(0).normal(size=(12, 3, 1))
    assert agreement_test(grid(REGULAR, 3), cells, shuffling(999, 0)) <= 0.005
    assert np.isnan(agreement_test(grid(REGULAR, 1), cells[:, :1], shuffling()))
    assert staggered(staggered_grid(12, 3)) and not staggered(grid(REGULAR, 3))
    assert np.isnan(agreement_test(staggered_grid(12, 3), cells, shuffling()))


# -- level and references --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "theta",
    [
        grid(REGULAR, 1),
        grid(WITH_360, 2),
        grid(IRREGULAR, 1),
        grid(IRREGULAR, 3),
        staggered_grid(12, 3),
    ],
)
def test_p_agrees_with_the_f_test_in_gaussian_noise(theta):
    rng = np.random.default_rng(1)
    ours, theirs = [], []
    for i in range(40):
        curve = wave(theta, rng.uniform(0, 1), 90) + wave(theta, rng.uniform(0, 1), 180, 30)
        cells = curve + rng.normal(size=theta.shape) + rng.normal(size=theta.shape[1])
        ours.append(permutation_test(theta, cells[..., None], PERIODS, shuffling(999, i))[0])
        theirs.append(f_test(theta, cells, PERIODS))
    assert np.ravel(ours) == pytest.approx(np.ravel(theirs), abs=0.08)
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.01)


@pytest.mark.parametrize(
    ("theta", "heavy_tails"),
    [
        (grid(REGULAR, 1), False),
        (grid(REGULAR, 2), True),
        (grid(WITH_360, 2), False),
        (grid(IRREGULAR, 5), False),
        (staggered_grid(12, 3), False),
        (staggered_grid(6, 2), False),
    ],
)
def test_false_positives_come_at_the_nominal_rate(theta, heavy_tails):
    found = []
    for i in range(300):
        rng = np.random.default_rng(i)
        draw = (lambda size, rng=rng: rng.standard_t(3, size)) if heavy_tails else None
        cells = null_cells(rng, *theta.shape, draw=draw)
        found.append(all_tests(theta, cells[..., None], shuffling(199, 1000 + i % 20)))
    rates = np.array(found).T
    assert all(at_nominal_rate(p) for p in rates)
    assert 0.03 <= (rates[:4] <= 0.05).mean() <= 0.07


@pytest.mark.parametrize("theta", [grid(REGULAR, 2), grid(IRREGULAR, 2), staggered_grid(12, 2)])
def test_a_wave_at_another_period_does_not_change_the_level(theta):
    found = []
    for i in range(300):
        cells = wave(theta, 3, 90) + null_cells(np.random.default_rng(i), *theta.shape)
        test = permutation_test(theta, cells[..., None], PERIODS, shuffling(199, 1000 + i % 20))
        found.append(test[0][:3])
    assert all(at_nominal_rate(p) for p in np.transpose(found))
    assert 0.03 <= (np.array(found) <= 0.05).mean() <= 0.07


# -- the tail --------------------------------------------------------------------------------------


@pytest.mark.parametrize("theta", [grid(FINE, 1), grid(REGULAR, 3), staggered_grid(12, 3)])
def test_p_beyond_the_draws_is_that_of_the_f_test(theta):
    """Waves in noise whose exact p is 1e-5, which 1,999 draws reach once in fifty."""
    apart = []
    for i in range(12):
        rng = np.random.default_rng(i)
        noise = rng.normal(size=theta.shape)
        one = wave(theta, 1, 90, rng.uniform(0, 90))

        def over(size, noise=noise, one=one):
            return np.log10(f_test(theta, noise + size * one, PERIODS)[3]) + 5

        cells = noise + optimize.brentq(over, 0, 30, xtol=1e-4) * one
        p = permutation_test(theta, cells[..., None], PERIODS, shuffling(1999))[0][3]
        assert p < 1 / 2000
        apart.append(np.log10(p) + 5)
    assert abs(np.median(apart)) < 0.5 and np.abs(apart).max() < 1


@pytest.mark.parametrize("theta", [grid(REGULAR, 1), grid(FINE, 1), staggered_grid(12, 2)])
def test_small_p_come_at_their_rate(theta):
    """With 199 draws, so that all of these p lie beyond them or rest on one draw or two."""
    rng = np.random.default_rng(5)
    p = np.concatenate(
        [
            permutation_test(
                theta, rng.normal(size=(*theta.shape, 1)), PERIODS, shuffling(199, i % 50)
            )[0]
            for i in range(1000)
        ]
    )
    assert at_nominal_rate(p, 0.01)
    assert at_nominal_rate(p, 0.001)


def best_p(theta, cells):
    """p of one wave a turn by all orders of the angles of every seed."""
    turns = np.exp(1j * np.deg2rad(theta))
    sums = np.zeros(1)
    for column, turn in zip(cells.T, turns.T, strict=True):
        own = np.array(list(permutations(column - column.mean()))) @ turn
        sums = (sums[:, None] + own).ravel()
    return (np.abs(sums) >= np.abs(sums[0]) * (1 - 1e-9)).mean()


SMALL = grid(np.arange(6) * 60), grid(np.arange(7) * 360 / 7), grid(np.arange(4) * 90, 2)


@pytest.mark.parametrize("theta", [*SMALL, staggered_grid(4, 2), staggered_grid(4, 3)])
@pytest.mark.parametrize("draws", [199, 499, 1999])
def test_no_p_is_below_what_all_orders_allow(theta, draws):
    for i in range(3):
        noise = np.random.default_rng(i).normal(0, 0.05, theta.shape)
        clear = wave(theta, 1, 360, 20) + noise  # the best of all orders of these values
        exact = best_p(theta, clear)
        assert exact == pytest.approx(least_p(theta))
        p, p_max = permutation_test(theta, clear[..., None], [360], shuffling(draws, i))
        assert p[0] >= exact * 0.999 or p[0] * (1 + draws) >= 10  # enough draws have it themselves
        assert p_max[0] == pytest.approx(p[0])


def test_the_tail_begins_where_draws_end():
    """With an exponential tail of slope 1, of 100,000 draws: p is that of the distribution."""
    draws = stats.expon.isf((np.arange(100_000) + 0.5) / 100_000)
    for p in 0.5, 0.05, 1e-5, 1e-9:
        share = -np.expm1(-np.concatenate([[stats.expon.isf(p)], draws]))
        assert tail_p(share, share, 0) == pytest.approx(p, rel=0.02, abs=0)
        assert tail_p(share, share, 1e-6) == pytest.approx(max(p, 1e-6), rel=0.02, abs=0)
    few = share[::2000]
    assert tail_p(few, few, 0) == p_value(few, few)  # with 50 draws there is no tail to fit


@pytest.mark.parametrize(("draws", "count"), [(199, 100_000), (999, 20_000)])
def test_p_of_an_exponential_tail_come_at_their_rate(draws, count):
    """Whatever the draws say of its slope: of so few an exponential of that slope errs by a lot."""
    rng = np.random.default_rng(2)
    parts = [-np.expm1(-rng.exponential(size=(5000, 1 + draws))) for _ in range(count // 5000)]
    p = np.concatenate([tail_p(part, part, 0) for part in parts])
    for level in 0.0005, 0.002, 0.005, 0.02:
        expected = level * count
        assert abs((p <= level).sum() - expected) < 3 * np.sqrt(expected)


# -- invariances -----------------------------------------------------------------------------------

any_cells = st.integers(0, 2**31).map(lambda s: np.random.default_rng(s).normal(size=(12, 2, 1)))


@modest
@given(any_cells, st.floats(-5, 5), st.floats(0.5, 20), st.permutations(range(4)))
def test_level_unit_and_order_of_periods_do_not_matter(cells, level, unit, order):
    theta = grid(REGULAR, 2)
    before = permutation_test(theta, cells, PERIODS, shuffling(99, 0))
    moved = unit * cells + np.array([level, -level])[:, None]
    after = permutation_test(theta, moved, [PERIODS[i] for i in order], shuffling(99, 0))
    assert after[0].tolist() == before[0][order].tolist()
    assert after[1].tolist() == before[1][order].tolist()
    agreed = (agreement_test(theta, each, shuffling(99, 0)) for each in (cells, moved))
    assert len(set(agreed)) == 1


def test_shares_are_what_each_wave_adds_over_what_it_and_noise_have():
    """Partial R² of harmonic regression; for one column only the F of the wave counts."""
    for theta in grid(IRREGULAR, 2), staggered_grid(12, 3):
        cells = np.random.default_rng(0).normal(size=theta.shape) + wave(theta, 0.5, 180)
        share = wave_shares(theta, cells[..., None], PERIODS, shuffling(9))[:, 0]
        freedom = theta.shape[1] * (theta.shape[0] - 1) - 8
        f = stats.f.isf(f_test(theta, cells, PERIODS), 2, freedom)
        assert share == pytest.approx(f / (f + freedom / 2))
    pair = [wave(REGULAR, 1, 90, crest) for crest in (0, 22.5)]
    three = np.stack([*pair, cells[:, 0]], axis=1)[:, None]  # all that one wave can hold
    assert wave_shares(grid(REGULAR), three, PERIODS, shuffling(9))[3, 0] == pytest.approx(1)


# -- without θ = 0 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("angles", [REGULAR, WITH_360])
def test_a_spike_at_0_makes_no_wave_where_it_has_values_of_its_own(angles):
    theta = grid(angles, 2)
    smallest, without, rest = [], [], []
    for i in range(60):
        noise = np.random.default_rng(i).normal(size=(*theta.shape, 1))
        spike = noise + np.where(angles % 360 == 0, 8, 0)[:, None, None]
        tests = [
            permutation_test(theta, cells, PERIODS, shuffling(199, i), spike=True)[0]
            for cells in (spike, noise)
        ]
        assert tests[0].min() > 0
        smallest.append(permutation_test(theta, spike, PERIODS, shuffling(199, i))[0].min())
        without.append(tests[0])
        rest.append(tests[1])
    assert np.mean(np.array(smallest) <= 0.05) > 0.6
    assert at_nominal_rate(np.ravel(without))
    assert at_nominal_rate(np.ravel(rest))


def test_a_wave_keeps_its_p_without_0():
    for theta in grid(FINE, 1), staggered_grid(12, 2):
        cells = np.random.default_rng(1).normal(size=theta.shape) + wave(theta, 1.5, 90, 20)
        p, without = (
            permutation_test(theta, cells[..., None], PERIODS, shuffling(999), spike=spike)[0]
            for spike in (False, True)
        )
        assert p[3] < 0.002 and without[3] < 0.004


@pytest.mark.parametrize("draws", [1, 63, 64, 65, 200])
def test_all_draws_are_drawn_however_many_there_are(draws):
    cells = np.random.default_rng(0).normal(size=(8, 3))
    own = cells - cells.mean(axis=0)
    found = shuffled_means(cells, shuffling(draws))
    assert found[:, 0] == pytest.approx(own.mean(axis=1))
    assert np.unique(found.round(9), axis=1).shape == (8, 1 + draws)  # of 8!³ orders
    assert (found**2).sum(axis=0).min() > 0


def test_means_that_are_kept_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        shuffled_means(np.eye(4), shuffling())[:] = 0
