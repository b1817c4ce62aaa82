"""Gradient orientation: known answers, symmetries, and what nobody must be able to tell apart."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats
from skimage import feature
from sklearn.model_selection import GroupKFold

from thetascope.analysis import gradient_orientation
from thetascope.analysis import hog as hog_module
from thetascope.analysis.gradient_orientation import (
    MARGIN,
    METHODS,
    autocorrelation,
    correlation_table,
    curve_correlation,
    histogram,
    orientation_tables,
    seen,
)
from thetascope.analysis.hog import hog, hog_svm, hog_svm_table, matched_views, turn
from thetascope.analysis.scores import arrange
from thetascope.angles import label
from thetascope.engine.fingerprint import LIBRARY
from thetascope.learning.rotation import View, rotate

SIZE = 64
modest = settings(max_examples=15, deadline=None)


def coordinates(size=SIZE):
    axis = np.arange(size) - (size - 1) / 2
    return axis[None], -axis[:, None]


def gratings(direction, items=1, wavelength=12, noise=0.0, seed=0):
    """Plane waves whose crests lie anywhere and whose gradient has this direction."""
    rng = np.random.default_rng(seed)
    x, y = coordinates()
    along = x * np.cos(np.deg2rad(direction)) + y * np.sin(np.deg2rad(direction))
    crests = rng.uniform(0, 2 * np.pi, (items, 1, 1, 1))
    waves = 128 + 60 * np.cos(2 * np.pi * along / wavelength + crests)
    return waves + rng.normal(0, noise, waves.shape)


def isotropic(items, sigma=2.0, seed=0, size=SIZE):
    """Noise without any preferred direction: [items, 1, size, size]."""
    edge = 10
    white = np.random.default_rng(seed).normal(size=(items, 1, *2 * [size + 2 * edge]))
    smooth = ndimage.gaussian_filter(white, sigma, axes=(2, 3))[..., edge:-edge, edge:-edge]
    return (128 + 30 * smooth / smooth.std()).clip(1, 255)


def circular(angle):
    """The angle on (-90, 90] that means the same orientation."""
    return 90 - (90 - angle) % 180


def accuracy(images, degrees, cell=64, items_per_case=1):
    cases = np.arange(len(images)) // items_per_case
    return hog_svm(images, cases, degrees, cell, bootstrap=200, confidence=0.95, seed=0)


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
    found, weight = gradient_orientation.orientations(image, mask, "structure_tensor")
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
    shares, likeness = orientation_tables(images, 36, [0.0, 30.0], 20, 0.95, 0)
    assert (shares["n_items"] == 2).all() and (likeness["n_items"] == 2).all()
    assert shares[["mean", "ci_low", "ci_high"]].notna().all(axis=None)


# -- what counts -----------------------------------------------------------------------------------


def test_all_of_the_disc_counts_where_nothing_is_padded():
    disc = np.hypot(*coordinates()) <= SIZE / 2 - MARGIN
    for degrees in 0, 30, 90:
        np.testing.assert_array_equal(seen(isotropic(1)[0], degrees), disc)


def test_black_that_made_a_square_does_not_count_in_either_view():
    image = isotropic(1)[0]
    image[:, :12] = image[:, -12:] = 0  # a wide picture
    x, y = coordinates()
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


def test_a_dark_background_is_part_of_the_picture():
    image = isotropic(1)[0]
    image[:, np.hypot(*coordinates()) > 20] = 0  # a round object
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


# -- curves ----------------------------------------------------------------------------------------

THETA = np.arange(0, 360, 30.0)


def test_a_curve_that_follows_the_autocorrelation():
    reference = autocorrelation(histogram(gratings(20), 36, "hog"), THETA)[0]
    for sign in 1, -1:
        found = curve_correlation(THETA, 0.5 + 0.1 * sign * reference, reference)
        assert found["pearson"] == pytest.approx(sign)
        assert found["spearman"] == pytest.approx(sign)
        assert found["shifts"] == 6
        assert found["p"] == pytest.approx(1 / 6)


@modest
@given(st.integers(0, 999), st.sampled_from([5, 8, 12, 15]))
def test_correlations_and_p_by_hand(seed, angles):
    theta = np.arange(angles) * 360 / angles
    rng = np.random.default_rng(seed)
    curve = rng.normal(size=angles)
    reference = autocorrelation(rng.dirichlet(np.ones(36), 1), theta)[0]
    found = curve_correlation(theta, curve, reference)
    assert found["pearson"] == pytest.approx(stats.pearsonr(curve, reference).statistic)
    ranked = stats.spearmanr(curve, reference.round(9)).statistic
    assert found["spearman"] == pytest.approx(ranked)
    every = [abs(np.corrcoef(np.roll(curve, k), reference)[0, 1]) for k in range(angles)]
    assert found["p"] == pytest.approx(np.mean(np.array(every) >= every[0] - 1e-9))
    assert found["p"] * found["shifts"] == pytest.approx(round(found["p"] * found["shifts"]))


def test_p_is_uniform_where_the_curve_may_lie_anywhere():
    rng = np.random.default_rng(0)
    reference = autocorrelation(rng.dirichlet(np.ones(36), 1), THETA)[0]
    p = [curve_correlation(THETA, rng.normal(size=12), reference)["p"] for _ in range(600)]
    for level in range(1, 7):
        assert np.mean(np.array(p) <= level / 6 + 1e-9) == pytest.approx(level / 6, abs=0.06)


def test_360_is_left_out_where_0_is_there():
    rng = np.random.default_rng(0)
    curve, reference = rng.normal(size=(2, 13))
    found = curve_correlation(np.append(THETA, 360), curve, reference)
    assert found == curve_correlation(THETA, curve[:-1], reference[:-1])


@pytest.mark.parametrize("theta", [[0, 10, 30, 90, 200], [0, 30, 60, 90, 120]])
def test_no_p_where_shifting_does_not_map_the_grid_onto_itself(theta):
    curve, reference = np.random.default_rng(0).normal(size=(2, 5))
    found = curve_correlation(np.array(theta, float), curve, reference)
    assert np.isnan(found["p"]) and found["shifts"] == 0
    assert np.isfinite(found["pearson"]) and np.isfinite(found["spearman"])


def test_what_is_constant_correlates_with_nothing():
    curve = np.random.default_rng(0).normal(size=12)
    for pair in (curve, np.ones(12)), (np.ones(12), curve), (curve, np.full(12, np.nan)):
        found = curve_correlation(THETA, *pair)
        assert np.isnan([found["pearson"], found["spearman"], found["p"]]).all()


def test_every_curve_meets_the_autocorrelation_of_its_own_data_set():
    reference = {"a": np.cos(np.deg2rad(2 * THETA)), "b": np.cos(np.deg2rad(4 * THETA))}
    rows = [
        (name, label(theta), f"i{item}", 0.5 + 0.1 * reference[name][i] + 0.01 * item, 0.5)
        for name in reference
        for i, theta in enumerate(THETA)
        for item in range(3)
    ]
    scores = pd.DataFrame(rows, columns=["dataset", "angle", "item", "value", "null"])
    names = {"view": "plain", "encoder": "e", "method": "moco", "seed": "0", "case": "c"}
    names |= {"model": "m", "orientation": "rotated", "map": "smoothgrad", "metric": "auroc"}
    likeness = pd.concat(
        pd.DataFrame({"dataset": name, "histogram": kind, "theta": THETA, "mean": sign * values})
        for name, values in reference.items()
        for kind, sign in zip(METHODS, (1, -1), strict=True)
    )
    table = correlation_table(
        arrange([scores.assign(eval_angle=scores["angle"], **names)]), likeness
    )
    assert len(table) == 2 * 4 * 2
    assert not table.duplicated(["dataset", "series", "histogram"]).any()
    for series in "value", "excess":
        of_series = table[table["series"] == series].set_index(["dataset", "histogram"])["pearson"]
        assert of_series.to_dict() == {
            (name, kind): pytest.approx(sign)
            for name in reference
            for kind, sign in zip(METHODS, (1, -1), strict=True)
        }
    assert table.loc[table["series"] == "footprint", ["pearson", "p"]].isna().all(axis=None)


# -- the two views ---------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 133.3, 180, 271, 360])
def test_turning_without_torch_is_turning_with_it(degrees):
    images = isotropic(2, sigma=3)
    expected = rotate(torch.tensor(images), float(degrees), "bicubic").numpy()
    inside = seen(images[0])
    tolerance = 0 if degrees % 90 == 0 else 2.0  # of about 120 grey levels
    np.testing.assert_allclose(
        turn(images, degrees)[..., inside], expected[..., inside], atol=tolerance
    )


@pytest.mark.parametrize("degrees", [30, 45, 75, 90, 180, 222, 360])
def test_views_are_those_of_a_matched_view_but_smoothed(degrees):
    image, view = isotropic(1, sigma=3), View(interpolation="bicubic", matched=True)
    pictures = [f(torch.tensor(image), float(degrees)) for f in (view.original, view.rotated)]
    expected = ndimage.gaussian_filter(np.concatenate(pictures), 1, radius=2, axes=(2, 3))
    inside = seen(image[0])
    found = matched_views(image[0], degrees)
    np.testing.assert_allclose(found[..., inside], expected[..., inside], atol=2)


@modest
@given(st.floats(0, 360), st.integers(0, 9))
def test_views_show_nothing_from_outside_the_disc(degrees, seed):
    rng = np.random.default_rng(seed)
    image = rng.uniform(1, 255, (1, 40, 40))
    outside = np.hypot(*coordinates(40)) > 20
    other = np.where(outside, rng.uniform(1, 255, image.shape), image)
    mask = seen(image, degrees)
    for one, two in zip(matched_views(image, degrees), matched_views(other, degrees), strict=True):
        # splines reach far, but weakly: by a quarter from pixel to pixel
        np.testing.assert_allclose(hog(one, mask, 64), hog(two, mask, 64), atol=1e-3)


@pytest.mark.parametrize("degrees", [10, 30, 45, 80])
def test_both_views_are_equally_blurred(degrees):
    """White noise shows blur best: its gradients are weaker the more it is blurred."""
    images = np.random.default_rng(0).uniform(1, 255, (40, 1, 48, 48))
    mask = seen(images[0])
    x, turned = (
        np.mean([np.square(np.gradient(views[k][0]))[:, mask].mean() for views in pairs])
        for pairs in [[matched_views(image, degrees) for image in images]]
        for k in (0, 1)
    )
    assert turned == pytest.approx(x, rel=0.01)


# -- HoG and the support vector machine ------------------------------------------------------------


@pytest.mark.parametrize("size", [64, 224, 300])
def test_energy_per_cell_agrees_with_scikit_image(size):
    side = round(64 * min(1, size / 224))
    cells = size // side
    edge = (size - cells * side) // 2
    image = np.random.default_rng(0).uniform(1, 255, (1, size, size))
    features = hog(image, np.ones((size, size), bool), 64).reshape(-1, 9)
    # gradients of the whole picture, cut to the cells: scikit-image starts them at the corner
    padded = image[0, edge : edge + cells * side, edge : edge + cells * side]
    theirs = feature.hog(padded, 1, (side, side), (cells, cells), "L1", feature_vector=True)
    mine = features.sum(axis=1) / features.sum()
    assert np.linalg.norm(features) == pytest.approx(1)
    np.testing.assert_allclose(mine, theirs, rtol=0.1)  # its gradients are 0 at the very rim


def test_cells_scale_with_small_images_and_lie_centred():
    everything = np.ones((SIZE, SIZE), bool)
    image = gratings(30)[0]
    assert len(hog(image, everything, 16)) == (64 // 5) ** 2 * 9
    assert len(hog(image, everything, 64)) == (64 // 18) ** 2 * 9
    half_turned = hog(np.rot90(image, 2, axes=(1, 2)), everything, 64).reshape(3, 3, 9)
    np.testing.assert_allclose(half_turned, hog(image, everything, 64).reshape(3, 3, 9)[::-1, ::-1])


@pytest.mark.parametrize("degrees", [0.0, 360.0])
@pytest.mark.parametrize("cell", [16, 64])
def test_equal_views_are_told_apart_in_exactly_half_of_the_cases(degrees, cell):
    found = accuracy(gratings(20, items=11, noise=20), degrees, cell, items_per_case=3)
    assert found == {"accuracy": 0.5, "ci_low": 0.5, "ci_high": 0.5, "n_items": 11, "n_cases": 4}


@pytest.mark.parametrize("cell", [16, 64])
@pytest.mark.parametrize("degrees", [10, 45, 90, 180])
def test_isotropic_noise_is_at_chance(degrees, cell):
    for sigma, seed in (2.0, 0), (0.01, 1):  # 0.01: each pixel by itself
        found = accuracy(isotropic(80, sigma, seed), degrees, cell)
        assert found["ci_low"] <= 0.5 <= found["ci_high"]
        assert found["accuracy"] == pytest.approx(0.5, abs=0.15)


def test_the_moire_of_bilinear_interpolation_would_give_the_views_away(monkeypatch):
    """So the test above can fail: this is what splines and smoothing are there to prevent."""

    def bilinear(image, degrees):
        first = View(matched=True).original(torch.tensor(image[None]), degrees)
        second = View(matched=True).rotated(torch.tensor(image[None]), degrees)
        return torch.cat([first, second]).numpy()

    monkeypatch.setattr(hog_module, "matched_views", bilinear)
    assert accuracy(isotropic(80, 0.01), 10.0, 16)["ci_low"] > 0.9


def test_corners_and_padding_are_not_what_tells_them_apart():
    images = isotropic(80, seed=2)
    images[:, :, :10] = images[:, :, -10:] = 0
    assert accuracy(images, 45)["ci_low"] <= 0.5


@pytest.mark.parametrize("cell", [16, 64])
def test_one_orientation_is_told_from_itself_turned_but_not_by_180(cell):
    images = gratings(20, items=40, noise=40)
    for degrees in 45, 90, 270:
        assert accuracy(images, degrees, cell)["ci_low"] > 0.9
    opposite = accuracy(images, 180, cell)
    assert opposite["ci_low"] <= 0.5 <= opposite["ci_high"]


def test_no_case_is_trained_and_tested_on(monkeypatch):
    """Every picture twice: with its copy in the training set, noise would be known by heart."""
    images = isotropic(30, seed=3).repeat(2, axis=0)
    seen_groups = []

    class Folds(GroupKFold):
        def split(self, x, y=None, groups=None):
            for train, test in super().split(x, y, groups):
                seen_groups.append((set(groups[train]), set(groups[test])))
                yield train, test

    monkeypatch.setattr(hog_module, "GroupKFold", Folds)
    found = accuracy(images, 90, items_per_case=2)
    assert len(seen_groups) == 5
    assert not any(train & test for train, test in seen_groups)
    assert found["n_cases"] == 30
    assert found["accuracy"] == pytest.approx(0.5, abs=0.2)


def test_the_interval_draws_whole_cases():
    """Five copies of every picture say no more than one."""
    images = isotropic(15, seed=4)
    once = accuracy(images, 45, 16)
    copies = accuracy(images.repeat(5, axis=0), 45, 16, items_per_case=5)
    width, expected = (found["ci_high"] - found["ci_low"] for found in (copies, once))
    assert width > 0.6 * expected > 0


# -- tables ----------------------------------------------------------------------------------------


def test_tables_have_one_row_per_cell_and_agree_with_the_functions():
    images, theta = isotropic(6), [0.0, 45.0, 90.0]
    shares, likeness = orientation_tables(images, 12, theta, 50, 0.9, 0)
    assert shares[["histogram", "direction"]].to_numpy().tolist() == [
        [name, 15.0 * k] for name in METHODS for k in range(12)
    ]
    for name in METHODS:
        of_items = histogram(images, 12, name)
        part = shares[shares["histogram"] == name]
        assert part["mean"].to_numpy() == pytest.approx(of_items.mean(axis=0))
        part = likeness[likeness["histogram"] == name]
        assert part["theta"].tolist() == theta
        mean = autocorrelation(of_items, theta).mean(axis=0)
        assert part["mean"].to_numpy() == pytest.approx(mean)
        of_mean = autocorrelation(of_items.mean(axis=0)[None], theta)[0]
        assert part["of_mean"].to_numpy() == pytest.approx(of_mean)
    for table in shares, likeness:
        assert (table["ci_low"] <= table["mean"] + 1e-12).all()
        assert (table["mean"] <= table["ci_high"] + 1e-12).all()
    table = hog_svm_table(images, list("aabbcc"), theta, [16, 64], 50, 0.9, 0)
    assert table[["cell", "theta"]].to_numpy().tolist() == [[c, t] for c in (16, 64) for t in theta]
    assert (table["n_items"] == 6).all() and (table["n_cases"] == 3).all()
    assert hog_svm_table(images, list("aabbcc"), theta, [16, 64], 50, 0.9, 0).equals(table)


def test_no_torch_is_imported():
    code = "import sys, thetascope.analysis.gradient_orientation; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=LIBRARY.parent, check=True)
