"""Maps without a network against scikit-image and SciPy."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import multivariate_normal
from skimage import filters

from thetascope.learning.rotation import View
from thetascope.saliency.baselines import blur, centre, hog, random, sobel


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("channels", [1, 3])
def test_sobel_against_scikit_image(channels):
    images = torch.rand(2, channels, 20, 20, generator=generator())
    # which differs by √2 over the two axes, and counts per step of two pixels
    theirs = [[filters.sobel(c) / np.sqrt(2) for c in image] for image in images.numpy()]
    np.testing.assert_allclose(sobel(images), np.max(theirs, axis=1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("degrees", [0.0, 45.0, 90.0])
@pytest.mark.parametrize("grey", [0, 100, 141, 255])
def test_a_constant_picture_has_no_edges(degrees, grey):
    pictures = torch.full((1, 3, 32, 32), grey / 255)
    edges = sobel(View(canvas="reflect").rotated(pictures, degrees))
    assert not edges.any()


def test_sobel_of_a_ramp_is_its_slope():
    ramp = torch.arange(16.0).expand(1, 1, 16, 16) * 0.01
    for image in (ramp, ramp.mT):
        torch.testing.assert_close(sobel(image)[0, 1:-1, 1:-1], torch.full((14, 14), 0.01))


def test_the_smallest_edge_of_8_bit_is_one():
    """Round a pixel one level brighter: at the corners a quarter of a half of that, twice."""
    image = torch.zeros(1, 1, 7, 7)
    image[0, 0, 3, 3] = 1 / 255
    edges = sobel(image)[0, 2:5, 2:5] * 255
    corner, side = 2**0.5 / 8, 2 / 8
    expected = torch.tensor([[corner, side, corner], [side, 0, side], [corner, side, corner]])
    torch.testing.assert_close(edges, expected)


@pytest.mark.parametrize("size", [15, 64])
def test_centre_is_a_gaussian_of_a_quarter_of_the_side(size):
    images = torch.rand(3, 2, size, size)
    at = np.stack(np.meshgrid(*[np.arange(size) - (size - 1) / 2] * 2), axis=-1)
    normal = multivariate_normal([0, 0], (size / 4) ** 2).pdf(at)
    for prior in centre(images).numpy():
        np.testing.assert_allclose(prior / prior.sum(), normal / normal.sum(), rtol=1e-4)


def test_hog_is_the_mean_gradient_of_each_cell():
    """Against NumPy's gradient."""
    image = torch.rand(1, 1, 112, 112, generator=generator())
    side = 112 // 14  # pixels per cell
    energy = hog(image)[0].numpy()
    cells = energy.reshape(14, side, 14, side)
    assert (np.ptp(cells, axis=(1, 3)) == 0).all()
    down, across = np.gradient(np.pad(image[0, 0].numpy(), 1, mode="edge"))
    magnitude = 2 * np.hypot(down, across)[1:-1, 1:-1]  # np.gradient is per pixel, ours over two
    expected = magnitude.reshape(14, side, 14, side).mean(axis=(1, 3))
    np.testing.assert_allclose(cells[:, 0, :, 0], expected, rtol=1e-4)


@pytest.mark.parametrize("size", [8, 13])
def test_a_picture_smaller_than_hogs_grid_has_a_cell_for_each_pixel(size):
    image = torch.rand(1, 1, size, size, generator=generator())
    down, across = np.gradient(np.pad(image[0, 0].numpy(), 1, mode="edge"))
    expected = 2 * np.hypot(down, across)[1:-1, 1:-1]
    np.testing.assert_allclose(hog(image)[0], expected, rtol=1e-4, atol=1e-6)


def test_hog_takes_the_channel_with_the_strongest_gradient():
    images = torch.rand(2, 3, 28, 28, generator=generator())
    flat = images.clone()
    flat[:, :2] *= 0.01
    torch.testing.assert_close(hog(flat), hog(images[:, 2:]), rtol=0.2, atol=0)
    assert (hog(images) >= hog(images[:, :1])).all()


def test_random_maps_follow_the_generator_alone():
    images = torch.rand(3, 3, 20, 20, generator=generator())
    one, again = (random(x, 1.5, generator(4)) for x in (images, 1 - images))
    assert torch.equal(one, again)
    assert not torch.equal(one, random(images, 1.5, generator(5)))
    assert one.shape == (3, 20, 20) and one.min() > 0


@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.4, 6.0])
def test_blur_against_scipy(sigma):
    maps = torch.rand(2, 40, 40, generator=generator())
    theirs = [gaussian_filter(m, sigma, mode="mirror") for m in maps.numpy()]
    np.testing.assert_allclose(blur(maps, sigma), theirs, rtol=1e-3)


def test_a_kernel_wider_than_the_map_is_cut():
    maps = torch.rand(1, 8, 8, generator=generator())
    assert blur(maps, 20.0).std() < 0.05 * maps.std()
