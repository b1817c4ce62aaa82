"""The random augmentations of `angle-random`."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from thetascope.learning import pretraining
from thetascope.learning.pretraining import augment, pairs_of, random_augmentation
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


def test_rotations_are_on_the_canvas_and_by_the_interpolation_of_the_view(monkeypatch):
    monkeypatch.setattr(pretraining, "random_augmentation", lambda size: lambda image: image)
    stripes = (torch.arange(16) % 4 < 2).float().expand(40, 1, 16, 16)
    ones, drawn = torch.ones_like(stripes), torch.Generator()
    white, black_corners = (
        augment(ones, View(c), drawn.manual_seed(0)) for c in ("reflect", "zero")
    )
    torch.testing.assert_close(white, ones)
    assert 0 < (black_corners[:, 0, 0, 0] < 0.5).float().mean() < 0.5
    nearest, blended = (
        augment(stripes, View("reflect", kind), drawn.manual_seed(0)).frac().any()
        for kind in ("nearest", "bilinear")
    )
    assert blended and not nearest


def test_both_pictures_of_a_random_pair_are_drawn_on_the_canvas(monkeypatch):
    monkeypatch.setattr(pretraining, "random_augmentation", lambda size: lambda image: image)
    images, view = torch.rand(60, 1, 16, 16), View("crop")
    rows, shown = torch.arange(60), view.original(images)
    pairs = pairs_of(images, None, view, torch.Generator().manual_seed(0))(rows, rows.flip(0))
    first, second = (
        (picture != expected).any(dim=(1, 2, 3))
        for picture, expected in zip(pairs, (shown, shown.flip(0)), strict=True)
    )
    assert 0 < first.sum() < 40 and 0 < second.sum() < 40 and not torch.equal(first, second)


def test_crops_show_half_of_a_picture_or_more_shifted_and_sheared_a_little():
    """Two channels that say where a pixel was: their slopes tell the area, the shear, the shift."""
    torch.manual_seed(0)
    size = 32
    x = torch.linspace(0, 1, size).expand(size, size)
    transform = random_augmentation(size)
    views = np.array([transform(torch.stack([x, x.mT])) for _ in range(400)])[:, :, 12:20, 12:20]
    down, right = (slope.mean((2, 3)) * (size - 1) for slope in np.gradient(views, axis=(2, 3)))
    area = abs(right[:, 0] * down[:, 1] - right[:, 1] * down[:, 0])
    assert 0.45 < area.min() < 0.55 and 0.9 < area.max() < 1.05
    tilt = np.degrees(np.arctan(down[:, 0] / right[:, 0]))
    assert 8 < abs(tilt).max() < 10.5
    # a crop alone cannot move the middle by more than half of what it leaves out
    moved = abs(views[:, 0].mean((1, 2)) - 0.5) - (1 - abs(right[:, 0])) / 2
    assert 0.05 < moved.max() < 0.11


def test_three_views_in_ten_are_blurred():
    """A level edge: a crop enlarges it to two rows between black and white, a blur to more."""
    torch.manual_seed(0)
    size = 32
    edge = (torch.arange(size) < size // 2).float()[:, None].expand(1, size, size)
    transform = random_augmentation(size)
    column = np.array([transform(edge)[0, 8:-8, size // 2] for _ in range(400)])
    between = ((column > 0.02) & (column < 0.98)).sum(axis=1)
    # σ from 0.1 to 2 pixels, of which what is below 0.36 leaves less than 2 % beside the edge
    assert (between > 2).mean() == pytest.approx(0.3 * (2 - 0.36) / 1.9, abs=0.07)
