"""Gradient orientation: known answers, symmetries, and correlation with curves."""

import subprocess
import sys

import numpy as np
import pytest
from factories import coordinates, gratings, intervals, isotropic, of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from thetascope.analysis.bootstrap import bootstrap_means, interval
from thetascope.analysis.gradient_orientation import (
    MARGIN,
    METHODS,
    autocorrelation,
    histogram,
    orientation_tables,
    orientations,
    seen,
)
from thetascope.engine.fingerprint import LIBRARY

SIZE = 64
modest = settings(max_examples=15, deadline=None)


def circular(angle):
    """The angle on (-90, 90] that means the same orientation."""
    return 90 - (90 - angle) % 180


# -- histograms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("direction", [0, 20, 45, 90, 110, 175])
def test_a_grating_peaks_at_the_direction_of_its_gradient(method, direction):
    shares = histogram(gratings(direction), 36, method)[0]
    assert abs(circular(shares.argmax() * 5 - direction)) <= 2.5
    assert shares[np.abs(circular(np.arange(36) * 5 - direction)) <= 10].sum() > 0.9


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_quarter_turn_shifts_the_histogram_by_90(method, channels):
    images = np.random.default_rng(0).integers(0, 256, (3, channels, 41, 41), dtype=np.uint8)
    turned = histogram(np.rot90(images, axes=(2, 3)), 36, method)
    np.testing.assert_allclose(turned, np.roll(histogram(images, 36, method), 18, axis=1))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("degrees", [30, 45, 100, 250])
def test_turning_a_smooth_picture_shifts_the_histogram_as_far(method, degrees):
    picture = isotropic(1, sigma=5)
    turned = ndimage.rotate(picture, degrees, axes=(3, 2), reshape=False, order=3, mode="nearest")
    before, after = (histogram(images, 36, method)[0] for images in (picture, turned))
    shifted = np.interp(np.arange(36) * 5 - degrees, np.arange(36) * 5, before, period=180)
    assert np.corrcoef(shifted, after)[0, 1] > {"structure_tensor": 0.99, "hog": 0.9}[method]
    assert abs(shifted - after).sum() / 2 < 0.04  # of the whole, in other bins


@pytest.mark.parametrize("method", METHODS)
def test_isotropic_noise_has_no_preferred_orientation(method):
    shares = histogram(isotropic(60, sigma=3), 12, method)
    assert shares.mean(axis=0) == pytest.approx(1 / 12, rel=0.2)
    # no wave with 1 or 2 crests over 180° stands out of the scatter between pictures
    turns = 2 * np.pi * np.arange(12) / 12
    for cycles in 1, 2:
        wave = shares @ np.exp(1j * cycles * turns)
        assert abs(wave.mean()) < 4 * wave.std() / np.sqrt(60)


@modest
@given(
    seed=st.integers(0, 99),
    bins=st.integers(4, 60),
    scale=st.sampled_from([-2.0, -0.5, 0.1, 3.0]),
    offset=st.floats(300, 900),
    method=st.sampled_from(METHODS),
)
def test_brightness_and_contrast_do_not_matter(seed, bins, scale, offset, method):
    images = np.random.default_rng(seed).uniform(1, 100, (2, 2, 24, 24))
    shares = histogram(images, bins, method)
    assert shares.shape == (2, bins)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert (shares >= 0).all()
    np.testing.assert_allclose(histogram(scale * images + offset, bins, method), shares, atol=1e-9)


@modest
@given(seed=st.integers(0, 99), method=st.sampled_from(METHODS))
def test_what_lies_outside_the_inscribed_disc_does_not_matter(seed, method):
    rng = np.random.default_rng(seed)
    image = rng.uniform(1, 255, (1, 1, 40, 40))
    outside = np.hypot(*coordinates(40)) > 20
    other = np.where(outside, rng.uniform(1, 255, image.shape), image)
    np.testing.assert_allclose(histogram(other, 18, method), histogram(image, 18, method))


def test_plain_gradients_binned_by_a_loop():
    image = np.random.default_rng(0).uniform(1, 255, (2, 32, 32))
    expected = np.zeros(9)
    for row in range(1, 31):
        for column in range(1, 31):
            if np.hypot(row - 15.5, column - 15.5) <= 16 - MARGIN:
                right = (image[:, row, column + 1] - image[:, row, column - 1]) / 2
                up = (image[:, row - 1, column] - image[:, row + 1, column]) / 2
                strongest = np.hypot(right, up).argmax()
                angle = np.degrees(np.arctan2(up[strongest], right[strongest])) % 180
                for k in range(9):
                    share = max(0, 1 - abs(circular(angle - 20 * k)) / 20)
                    expected[k] += share * np.hypot(right, up)[strongest]
    np.testing.assert_allclose(histogram(image[None], 9, "hog")[0], expected / expected.sum())


def test_the_structure_tensor_agrees_with_its_eigenvectors():
    image = isotropic(1, sigma=3)[0]
    mask = np.ones((SIZE, SIZE), bool)
    found, weight = orientations(image, mask, "structure_tensor")
    smooth = {"sigma": 1, "radius": 2}
    right = ndimage.gaussian_filter(image[0].astype(float), order=(0, 1), **smooth)
    down = ndimage.gaussian_filter(image[0].astype(float), order=(1, 0), **smooth)
    for row, column in (20, 20), (31, 40), (45, 17):
        products = right * right, -right * down, down * down
        xx, xy, yy = (ndimage.gaussian_filter(part, 2.0)[row, column] for part in products)
        values, vectors = np.linalg.eigh([[xx, xy], [xy, yy]])
        assert weight[row, column] == pytest.approx(values[1] - values[0])
        across = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        assert circular(found[row, column] - across) == pytest.approx(0, abs=1e-6)


def test_a_picture_without_gradient_has_no_histogram_and_is_not_counted():
    images = np.concatenate([np.full((1, 1, SIZE, SIZE), 9.0), gratings(30, items=2)])
    assert np.isnan(histogram(images, 36, "hog")[0]).all()
    shares, likeness = orientation_tables(images, 36, [0.0, 30.0], intervals())
    assert (shares["n_items"] == 2).all() and (likeness["n_items"] == 2).all()
    assert shares[["value", "ci_low", "ci_high"]].notna().all(axis=None)


# -- what counts -----------------------------------------------------------------------------------


def test_all_of_the_disc_counts_where_nothing_is_padded():
    disc = np.hypot(*coordinates(SIZE)) <= SIZE / 2 - MARGIN
    for degrees in 0, 30, 90:
        np.testing.assert_array_equal(seen(isotropic(1)[0], degrees), disc)


def test_black_that_made_a_square_does_not_count_in_either_view():
    image = isotropic(1)[0]
    image[:, :12] = image[:, -12:] = 0  # a wide picture
    x, y = coordinates(SIZE)
    disc = np.hypot(x, y) <= SIZE / 2 - MARGIN
    limit = SIZE / 2 - 12 - MARGIN
    np.testing.assert_array_equal(seen(image), disc & (abs(y) <= limit))
    np.testing.assert_array_equal(seen(image, 90), seen(image) & seen(image).T)
    tilted = seen(image, 30)  # counter-clockwise, so what lay right of the centre lies above it
    across = y * np.cos(np.pi / 6) - x * np.sin(np.pi / 6)
    np.testing.assert_array_equal(tilted, disc & (abs(y) <= limit) & (abs(across) <= limit))
    # noise, so that without the padding's edge there is no direction
    wide = isotropic(30)
    wide[:, :, :12] = wide[:, :, -12:] = 0
    assert histogram(wide, 12, "hog").mean(axis=0) == pytest.approx(1 / 12, rel=0.25)


@pytest.mark.parametrize("turns", range(4))
def test_black_on_one_side_does_not_count_on_that_side_alone(turns):
    image = isotropic(1)[0]
    image[:, :12] = 0  # above
    x, y = coordinates(SIZE)
    expected = (np.hypot(x, y) <= SIZE / 2 - MARGIN) & (y <= SIZE / 2 - 12 - MARGIN)
    turned = np.rot90(image, turns, axes=(1, 2))
    np.testing.assert_array_equal(seen(turned), np.rot90(expected, turns))


def test_a_dark_background_is_part_of_the_picture():
    image = isotropic(1)[0]
    image[:, np.hypot(*coordinates(SIZE)) > 20] = 0  # a round object
    assert seen(image).sum() == seen(isotropic(1)[0]).sum()
    assert seen(np.zeros((1, SIZE, SIZE))).any()


# -- autocorrelation -------------------------------------------------------------------------------


def test_autocorrelation_is_the_correlation_with_the_shifted_histogram():
    shares = np.random.default_rng(0).dirichlet(np.ones(36), 4)
    found = autocorrelation(shares, np.arange(0, 360, 5.0))
    for lag in range(72):
        for row in range(4):
            expected = np.corrcoef(shares[row], np.roll(shares[row], lag))[0, 1]
            assert found[row, lag] == pytest.approx(expected)


@modest
@given(
    seed=st.integers(0, 99),
    bins=st.integers(4, 90),
    shift=st.integers(0, 90),
    theta=st.floats(0, 360),
)
def test_autocorrelation_is_even_has_period_180_and_knows_no_origin(seed, bins, shift, theta):
    shares = np.random.default_rng(seed).dirichlet(np.ones(bins), 3)
    at = autocorrelation(shares, [theta, -theta, theta + 180, 0, 180, 360])
    np.testing.assert_allclose(at[:, 1:3], at[:, [0, 0]], atol=1e-9)
    np.testing.assert_allclose(at[:, 3:], 1)
    assert (abs(at) <= 1 + 1e-9).all()
    np.testing.assert_allclose(autocorrelation(np.roll(shares, shift, axis=1), [theta]), at[:, :1])


def test_a_grating_resembles_itself_at_180_and_a_triple_one_at_60():
    theta = np.arange(0, 360, 15.0)
    single, triple = gratings(20), sum(gratings(20 + 60 * k, seed=k) for k in range(3)) / 3
    for method in METHODS:
        once = autocorrelation(histogram(single, 36, method), theta)[0]
        assert theta[once > 0.9].tolist() == [0, 180]
    thrice = autocorrelation(histogram(triple, 36, "hog"), theta)[0]
    assert thrice[theta % 60 == 0].min() > 0.5 > 0 > thrice[theta % 60 == 30].max()


def test_flat_histograms_have_no_autocorrelation():
    flat = np.stack([np.full(36, 1 / 36), np.full(36, np.nan)])
    assert np.isnan(autocorrelation(flat, [0.0, 33.0])).all()


# -- tables ----------------------------------------------------------------------------------------


def test_tables_have_one_row_per_cell_and_agree_with_the_functions():
    images, theta, bootstrap = isotropic(6), [0.0, 45.0, 90.0], intervals(confidence=0.6)
    shares, likeness = orientation_tables(images, 12, theta, bootstrap)
    assert shares[["histogram", "direction"]].to_numpy().tolist() == [
        [name, 15.0 * k] for name in METHODS for k in range(12)
    ]
    for name in METHODS:
        of_items = histogram(images, 12, name)
        part, of_pairs = of(likeness, histogram=name), autocorrelation(of_items, theta)
        assert part["theta"].tolist() == theta
        for rows, values in (of(shares, histogram=name), of_items), (part, of_pairs):
            assert rows["value"].to_numpy() == pytest.approx(values.mean(axis=0))
            low_and_high = interval(bootstrap_means(values.T[:, None], bootstrap), 0.6)
            for column, expected in zip(("ci_low", "ci_high"), low_and_high, strict=True):
                assert rows[column].to_numpy() == pytest.approx(expected)
            assert (rows["n_items"] == 6).all()
        of_mean = autocorrelation(of_items.mean(axis=0)[None], theta)[0]
        assert part["of_mean"].to_numpy() == pytest.approx(of_mean)


def test_no_torch_is_imported():
    code = "import sys, thetascope.analysis.gradient_orientation; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=LIBRARY.parent, check=True)
