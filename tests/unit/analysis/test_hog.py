"""What tells x from R_θ x without a network, and what nobody must be able to tell apart."""

import numpy as np
import pytest
import torch
from factories import coordinates, gratings, intervals, isotropic
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import feature
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from thetascope.analysis import hog as hog_module
from thetascope.analysis.gradient_orientation import seen
from thetascope.analysis.hog import hog, hog_pairs, hog_svm, hog_svm_table, matched_views, turn
from thetascope.learning.rotation import View, rotate

SIZE = 64
modest = settings(max_examples=15, deadline=None)


def accuracy(images, degrees, cell=64, items_per_case=1, confidence=0.95):
    cases = np.arange(len(images)) // items_per_case
    (pairs,) = hog_pairs(images, degrees, [cell])
    return hog_svm(pairs, cases, intervals(2000, confidence))


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


def test_a_smaller_confidence_gives_a_smaller_interval_about_the_same_accuracy():
    images = isotropic(20, seed=4)
    wide, narrow = (accuracy(images, 45, 16, confidence=c) for c in (0.95, 0.5))
    assert wide["accuracy"] == narrow["accuracy"]
    assert wide["ci_low"] < narrow["ci_low"] <= narrow["accuracy"]
    assert narrow["accuracy"] <= narrow["ci_high"] < wide["ci_high"]


def test_one_interval_for_one_seed_of_the_draws():
    (pairs,) = hog_pairs(isotropic(20, seed=4), 45, [16])
    first, again, other = (hog_svm(pairs, range(20), intervals(7, 0.9, seed)) for seed in (1, 1, 2))
    assert first == again != other and first["accuracy"] == other["accuracy"]


# -- table -----------------------------------------------------------------------------------------


def test_the_table_has_every_cell_size_at_every_angle():
    images, theta, cases = isotropic(6), [0.0, 45.0, 90.0], list("aabbcc")
    table = hog_svm_table(images, cases, theta, [16, 64], intervals())
    places = table[["hog_cell", "theta"]].to_numpy().tolist()
    assert places == [[cell, angle] for cell in (16, 64) for angle in theta]
    assert (table["n_items"] == 6).all() and (table["n_cases"] == 3).all()
    for place, row in zip(places, table.to_dict("records"), strict=True):
        (pairs,) = hog_pairs(images, place[1], [place[0]])
        expected = hog_svm(pairs, cases, intervals())
        assert {column: row[column] for column in expected} == expected


def test_few_cases_have_few_folds_and_a_wider_interval():
    """Of three cases each fold is trained on two: √(1 + 3/2) of the width of the draws alone."""
    rng = np.random.default_rng(1)
    pairs, cases = rng.normal(size=(60, 2, 8)), np.repeat(["a", "b", "c"], 20)
    found = hog_svm(pairs, cases, intervals(4000, 0.95))
    right = []
    for case in "abc":
        model = make_pipeline(StandardScaler(), SVC())
        model.fit(np.concatenate(pairs[cases != case]), np.tile([0, 1], 40))
        told = model.predict(pairs[cases == case].reshape(-1, 8))
        right.append((told == np.tile([0, 1], 20)).mean())
    draws = rng.choice(right, (20_000, 3)).mean(axis=1) - np.mean(right)
    low, high = np.mean(right) + np.sqrt(2.5) * np.quantile(draws, [0.025, 0.975])
    assert found["accuracy"] == pytest.approx(np.mean(right))
    assert [found["ci_low"], found["ci_high"]] == pytest.approx([low, high], abs=0.005)
