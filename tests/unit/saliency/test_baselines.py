"""Maps without a network against scikit-image and SciPy."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from skimage import filters

from thetascope.learning.rotation import View
from thetascope.saliency.baselines import centre, sobel


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


@pytest.mark.parametrize("size", [15, 64])
def test_centre_is_a_gaussian_of_a_quarter_of_the_side(size):
    images = torch.rand(3, 2, size, size)
    at = np.stack(np.meshgrid(*[np.arange(size) - (size - 1) / 2] * 2), axis=-1)
    normal = multivariate_normal([0, 0], (size / 4) ** 2).pdf(at)
    for prior in centre(images).numpy():
        np.testing.assert_allclose(prior / prior.sum(), normal / normal.sum(), rtol=1e-4)
