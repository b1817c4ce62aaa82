"""One model seen from all angles: tests with test cases, and with turned pictures, as chance.

Rates are of some hundred studies each, so those of a level of 0.05 lie between 0.03 and 0.07.
"""

import numpy as np
import pytest
from factories import PERIODS, REGULAR, shuffling, wave
from scipy import stats
from scipy.ndimage import map_coordinates

from thetascope.analysis.cases import (
    MIN_CASES,
    case_tests,
    hotelling,
    pre_rotation_tests,
)

STEP = np.arange(0, 360, 10.0)
AT = PERIODS.index(90)
DRAWS = shuffling(499)


def rng(*seed):
    return np.random.default_rng(seed)


def noisy_cases(cases, amplitude, spread, *seed, phi=0.0, period=90, theta=REGULAR):
    """Curves [angles, cases] about a wave with its crest at 30° − φ; no two cases have the same."""
    draw, turn = rng(*seed), 2 * np.pi / period
    # the spread is of the complex coefficient: cosine and sine have half of its variance each
    own = draw.normal(0, spread / np.sqrt(2), (2, cases))
    z = own[0] + 1j * own[1] + amplitude * np.exp(-1j * turn * (30 - phi))
    return (z * np.exp(1j * turn * theta[:, None])).real


def rate(p):
    """Share of studies with p ≤ 0.05."""
    return (np.array(p) <= 0.05).mean()


# -- Hotelling's test ------------------------------------------------------------------------------


def test_hotelling_of_a_case_worked_by_hand():
    """Mean (1, 0), covariance diag(8/3, 8/3): T² = 4 · 3/8 = 1.5, F(2, 2) = 2/6 · 1.5, p = 2/3."""
    pairs = np.array([[3.0, 0], [-1, 0], [1, 2], [1, -2]])
    t_squared, p = hotelling(pairs)
    assert t_squared == pytest.approx(1.5)
    assert p == pytest.approx(1 / (1 + 0.5))  # P(F(2, 2) ≥ f) = 1 / (1 + f)


@pytest.mark.parametrize("n", [8, 30])
def test_hotelling_is_the_largest_t_test_of_any_direction(n):
    """What T² is by definition (Anderson 2003): the maximum of t² over linear combinations."""
    pairs = rng(n).normal([0.5, -0.2], [1, 3], (n, 2)) @ np.array([[1, 0.6], [0, 1]])
    angles = np.linspace(0, np.pi, 200_001)
    directions = np.stack([np.cos(angles), np.sin(angles)])
    of_mean = pairs.mean(axis=0) @ directions
    variance = np.einsum("ia,ij,ja->a", directions, np.cov(pairs.T), directions)
    t_squared, p = hotelling(pairs)
    assert t_squared == pytest.approx((of_mean**2 / (variance / n)).max(), rel=1e-8)
    # the same as the F test of a regression of 1 on the pairs, whose R² is T² / (T² + n − 1)
    residuals = np.linalg.lstsq(pairs, np.ones(n), rcond=None)[1][0]
    f = ((n - residuals) / 2) / (residuals / (n - 2))
    assert p == pytest.approx(stats.f.sf(f, 2, n - 2))


def test_pairs_without_spread_have_no_p():
    samples = np.stack([np.zeros((9, 2)), np.ones((9, 2)), np.outer(np.arange(9), [1, 2])])
    assert np.isnan(hotelling(samples)).all()


# -- (a) cases -------------------------------------------------------------------------------------


@pytest.mark.parametrize("cases", [8, 12, 40, 75])
@pytest.mark.parametrize("shape", ["normal", "skewed", "one direction"])
def test_level_over_cases(cases, shape):
    p = []
    for seed in range(1500):
        draw = rng(seed, cases)
        if shape == "normal":
            z = draw.normal(size=(2, cases))
        elif shape == "skewed":  # some cases have much larger waves than others
            z = draw.lognormal(0, 0.5, cases) * draw.normal(size=(2, cases))
        else:
            z = np.array([[1.0], [0.7]]) * draw.normal(size=cases)
            z += draw.normal(0, 0.1, (2, cases))
        p.append(hotelling(z.T)[1])
    assert 0.03 <= rate(p) <= 0.07


@pytest.mark.parametrize("theta", [REGULAR, np.arange(0, 361, 20.0)])
def test_level_of_one_period_beside_a_wave_of_another_that_all_cases_share(theta):
    """Whatever is at 180°, nothing of it is at 90°, on a grid with 0 and 360 too."""
    p = [
        case_tests(
            theta,
            wave(theta, 0.1, 180, 50)[:, None]
            + noisy_cases(9, 0, 0.02, seed, theta=theta)
            + rng(seed, 1).normal(0, 0.01, (len(theta), 9)),
            PERIODS,
        )[AT]
        for seed in range(1000)
    ]
    assert 0.03 <= rate(p) <= 0.07


@pytest.mark.parametrize(
    ("cases", "power"), [(8, 0.79), (12, 0.97), (40, 1.0)], ids=["8", "12", "40"]
)
def test_power_over_cases(cases, power):
    """Amplitude and spread 0.02: as the noncentral F says, whose λ is n |mean|² / (spread² / 2)."""
    limit = stats.f.ppf(0.95, 2, cases - 2)
    assert stats.ncf.sf(limit, 2, cases - 2, 2 * cases) == pytest.approx(power, abs=0.01)
    p = [case_tests(REGULAR, noisy_cases(cases, 0.02, 0.02, s), PERIODS)[AT] for s in range(500)]
    assert rate(p) == pytest.approx(power, abs=0.05)


def test_p_does_not_depend_on_where_theta_begins_or_on_the_unit():
    curves = noisy_cases(9, 0.01, 0.02, 5) + rng(7).normal(0, 0.01, (len(REGULAR), 9))
    p = case_tests(REGULAR, curves, PERIODS)
    assert p == pytest.approx(case_tests(REGULAR + 17, curves, PERIODS))
    assert p == pytest.approx(case_tests(REGULAR, 3 * curves[:, ::-1] + 8, PERIODS))
    assert len(set(p.round(6))) == len(PERIODS)


def test_no_p_with_seven_cases_or_for_a_period_that_is_not_resolved():
    curves = rng(0).normal(size=(len(REGULAR), MIN_CASES))
    assert np.isfinite(case_tests(REGULAR, curves, [360, 45, 90])).tolist() == [True, False, True]
    assert np.isnan(case_tests(REGULAR, curves[:, 1:], [360, 90])).all()
    assert np.isnan(case_tests(REGULAR, np.ones_like(curves), [360, 90])).all()
    assert np.isnan(case_tests(REGULAR, curves, [30])).all()


# -- (b) pre-rotation ------------------------------------------------------------------------------


def turned(items, seed):
    return rng(seed, 99).uniform(0, 360, items)


@pytest.mark.parametrize("items", [5, 8, 12, 40])
def test_level_of_pre_rotation_whatever_the_grid_of_pixels_adds(items):
    p = []
    for seed in range(1000):
        artefact = wave(REGULAR, 0.2, 90)[:, None] * rng(seed).lognormal(0, 1, items)
        curves = artefact + noisy_cases(items, 0.0, 0.02, seed)
        p.append(pre_rotation_tests(REGULAR, curves, turned(items, seed), PERIODS, DRAWS)[AT])
    assert 0.03 <= rate(p) <= 0.07


@pytest.mark.parametrize(("items", "power"), [(8, 0.78), (12, 0.96), (40, 1.0)])
def test_power_of_pre_rotation(items, power):
    p = []
    for seed in range(500):
        phi = turned(items, seed)
        curves = noisy_cases(items, 0.02, 0.02, seed, phi=phi) + wave(REGULAR, 0.2, 90)[:, None]
        p.append(pre_rotation_tests(REGULAR, curves, phi, PERIODS, DRAWS)[AT])
    assert rate(p) == pytest.approx(power, abs=0.06)


def test_seeds_turn_pictures_by_angles_of_their_own():
    """And maps of each run may have a wave of their own, which all pictures share."""
    phi = rng(3).uniform(0, 360, (3, 4))
    curves = np.stack([wave(REGULAR, 0.02, 120, 10 - one) for one in phi.ravel()], axis=1)
    own = np.stack([wave(REGULAR, 0.5, 120, crest) for crest in (0, 50, 70)], axis=1)
    curves = curves.reshape(len(REGULAR), *phi.shape) + own[..., None]
    p = pre_rotation_tests(REGULAR, curves, phi, [360, 120], DRAWS)
    assert p[1] == 1 / 500
    # angles that are not the ones by which they were turned
    assert pre_rotation_tests(REGULAR, curves, phi[::-1], [360, 120], DRAWS)[1] > 0.05


def test_no_p_of_pre_rotation_with_one_item_or_for_a_period_that_is_not_resolved():
    curves = rng(0).normal(size=(len(REGULAR), 9))
    p = pre_rotation_tests(REGULAR, curves, turned(9, 0), [360, 45, 90], DRAWS)
    assert np.isfinite(p).tolist() == [True, False, True]
    assert np.isnan(pre_rotation_tests(REGULAR, curves[:, :1], turned(1, 0), [90], DRAWS)).all()


def test_one_p_for_one_seed_of_the_draws():
    curves, phi = rng(0).normal(size=(len(REGULAR), 9)), turned(9, 0)
    first, again, other = (
        pre_rotation_tests(REGULAR, curves, phi, PERIODS, shuffling(499, seed))
        for seed in (1, 1, 2)
    )
    assert (first == again).all() and (first != other).any()


# -- both: a wave of the picture's content, and one of the grid of pixels --------------------------


def stroke(direction):
    """A picture with a bright stroke through its middle: the angle of its direction, 33 × 33."""
    y, x = np.mgrid[16:-17:-1, -16:17]  # y upwards
    along = np.deg2rad(direction)
    across = y * np.cos(along) - x * np.sin(along)
    return np.exp(-((across / 2) ** 2)) * (np.hypot(x, y) <= 14)


def turn(picture, degrees):
    """Turn counter-clockwise as a viewer sees it, apart from the workflow's own rotation."""
    y, x = np.mgrid[16:-17:-1, -16:17]
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return map_coordinates(picture, [16 - (cos * y - sin * x), 16 + cos * x + sin * y], order=1)


def uprightness(picture):
    """A reading of a picture that depends on its direction: largest for an upright stroke."""
    dy, dx = np.gradient(picture)
    return (dx**2).sum() / (dx**2 + dy**2).sum()


def readings(phi, artefact):
    """Curves [angles, items] of strokes near 20°, turned by φ and by θ, and a wave of the grid."""
    spread = rng(0).normal(0, 15, 12)
    strokes = [turn(stroke(20 + more), by) for more, by in zip(spread, phi, strict=True)]
    curves = np.array([[uprightness(turn(one, by)) for one in strokes] for by in STEP])
    return curves + rng(1).normal(0, 0.2, curves.shape) + wave(STEP, artefact, 180, 40)[:, None]


def test_the_content_of_pictures_is_found_and_the_grid_is_not():
    """180°: an upright stroke is upright again after half a turn."""
    phi = np.arange(0, 360, 30.0)  # so that the wrong sign adds up to nothing
    only_grid = wave(STEP, 0.5, 180, 40)[:, None] + rng(2).normal(0, 0.2, (len(STEP), 12))
    both = readings(phi, 0.5)
    assert pre_rotation_tests(STEP, both, phi, [360, 180], DRAWS)[1] == 1 / 500
    assert pre_rotation_tests(STEP, both, -phi, [360, 180], DRAWS)[1] > 0.05  # clockwise
    assert pre_rotation_tests(STEP, only_grid, phi, [360, 180], DRAWS)[1] > 0.05
    # cases cannot tell one from the other: to them what all share is an effect
    assert case_tests(STEP, only_grid, [360, 180])[1] < 1e-6
    assert case_tests(STEP, readings(np.zeros(12), 0.0), [360, 180])[1] < 1e-6
