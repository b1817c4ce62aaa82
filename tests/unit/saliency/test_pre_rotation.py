"""Pictures that are turned by a random angle of their own before they are mapped."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.ndimage import gaussian_filter, rotate

from thetascope.analysis.cases import case_tests, pre_rotation_tests
from thetascope.analysis.settings import Permutations
from thetascope.learning.rotation import View
from thetascope.saliency.baselines import blur, sobel
from thetascope.saliency.pre_rotation import pictures_to_map, pre_rotations

SIZE = 32
DISC = View("disc")


def pictures(n):
    """Smooth random pictures and masks of two labels."""
    fields = np.stack([gaussian_filter(f, 2) for f in np.random.default_rng(0).random((n, 32, 32))])
    fields = (fields - fields.min()) / np.ptp(fields)
    return torch.from_numpy(fields).float()[:, None], (fields > 0.5).astype(np.uint8) * 2


def test_the_angle_of_an_item_is_its_own_whatever_else_is_mapped():
    ids = [f"item-{i}" for i in range(400)]
    phi = pre_rotations(0, "retina", ids)
    assert (pre_rotations("0", "retina", ids[7:9]) == phi[7:9]).all()
    assert len(set(phi)) == 400 and (phi >= 0).all() and (phi < 360).all()
    others = pre_rotations(1, "retina", ids), pre_rotations(0, "ihc", ids)
    assert all((other != phi).all() for other in others)
    for angles in (phi, *others, (phi - others[0]) % 360):
        assert stats.kstest(angles / 360, "uniform").pvalue > 0.001


def test_without_an_angle_pictures_stay_and_masks_are_those_of_the_view():
    images, masks = pictures(2)
    shown, beside = pictures_to_map(images, masks, None, DISC)
    assert shown is images and beside.keys() == {"masks"}
    np.testing.assert_array_equal(beside["masks"], DISC.masks(torch.from_numpy(masks)).numpy())


def test_picture_and_mask_turn_counter_clockwise_by_the_same_angle():
    images, masks = pictures(3)
    phi = np.array([90.0, 37.0, 250.0])
    shown, beside = pictures_to_map(images, masks, phi, DISC)
    disc = DISC.valid(images, 0.0).numpy()
    inner = gaussian_filter(disc.astype(float), 2) > 0.9  # scipy fades to black at the border
    for i, angle in enumerate(phi):
        by_scipy = rotate(images[i, 0].numpy(), angle, reshape=False, order=1)
        assert shown[i, 0].numpy()[inner] == pytest.approx(by_scipy[inner], abs=1e-4)
        labels = rotate(masks[i], angle, reshape=False, order=0)
        assert (beside["masks"][i] == labels)[inner].mean() > 0.99
        assert set(np.unique(beside["masks"][i])) == {0, 2}
    assert (beside["masks"][:, ~disc] == 0).all()
    np.testing.assert_array_equal(shown[0, 0], np.rot90(images[0, 0]))
    np.testing.assert_allclose(beside["images"] / 255, shown, atol=0.002 + 1e-6)
    assert beside["images"].dtype == np.uint8 and (beside["pre_rotation"] == phi).all()


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_nothing_of_the_border_moves_into_the_disc(interpolation):
    """It would be four marks that turn with the picture: a wave of 90° in pictures of nothing."""
    ones, view = torch.ones(8, 1, SIZE, SIZE), View("disc", interpolation)
    phi = pre_rotations(0, "ones", map(str, range(8)))
    shown, beside = pictures_to_map(ones, np.ones((8, SIZE, SIZE), np.uint8), phi, view)
    disc = view.valid(ones, 0.0)
    assert shown[:, 0, disc].numpy() == pytest.approx(1)
    assert (beside["masks"][:, disc.numpy()] == 1).all()


def test_pictures_are_turned_by_the_interpolation_of_their_view():
    """Which takes the nearest pixel makes no new value; bicubic comes nearer to a spline."""
    images, masks = pictures(1)
    nearest, bilinear, bicubic = (
        pictures_to_map(images, masks, np.array([37.0]), View("disc", kind))[0]
        for kind in ("nearest", "bilinear", "bicubic")
    )
    assert torch.isin(nearest, images).all() and not torch.isin(bilinear, images).all()
    cubic = rotate(images[0, 0].numpy(), 37.0, reshape=False, order=3)
    inner = gaussian_filter(DISC.valid(images, 0.0).numpy().astype(float), 2) > 0.9
    errors = [np.abs(shown[0, 0].numpy() - cubic)[inner].max() for shown in (bicubic, bilinear)]
    assert errors[0] < 0.7 * errors[1]


def lines(n):
    """Strokes across the picture, near 20°, in noise: what they show has a direction."""
    y, x = np.mgrid[SIZE - 1 : -SIZE : -2, 1 - SIZE : SIZE : 2] / SIZE
    rng = np.random.default_rng(0)
    along = np.deg2rad(rng.normal(20, 10, n))[:, None, None]
    across = y * np.cos(along) - x * np.sin(along)
    noise = np.stack([gaussian_filter(f, 1.5) for f in rng.normal(size=(n, SIZE, SIZE))])
    return torch.from_numpy(np.exp(-((across / 0.2) ** 2)) + 0.3 * noise).float()[:, None]


def test_a_wave_of_the_content_is_found_by_the_workflows_own_rotations():
    """A reading that knows up from across: how upright the lines of R_θ R_φ x are."""
    images, theta = lines(12), np.arange(0, 360, 30.0)
    phi = pre_rotations(0, "lines", map(str, range(12)))
    shown, _ = pictures_to_map(images, np.zeros((12, SIZE, SIZE), np.uint8), phi, DISC)
    kernel = torch.tensor([[[[-0.5, 0, 0.5]]]])

    def upright(pictures):
        inside = DISC.valid(pictures, 0.0)[1:-1, 1:-1]
        across = torch.nn.functional.conv2d(pictures, kernel)[:, 0, 1:-1]
        edges = sobel(pictures)[:, 1:-1, 1:-1]
        return ((across**2) * inside).sum(dim=(1, 2)) / ((edges**2) * inside).sum(dim=(1, 2))

    curves = np.stack([upright(DISC.rotated(shown, float(t))).numpy() for t in theta])
    assert pre_rotation_tests(theta, curves, phi, [180], Permutations(999, 0)) == 0.001
    # the other way round they do not fit
    assert pre_rotation_tests(theta, curves, -phi, [180], Permutations(999, 0)) > 0.05


def isotropic(n, sigma, seed):
    """Noise that has no direction: the middle of fields twice as wide, whose borders meet."""
    fields = np.random.default_rng(seed).normal(size=(n, 2 * SIZE, 2 * SIZE))
    middle = slice(SIZE // 2, SIZE // 2 + SIZE)
    made = np.stack([gaussian_filter(f, sigma, mode="wrap")[middle, middle] for f in fields])
    return made / made.std()


def test_resampling_is_a_wave_to_cases_and_none_to_pre_rotation():
    """Edges of noise with no direction, stronger within the mask: the share of the map there."""
    n, theta = 200, np.arange(0, 360, 15.0)
    masks = isotropic(n, 4, 1) > 0.5
    images = 0.5 + 0.1 * isotropic(n, 1, 2) * np.where(masks, 1.5, 1)
    phi = pre_rotations(0, "noise", map(str, range(n)))
    given = torch.from_numpy(images.clip(0, 1)).float()[:, None], masks.astype(np.uint8)
    shown, beside = pictures_to_map(*given, phi, DISC)
    inside, curves = torch.from_numpy(beside["masks"]), []
    for degrees in theta.tolist():
        maps = DISC.align(blur(sobel(DISC.rotated(shown, degrees)), 1.4), degrees)
        curves.append((maps * inside).sum(dim=(1, 2)) / maps.sum(dim=(1, 2)))
    curves = torch.stack(curves).numpy()
    assert case_tests(theta, curves, [90, 45])[1] < 0.01
    p = pre_rotation_tests(theta, curves, phi, [90, 45], Permutations(999, 0))
    assert (p > 0.05).all()
