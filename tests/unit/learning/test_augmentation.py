"""The random augmentations of `angle-random`."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from thetascope.learning import pretraining
from thetascope.learning.pretraining import augment, random_augmentation
from thetascope.learning.rotation import View


def test_augmentation_is_repeatable_and_leaves_the_global_random_state_alone():
    images = torch.rand(6, 3, 16, 16)
    before = torch.get_rng_state()
    first, again, other = (
        augment(images, View(), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1 + 1e-6


def test_augmentation_runs_where_the_images_are():
    """On a device that computes nothing, but refuses tensors of another."""
    images = torch.zeros(8, 3, 16, 16, device="meta")
    assert augment(images, View(), torch.Generator().manual_seed(0)).device.type == "meta"


@pytest.mark.parametrize("global_seed", [1, 2])
def test_augmentation_draws_from_its_generator_alone(global_seed):
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    expected = [augment(images, View(), generator) for _ in range(2)]
    generator.manual_seed(0)
    torch.manual_seed(global_seed)
    assert all(torch.equal(augment(images, View(), generator), e) for e in expected)


def test_three_views_in_ten_are_rotated_by_any_angle():
    """Stripes: crops, flips and shears tilt them by less than 20°, a rotation mostly by more."""
    n, size = 400, 32
    stripes = (torch.arange(size) * 0.8).sin().expand(n, 1, size, size) * 0.5 + 0.5
    views = augment(stripes, View("reflect"), torch.Generator().manual_seed(0))
    centre = views[:, 0, 10:-10, 10:-10].numpy()
    y, x = np.gradient(centre, axis=(1, 2))
    # the orientation of the gradient, from −90° to 90°, by the structure tensor
    tilt = np.degrees(np.arctan2((2 * x * y).sum((1, 2)), (x * x - y * y).sum((1, 2))) / 2)
    assert np.mean(np.abs(tilt) > 20) == pytest.approx(0.3 * (1 - 40 / 180), abs=0.07)


def test_rotations_are_over_the_full_circle(monkeypatch):
    """Without the other augmentations, since a flip turns a picture's direction as well."""
    monkeypatch.setattr(pretraining, "random_augmentation", lambda size: lambda image: image)
    n, size = 1000, 16
    ramp = torch.linspace(0, 1, size).expand(n, 1, size, size)
    views = augment(ramp, View("reflect"), torch.Generator().manual_seed(0))
    y, x = np.gradient(views[:, 0, 6:-6, 6:-6].numpy(), axis=(1, 2))
    direction = np.degrees(np.arctan2(-y.sum((1, 2)), x.sum((1, 2)))) % 360
    turned = (views != ramp).any(dim=(1, 2, 3)).numpy()
    assert turned.mean() == pytest.approx(0.3, abs=0.05)
    assert kstest(direction[turned], "uniform", args=(0, 360)).pvalue > 0.01


def test_flips_over_both_axes_happen_in_half_of_the_views():
    """A ramp along both axes: crops, shears and blurs leave the signs of its slopes."""
    torch.manual_seed(0)
    size = 24
    x = torch.linspace(0, 1, size).expand(1, size, size)
    transform = random_augmentation(size)
    views = np.array([transform((x + x.mT) / 2)[0, 8:-8, 8:-8] for _ in range(400)])
    down, right = (slope.sum((1, 2)) > 0 for slope in np.gradient(views, axis=(1, 2)))
    for flipped_down in (True, False):
        for flipped_right in (True, False):
            both = (down != flipped_down) & (right != flipped_right)
            assert both.mean() == pytest.approx(1 / 4, abs=0.07)
