"""Rotation against NumPy, SciPy and geometry."""

import math

import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from thetascope.learning.rotation import PART, View, rotate

SIZE = 32
CANVASES = ("zero", "reflect", "disc", "crop")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


@pytest.fixture
def images():
    return torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def smooth(size=SIZE):
    """A picture without detail near the pixel scale, so that resampling hardly changes it."""
    noise = np.random.default_rng(0).random((size, size))
    blurred = scipy.ndimage.gaussian_filter(noise, 3, mode="wrap")
    return torch.tensor(blurred / blurred.max(), dtype=torch.float32)[None, None]


def inner_disc(size=SIZE, margin=3):
    axis = np.arange(size) - (size - 1) / 2
    return np.hypot(*np.meshgrid(axis, axis)) < size / 2 - margin


@pytest.mark.parametrize("turns", [-1, 0, 1, 2, 3, 4])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("canvas", CANVASES)
def test_multiples_of_90_are_exact(images, canvas, interpolation, turns):
    view = View(canvas, interpolation)
    expected = np.rot90(view.original(images).numpy(), turns, axes=(2, 3))
    np.testing.assert_array_equal(view.rotated(images, 90.0 * turns).numpy(), expected)


def test_a_quarter_turn_is_counter_clockwise():
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 4] = 1  # right
    assert rotate(image, 90.0)[0, 0, 0, 2] == 1  # top


@pytest.mark.parametrize("degrees", [7.0, 30.0, 45.0, 133.3, 271.0])
@pytest.mark.parametrize(("interpolation", "order"), [("nearest", 0), ("bilinear", 1)])
def test_other_angles_agree_with_scipy(images, interpolation, order, degrees):
    ours = rotate(images.double(), degrees, interpolation).numpy()
    # with reshape=False scipy turns from the first axis to the second: counter-clockwise to the eye
    theirs = scipy.ndimage.rotate(
        images.double().numpy(), degrees, axes=(3, 2), reshape=False, order=order, mode="constant"
    )
    inside = inner_disc()
    difference = np.abs(ours - theirs)[..., inside]
    if interpolation == "bilinear":
        assert difference.max() < 1e-6
    else:  # a sample on the border of two pixels may fall to either
        assert np.mean(difference > 1e-9) < 0.01


def test_bilinear_between_the_padding_and_the_edge_agrees_with_scipy_grid_constant(images):
    ours = rotate(images.double(), 30.0).numpy()
    theirs = scipy.ndimage.rotate(
        images.double().numpy(), 30.0, axes=(3, 2), reshape=False, order=1, mode="grid-constant"
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_reflection_agrees_with_rotating_a_mirrored_surround(images):
    ours = View("reflect").rotated(images.double(), 30.0).numpy()
    surround = [(0, 0), (0, 0), (SIZE, SIZE), (SIZE, SIZE)]
    wide = np.pad(images.double().numpy(), surround, "symmetric")
    turned = rotate(torch.tensor(wide), 30.0).numpy()
    np.testing.assert_allclose(ours, turned[..., SIZE:-SIZE, SIZE:-SIZE], atol=1e-6)


def test_one_angle_per_image_equals_one_by_one(images):
    batch = rotate(images, torch.tensor([12.0, 200.0]))
    single = [rotate(images[i : i + 1], degrees) for i, degrees in enumerate((12.0, 200.0))]
    torch.testing.assert_close(batch, torch.cat(single))


def test_360_is_0(images):
    assert torch.equal(rotate(images, 360.0), images)


@settings(max_examples=20, deadline=None)
@given(st.floats(-360, 360), st.floats(-360, 360))
def test_rotations_compose(first, second):
    picture = smooth()
    twice = rotate(rotate(picture, first, "bicubic"), second, "bicubic")
    once = rotate(picture, first + second, "bicubic")
    assert (twice - once).abs()[..., torch.tensor(inner_disc(margin=5))].max() < 0.03


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 360), st.sampled_from(INTERPOLATIONS))
def test_the_range_is_kept(degrees, interpolation):
    turned = rotate(torch.rand(1, 1, 16, 16) * 0.5 + 0.5, degrees, interpolation)
    assert turned.min() >= 0
    assert turned.max() <= 1


def test_images_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="square"):
        rotate(torch.rand(1, 1, 8, 9), 30.0)


@pytest.mark.parametrize("degrees", [0.0, 30.0, 45.0, 90.0])
def test_disc_shows_the_same_pixels_in_both_views(degrees):
    white, view = torch.ones(1, 1, SIZE, SIZE), View("disc")
    seen, turned = view.original(white) > 0, view.rotated(white, degrees) > 0
    assert torch.equal(seen, turned)
    assert torch.equal(seen[0, 0], view.valid(white, degrees))
    assert 0.7 < seen.float().mean() < math.pi / 4 + 0.02


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 360), st.sampled_from(INTERPOLATIONS))
def test_crop_never_shows_a_corner(degrees, interpolation):
    white = torch.ones(1, 1, SIZE, SIZE)
    assert View("crop", interpolation).rotated(white, degrees).min() > 0.999


@pytest.mark.parametrize("canvas", CANVASES)
def test_sham_is_resampled_and_not_turned(canvas):
    picture, view = smooth(), View(canvas, sham=True)
    sham, original = view.rotated(picture, 30.0), view.original(picture)
    inside = torch.tensor(inner_disc(margin=5))
    assert not torch.equal(sham, original)
    assert (sham - original).abs()[..., inside].max() < 0.05
    assert torch.equal(view.align(sham[:, 0], 0.0), sham[:, 0] * view.valid(sham, 0.0))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3600))
def test_footprint_is_what_the_turned_square_covers(tenths):
    degrees = tenths / 10
    valid = View().valid(torch.ones(1, 1, SIZE, SIZE), degrees).numpy()
    axis = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    x, y = np.meshgrid(axis, axis)
    angle = np.deg2rad(degrees)
    # where each pixel's centre goes when the picture turns counter-clockwise, y pointing down
    there = np.cos(angle) * x + np.sin(angle) * y, -np.sin(angle) * x + np.cos(angle) * y
    expected = (np.abs(there[0]) <= 1 + 1e-9) & (np.abs(there[1]) <= 1 + 1e-9)
    np.testing.assert_array_equal(valid, expected)
    np.testing.assert_array_equal(valid, View().valid(torch.ones(1, 1, SIZE, SIZE), degrees + 90))


def test_footprint_is_whole_at_quarter_turns_and_smallest_at_45():
    white = torch.ones(1, 1, 64, 64)
    shares = {d: View().valid(white, d).float().mean().item() for d in (0.0, 15.0, 45.0, 90.0)}
    assert shares[0.0] == shares[90.0] == 1
    assert shares[45.0] < shares[15.0] < 1
    # two congruent squares turned by 45° overlap in a regular octagon
    assert shares[45.0] == pytest.approx(2 * (math.sqrt(2) - 1), abs=0.01)


@pytest.mark.parametrize("canvas", ["zero", "reflect", "crop"])
def test_align_brings_a_map_back(canvas):
    picture, view = smooth(), View(canvas, "bicubic")
    back = view.align(view.rotated(picture, 30.0)[:, 0], 30.0)
    inside = torch.tensor(inner_disc(margin=5))
    assert (back - view.original(picture)[:, 0]).abs()[..., inside].max() < 0.05
    assert (back[0][~view.valid(picture, 30.0)] == 0).all()


@pytest.mark.parametrize("canvas", CANVASES)
def test_masks_are_never_blended(canvas):
    masks = torch.randint(0, 4, (2, SIZE, SIZE), dtype=torch.uint8)
    masks[masks == 2] = 3
    framed = View(canvas).masks(masks)
    assert framed.dtype == torch.uint8
    assert set(framed.unique().tolist()) <= {0, 1, 3}


def test_as_many_masks_come_back_as_were_given():
    masks = (torch.arange(2 * PART + 3) % 5).byte()[:, None, None].expand(-1, 4, 4)
    assert torch.equal(View().masks(masks), masks)


@pytest.mark.parametrize("degrees", [30.0, 90.0])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_and_dtype_are_kept(channels, dtype, interpolation, degrees):
    images = torch.rand(2, channels, 9, 9, dtype=dtype)
    turned = rotate(images, degrees, interpolation)
    assert turned.shape == images.shape
    assert turned.dtype == dtype
    for i in range(channels):  # each channel turns by itself
        torch.testing.assert_close(
            turned[:, i : i + 1], rotate(images[:, i : i + 1], degrees, interpolation)
        )


@pytest.mark.parametrize("padding", ["zeros", "reflection"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_any_angles_in_one_batch_equal_one_by_one(interpolation, padding):
    angles = [0.0, 12.0, 90.0, 200.0, 359.9]
    images = torch.rand(len(angles), 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    batch = rotate(images, torch.tensor(angles, dtype=torch.float64), interpolation, padding)
    single = [
        rotate(x[None], a, interpolation, padding) for x, a in zip(images, angles, strict=True)
    ]
    torch.testing.assert_close(batch, torch.cat(single), rtol=0, atol=1e-5)


def test_bicubic_is_nearer_to_a_spline_than_bilinear():
    picture, inside = smooth(), inner_disc()
    spline = scipy.ndimage.rotate(picture[0, 0].numpy(), 30.0, axes=(1, 0), reshape=False, order=3)
    errors = {
        kind: np.abs(rotate(picture, 30.0, kind)[0, 0].numpy() - spline)[inside].max()
        for kind in INTERPOLATIONS
    }
    assert errors["bicubic"] < 0.01
    assert errors["bicubic"] < errors["bilinear"] < errors["nearest"]


@pytest.mark.parametrize("sham", [False, True])
@pytest.mark.parametrize("canvas", CANVASES)
def test_360_is_0_on_every_canvas(images, canvas, sham):
    view = View(canvas, sham=sham)
    assert torch.equal(view.rotated(images, 360.0), view.rotated(images, 0.0))
    assert torch.equal(view.rotated(images, 0.0), view.original(images))
    assert torch.equal(view.align(images[:, 0], 360.0), view.align(images[:, 0], 0.0))
    assert torch.equal(view.valid(images, 360.0), view.valid(images, 0.0))


@pytest.mark.parametrize("canvas", ["zero", "reflect", "crop"])
def test_footprint_of_a_quarter_turn_is_whole(canvas):
    white = torch.ones(1, 1, 17, 17)
    assert all(View(canvas).valid(white, 90.0 * turns).all() for turns in range(-4, 5))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3600), st.sampled_from([16, 31, 64]))
def test_footprint_of_the_opposite_angle_is_the_mirror_image(tenths, size):
    white = torch.ones(1, 1, size, size)
    there, back = (View().valid(white, sign * tenths / 10) for sign in (1, -1))
    assert torch.equal(back, there.flip(1))
    assert torch.equal(back, there.flip(0))


@pytest.mark.parametrize("degrees", [17.0, 45.0, 250.0])
def test_footprint_is_where_a_picture_survives_there_and_back(degrees):
    """Through the pixels, not the formula; the border between the two is one pixel wide."""
    white = torch.ones(1, 1, 64, 64)
    survived = rotate(rotate(white, degrees), -degrees)[0, 0]
    valid = View().valid(white, degrees)
    assert (survived[~valid] < 0.75).all()
    assert (survived[valid] > 0.25).all()
    assert ((survived > 0.5) != valid).float().mean() < 0.02


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_quarter_turn_is_aligned_exactly(images, interpolation):
    view = View("zero", interpolation)
    back = view.align(view.rotated(images, 270.0)[:, 0], 270.0)
    assert torch.equal(back, images[:, 0])


def test_a_sham_map_is_cut_to_the_footprint_and_not_turned(images):
    view = View(sham=True)
    aligned = view.align(images[:, 0], 30.0)
    valid = view.valid(images, 30.0)
    assert torch.equal(aligned[:, valid], images[:, 0][:, valid])
    assert (aligned[:, ~valid] == 0).all()


@pytest.mark.parametrize("canvas", CANVASES)
def test_matched_views_differ_from_plain_ones_in_resampling_alone(canvas):
    picture, inside = smooth(), torch.tensor(inner_disc(margin=5))
    plain, matched = View(canvas, "bicubic"), View(canvas, "bicubic", matched=True)
    for degrees in (10.0, 45.0, 130.0, 300.0):
        for first, second in (
            (plain.original(picture), matched.original(picture, degrees)),
            (plain.rotated(picture, degrees), matched.rotated(picture, degrees)),
        ):
            assert not torch.equal(first, second)
            assert (first - second).abs()[..., inside].max() < 0.03
    assert torch.equal(plain.original(picture), matched.original(picture))  # without θ: as it is


@pytest.mark.parametrize(
    ("degrees", "half"), [(30.0, 15.0), (130.0, 20.0), (300.0, 15.0), (80.0, -5.0)]
)
def test_matched_views_and_maps_turn_half_way_to_a_quarter_first(images, degrees, half):
    view, inside = View(matched=True), torch.tensor(inner_disc())
    x, maps = images[:, :1].double(), images[:, 0].double()
    for found, first, second in (
        (view.original(x, degrees)[:, 0], half, -half),
        (view.rotated(x, degrees)[:, 0], half, degrees - half),
        (view.settle(maps, degrees), half, -half),
        (view.align(maps, degrees), -half, half - degrees),
    ):
        expected = rotate(rotate(x, first), second)[:, 0]
        torch.testing.assert_close(found[..., inside], expected[..., inside])


@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize("canvas", CANVASES)
def test_matched_views_are_exact_at_multiples_of_90(images, canvas, turns):
    plain, matched, degrees = View(canvas), View(canvas, matched=True), 90.0 * turns
    assert torch.equal(matched.original(images, degrees), plain.original(images))
    assert torch.equal(matched.rotated(images, degrees), plain.rotated(images, degrees))
    maps = images[:, 0]
    assert torch.equal(matched.align(maps, degrees), plain.align(maps, degrees))
    assert torch.equal(matched.settle(maps, degrees), plain.settle(maps, degrees))


@pytest.mark.parametrize("degrees", [1.0, 7.0, 30.0, 45.0, 133.0])
def test_matched_views_are_equally_blurred(degrees):
    """Variance of white noise: a plain rotation loses more than half of it, x nothing."""
    noise = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    inside = torch.tensor(inner_disc(128))

    def ratio(view):
        views = view.original(noise, degrees), view.rotated(noise, degrees)
        first, second = (picture[..., inside].var().item() for picture in views)
        return second / first

    assert ratio(View()) < 0.75
    assert ratio(View(matched=True)) == pytest.approx(1, abs=0.2)


def test_matched_views_lose_nothing_but_what_plain_ones_lose():
    white, matched = torch.ones(1, 1, 64, 64), View(matched=True)
    inner = slice(2, -2)
    for degrees in (30.0, 45.0, 100.0):
        assert (matched.original(white, degrees)[..., inner, inner] > 0.999).all()
        shown = matched.rotated(white, degrees)[0, 0] > 0.5
        assert (shown == matched.shown(white, degrees)).float().mean() > 0.99


@pytest.mark.parametrize("canvas", ["zero", "disc"])
def test_a_sham_shows_what_no_turn_there_and_back_lost(canvas):
    white, sham = torch.ones(1, 1, 64, 64), View(canvas, sham=True)
    for degrees in (30.0, 45.0, 100.0):
        left = sham.rotated(white, degrees)[0, 0] > 0.5
        assert (left == sham.shown(white, degrees)).float().mean() > 0.98


def test_matched_maps_come_back_equally_blurred():
    maps = torch.rand(1, 128, 128, generator=torch.Generator().manual_seed(0))
    inside = torch.tensor(inner_disc(128))
    for matched, tolerance in ((False, 1.5), (True, 0.2)):
        view = View(matched=matched)
        first, second = (f(maps, 30.0)[:, inside].var() for f in (view.settle, view.align))
        assert abs(torch.log(first / second)) < tolerance
        assert matched or first / second > 2


def test_disc_hides_everything_outside_it(images):
    view, axis = View("disc"), np.arange(SIZE) - (SIZE - 1) / 2
    outside = torch.tensor(np.hypot(*np.meshgrid(axis, axis)) > SIZE / 2)
    for picture in (view.original(images), view.rotated(images, 33.0), view.rotated(images, 90.0)):
        assert (picture[..., outside] == 0).all()
        assert (picture[..., ~outside] != 0).any()


def test_crop_shows_the_central_square_for_pictures_and_masks_alike():
    labels = torch.randint(0, 5, (2, SIZE, SIZE), dtype=torch.uint8)
    side = np.floor(((np.arange(SIZE) + 0.5) / SIZE - 0.5) / math.sqrt(2) * SIZE + SIZE / 2)
    rows = side.astype(int)
    np.testing.assert_array_equal(View("crop").masks(labels), labels.numpy()[:, rows][:, :, rows])
    ramp = torch.linspace(0, 1, SIZE).expand(1, 1, SIZE, SIZE)
    shown = View("crop").original(ramp)
    # half a pixel in from the edges of the square on [0, 1], in units of the ramp
    half = (SIZE - 1) / SIZE / math.sqrt(2) / 2 * SIZE / (SIZE - 1)
    assert shown[0, 0, 5, 0].item() == pytest.approx(0.5 - half, abs=1e-5)
    assert shown[0, 0, 5, -1].item() == pytest.approx(0.5 + half, abs=1e-5)


def test_disc_masks_are_background_outside_and_unchanged_inside():
    labels = torch.randint(1, 5, (2, SIZE, SIZE), dtype=torch.uint8)
    disc = View("disc").valid(labels, 0.0)
    framed = View("disc").masks(labels)
    assert (framed[:, ~disc] == 0).all()
    assert torch.equal(framed[:, disc], labels[:, disc])


def test_bicubic_keeps_what_lies_outside_the_canvas_black():
    """It is held to the range of picture and padding together, not of the picture alone."""
    bright = torch.full((1, 1, SIZE, SIZE), 0.8)
    turned = View("zero", "bicubic").rotated(bright, 45.0)
    assert turned[0, 0, 0, 0] == 0
    assert turned[0, 0, SIZE // 2, SIZE // 2].item() == pytest.approx(0.8, abs=1e-5)


@pytest.mark.parametrize("matched", [False, True])
@pytest.mark.parametrize("degrees", [30.0, 45.0, 200.0])
def test_a_map_of_ones_comes_back_as_ones_up_to_the_edge(degrees, matched):
    ones, view = torch.ones(1, SIZE, SIZE), View(matched=matched)
    torch.testing.assert_close(view.settle(ones, degrees), ones)
    torch.testing.assert_close(view.align(ones, degrees)[0], view.valid(ones, degrees).float())


def test_align_resamples_as_its_view_does(images):
    maps = images[:, 0]
    nearest = View("zero", "nearest").align(maps, 30.0)
    assert set(nearest.unique().tolist()) <= {0.0, *maps.unique().tolist()}
    bilinear, bicubic = (View("zero", kind).align(maps, 30.0) for kind in INTERPOLATIONS[1:])
    assert not torch.equal(bilinear, bicubic)
    assert bicubic.min() >= 0
