"""Intervals, bounds and sets of phases hold what they promise."""

import numpy as np
import pytest
from scipy import stats

from thetascope.analysis.bounds import (
    FAR,
    Error,
    amplitude_bound,
    amplitude_interval,
    centre_at,
    level_interval,
    level_p,
    phase_margin,
    share_within,
    wave_p,
)

FREEDOMS = [1, 3, 12]
AMPLITUDES = [0, 1, 4, 30]  # in standard errors


def error(freedom, variance=1.0, n=None):
    """An error of one estimate, or the same of n."""
    shape = () if n is None else n
    return Error(np.full(shape, float(variance)), np.full(shape, float(freedom)))


def estimates(amplitude, freedom, n=3000, seed=0):
    """Waves of this amplitude at phase 0 in noise of variance 1, and what is known of that."""
    rng = np.random.default_rng([seed, amplitude, freedom])
    found = amplitude + rng.normal(size=n) + 1j * rng.normal(size=n)
    return found, Error(rng.chisquare(freedom, n) / freedom, np.full(n, float(freedom)))


# -- the distribution ------------------------------------------------------------------------------


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_without_a_wave_the_share_is_that_of_f(freedom):
    radius = np.array([0.001, 0.1, 1, 3, 30, 299])
    ours = share_within(radius, np.zeros(6), np.full(6, freedom))
    assert ours == pytest.approx(stats.f.cdf(radius**2 / 2, 2, freedom), abs=1e-6)


def test_with_all_freedom_the_share_is_that_of_a_noncentral_chi_square():
    radius, centre = (
        one.ravel() for one in np.meshgrid([0.1, 1, 4, 40, 250], [0, 0.5, 3, 41, 251])
    )
    ours = share_within(radius, centre, np.full(25, 1e9))
    assert ours == pytest.approx(stats.ncx2.cdf(radius**2, 2, centre**2), abs=1e-4)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_the_share_is_that_of_draws(freedom):
    rng = np.random.default_rng(freedom)
    draws = rng.normal(size=(2, 200_000)) / np.sqrt(rng.chisquare(freedom, 200_000) / freedom)
    for radius, centre in (0.5, 0.2), (2, 1), (3, 5), (20, 19), (60, 65):
        drawn = (np.hypot(centre + draws[0], draws[1]) <= radius).mean()
        ours = share_within(radius, centre, freedom)
        assert ours == pytest.approx(drawn, abs=4 * (0.25 / 200_000) ** 0.5)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_the_centre_is_the_one_that_has_the_share(freedom):
    radius, share = (
        one.ravel() for one in np.meshgrid([0.5, 3, 19, 30, 290], [0.01, 0.05, 0.5, 0.975])
    )
    most = share_within(radius, np.zeros(20), np.full(20, freedom))
    centre = centre_at(radius, share, np.full(20, float(freedom)))
    found = share_within(radius, centre, np.full(20, freedom))
    assert found == pytest.approx(np.minimum(share, most), abs=1e-5)
    assert ((centre == 0) == (most <= share)).all()


def test_far_away_an_amplitude_is_distributed_like_a_level():
    """Where the one formula ends and the other begins they agree."""
    for freedom in (3.0, 10.0):
        for share in (0.025, 0.975):
            near, far = centre_at(
                np.array([FAR - 1e-6, FAR]), np.full(2, share), np.full(2, freedom)
            )
            assert near == pytest.approx(far, abs=0.05)


# -- coverage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_intervals_bounds_and_phases_cover_the_truth(freedom):
    for amplitude in AMPLITUDES:
        found, noise = estimates(amplitude, freedom)
        low, high = amplitude_interval(abs(found), noise, 0.95)
        assert 0.93 <= ((low <= amplitude) & (amplitude <= high)).mean() <= 0.98
        bound = amplitude_bound(abs(found), noise, 0.95)  # from 0.928 with one degree of freedom
        assert (bound >= amplitude).mean() >= (0.93 if freedom > 1 else 0.92)
        if amplitude:
            margin = phase_margin(abs(found), noise, 0.95)
            assert 0.93 <= (abs(np.angle(found)) <= margin).mean() <= 0.98


@pytest.mark.parametrize("confidence", [0.5, 0.9])
def test_another_confidence_covers_as_often_as_it_says(confidence):
    found, noise = estimates(6, 8)
    low, high = amplitude_interval(abs(found), noise, confidence)
    covered = {
        "interval": (low <= 6) & (high >= 6),
        "bound": amplitude_bound(abs(found), noise, confidence) >= 6,
        "phase": abs(np.angle(found)) <= phase_margin(abs(found), noise, confidence),
    }
    for name, rate in covered.items():
        assert rate.mean() == pytest.approx(confidence, abs=0.04), name


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_both_ends_miss_alike(freedom):
    """Where the wave is far from none."""
    found, noise = estimates(100, freedom, 4000)
    low, high = amplitude_interval(abs(found), noise, 0.9)
    assert (low > 100).mean() == pytest.approx(0.05, abs=0.015)
    assert (high < 100).mean() == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize(
    ("amplitude", "found", "too_large", "covered"),
    [(2, 0.04, 2.0, 0.40), (5, 0.78, 1.08, 0.97)],
)
def test_a_weak_wave_that_was_found_is_larger_than_the_truth(amplitude, found, too_large, covered):
    """As docs/statistics.md says: selected by p ≤ 0.05 / 48, the p of 48 tests."""
    waves, noise = estimates(amplitude, 25, 40_000)
    chosen = wave_p(abs(waves), noise) <= 0.05 / 48
    low, high = amplitude_interval(abs(waves), noise, 0.95)
    holds = (low <= amplitude) & (amplitude <= high)
    assert chosen.mean() == pytest.approx(found, abs=0.01)
    assert abs(waves)[chosen].mean() / amplitude == pytest.approx(too_large, abs=0.03)
    assert holds[chosen].mean() == pytest.approx(covered, abs=0.03)


# -- what always holds -----------------------------------------------------------------------------


@pytest.mark.parametrize("freedom", [*FREEDOMS, 2])
def test_the_low_end_is_0_just_where_the_f_test_finds_nothing(freedom):
    """At half the level, as the high end has the other half."""
    amplitude = np.geomspace(0.01, 200, 400)
    noise = error(freedom, n=400)
    for confidence in 0.9, 0.95:
        low = amplitude_interval(amplitude, noise, confidence)[0]
        assert ((low == 0) == (wave_p(amplitude, noise) >= (1 - confidence) / 2)).all()
        assert (low == 0).any() and (low > 0).any()


def test_the_phase_is_open_just_where_the_f_test_finds_nothing():
    amplitude = np.geomspace(0.01, 100, 400)
    noise = error(5, n=400)
    margin = phase_margin(amplitude, noise, 0.95)
    assert ((margin == np.pi) == (wave_p(amplitude, noise) > 0.05)).all()
    sure = margin < np.pi
    assert np.sin(margin[sure]) == pytest.approx(stats.t.isf(0.025, 5) / amplitude[sure])


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_no_interval_is_empty_and_no_bound_is_less_than_noise(freedom):
    amplitude = np.concatenate([[0, 1e-12], np.geomspace(1e-6, 1e5, 300)])
    noise = error(freedom, 4, len(amplitude))
    low, high = amplitude_interval(amplitude, noise, 0.95)
    assert (low <= amplitude).all() and (amplitude < high).all()
    bound = amplitude_bound(amplitude, noise, 0.95)
    assert (bound < high).all() and (np.diff(bound) >= -1e-6).all()
    # an estimate of nothing leaves what is a twentieth as likely as nothing to give nothing
    density = (1 + (bound[0] / 2) ** 2 / freedom) ** (-(freedom + 2) / 2)
    assert density == pytest.approx(0.05, rel=1e-3)


def test_units_do_not_matter():
    found, noise = estimates(2, 8, 50)
    inches = Error(noise.variance * 0.01**2, noise.freedom)
    for function in amplitude_interval, amplitude_bound:
        ours = function(abs(found), noise, 0.95)
        assert np.array(function(0.01 * abs(found), inches, 0.95)) == pytest.approx(
            0.01 * np.array(ours)
        )
    assert phase_margin(0.01 * abs(found), inches, 0.9) == pytest.approx(
        phase_margin(abs(found), noise, 0.9)
    )


def test_no_noise_leaves_nothing_open_and_no_freedom_everything():
    amplitude = np.array([0.0, 0.3])
    exact = error(5, 0, 2)
    ends = (*amplitude_interval(amplitude, exact, 0.95), amplitude_bound(amplitude, exact, 0.95))
    for end in ends:
        assert end.tolist() == [0, 0.3]
    assert phase_margin(amplitude, exact, 0.95).tolist() == [np.pi, 0]
    assert wave_p(amplitude, exact).tolist() == [1, 0]
    unknown = error(np.nan, 1, 2)
    ends = (*amplitude_interval(amplitude, unknown, 0.95), phase_margin(amplitude, unknown, 0.95))
    for end in (*ends, amplitude_bound(amplitude, unknown, 0.95), wave_p(amplitude, unknown)):
        assert np.isnan(end).all()


# -- errors and levels -----------------------------------------------------------------------------


def test_errors_of_independent_sources_by_hand():
    """Satterthwaite: (2 + 1)² / (2² / 8 + 1² / 4) = 12."""
    total = error(8, 2) + error(4, 1)
    assert (total.variance, total.freedom) == (3, pytest.approx(12))
    alone = error(8, 2) + error(4, 0)
    assert (alone.variance, alone.freedom) == (2, pytest.approx(8))
    nothing = error(8, 0) + error(4, 0)
    assert (nothing.variance, nothing.freedom) == (0, 4)
    assert np.isnan((error(8, 1) + error(np.nan, 1)).freedom)


def test_the_sum_has_the_spread_of_a_chi_square_of_its_freedom():
    """Its first two moments, from draws."""
    rng = np.random.default_rng(0)
    drawn = 2 * rng.chisquare(8, 100_000) / 8 + rng.chisquare(4, 100_000) / 4
    total = error(8, 2) + error(4, 1)
    assert 2 * drawn.mean() ** 2 / drawn.var() == pytest.approx(total.freedom, rel=0.03)


def test_levels_are_those_of_the_t_test():
    values = np.random.default_rng(0).normal(0.3, 1, (7, 20))
    noise = Error(values.var(axis=0, ddof=1) / 7, np.full(20, 6.0))
    test = stats.ttest_1samp(values, 0)
    assert level_p(values.mean(axis=0), noise) == pytest.approx(test.pvalue)
    expected = test.confidence_interval(0.9)
    low, high = level_interval(values.mean(axis=0), noise, 0.9)
    assert low == pytest.approx(expected.low) and high == pytest.approx(expected.high)
