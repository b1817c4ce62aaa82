"""Generated sets have the symmetry that their names promise."""

import hashlib
from itertools import product

import numpy as np
import pytest
from scipy import ndimage, stats
from skimage.feature import match_template

from thetascope.datasets.adapters.generated import CYCLES, ORIENTATION, PATTERNS
from thetascope.datasets.arrays import prepare
from thetascope.datasets.options import check_options, load_items
from thetascope.datasets.splits import Split
from thetascope.errors import UserError

TEXTURED = [name for name in PATTERNS if name != "disc"]


def load(pattern, **options):
    return list(load_items("generated", {"pattern": pattern, **options}))


def spectrum(item, region):
    """Power of a region's texture, with its frequency (cycles per side) and bearing (radians)."""
    size = len(region)
    distance = ndimage.distance_transform_edt(region)
    window = np.clip(distance / (0.1 * size), 0, 1)  # a hard edge would smear the peaks
    texture = (item.image[0] - item.image[0][region].mean()) * window
    power = abs(np.fft.fft2(texture, (2 * size, 2 * size))) ** 2
    frequency = np.fft.fftfreq(2 * size, 1 / size)
    x, y = frequency[None], -frequency[:, None]
    return power / power.sum(), np.hypot(x, y), np.arctan2(y, x)


def moment(item, region, fold):
    """Mean of exp(i · fold · bearing) over the power: 1 if it repeats, 0 if isotropic."""
    power, _, bearing = spectrum(item, region)
    return (power * np.exp(1j * fold * bearing)).sum()


@pytest.mark.parametrize("pattern", TEXTURED)
def test_both_textures_have_their_symmetry_half_a_period_apart(pattern):
    items = load(pattern)
    allowed = {"gratings2": {2, 4, 6}, "gratings3": {6}, "gratings4": {4}, "isotropic": set()}
    expected = allowed[pattern]
    lowest = min(expected, default=0)  # repeats that often per turn
    for fold, (label, ahead) in product((2, 4, 6), ((1, 0), (0, 180))):
        found = np.array([moment(item, item.mask == label, fold) for item in items])
        if fold in expected:
            assert abs(found).min() > 0.7
            turn = fold * (ORIENTATION + ahead / lowest)
            turned = np.angle(found * np.exp(-1j * np.deg2rad(turn)), deg=True)
            assert abs(turned / fold).max() < 3  # degrees
        else:
            assert abs(found.mean()) < 0.1


def test_spread_turns_both_textures_of_a_picture_together():
    items = load("gratings2", spread=20.0, items=40)
    found = np.array([[moment(i, i.mask == label, 2) for label in (1, 0)] for i in items])
    reference = 2 * np.deg2rad(ORIENTATION + np.array([0, 90]))
    off = np.angle(found * np.exp(-1j * reference), deg=True) / 2
    assert abs(off).max() < 23 and abs(off[:, 0] - off[:, 1]).max() < 6
    # a uniform angle, 20° to either side
    assert off[:, 0].std() == pytest.approx(20 / np.sqrt(3), rel=0.3)
    assert abs(off[:, 0].mean()) < 6


def likeness(item, turn):
    """Best correlation of the foreground, turned about its centre, with itself where it lies."""
    size = len(item.mask)
    centre = np.round(ndimage.center_of_mass(item.mask)).astype(int)
    reach, small = int(0.22 * size / np.sqrt(2)), int(0.11 * size / np.sqrt(2))
    box = [slice(c - reach, c + reach + 1) for c in centre]
    patch = item.image[0][tuple(box)].astype(float)
    turned = ndimage.rotate(patch, turn, reshape=False, mode="nearest")
    core = slice(reach - small, reach + small + 1)
    return match_template(patch, turned[core, core]).max()


@pytest.mark.parametrize(
    ("pattern", "same", "other"),
    [
        ("gratings2", (180, 360), (60, 90)),
        ("gratings3", (60, 120, 180), (30, 90)),
        ("gratings4", (90, 180, 270), (45, 60)),
    ],
)
def test_turning_about_a_crest_leaves_the_pattern(pattern, same, other):
    for item in load(pattern, items=6, size=192):
        assert min(likeness(item, turn) for turn in same) > 0.95
        assert max(likeness(item, turn) for turn in other) < 0.8


@pytest.mark.parametrize("pattern", TEXTURED)
def test_mean_and_contrast_say_nothing(pattern):
    for item in load(pattern, items=20):
        inside, outside = (item.image[0][item.mask == label] for label in (1, 0))
        assert inside.mean() == pytest.approx(outside.mean(), abs=0.2)
        assert inside.std() == pytest.approx(outside.std(), abs=0.2)


def test_bands():
    item_bands = {
        (pattern, label): np.mean(
            [
                (power * frequency).sum()
                for item in load(pattern, items=20)
                for power, frequency, _ in [spectrum(item, item.mask == label)]
            ]
        )
        for pattern in TEXTURED
        for label in (0, 1)
    }
    for (pattern, label), band in item_bands.items():
        coarse = pattern == "isotropic" and label == 1
        assert band == pytest.approx(CYCLES / 2 if coarse else CYCLES, rel=0.15)


@pytest.mark.parametrize("pattern", TEXTURED)
def test_no_rotation_cuts_the_region(pattern):
    for item in load(pattern):
        y, x = np.nonzero(item.mask)
        assert np.hypot(y + 0.5 - 48, x + 0.5 - 48).max() <= 48
        assert 0.14 < item.mask.mean() < 0.26


def test_regions_of_differing_size_lie_anywhere_in_the_inscribed_disc():
    x = y = (np.arange(96) + 0.5) / 96 - 0.5
    masks = np.array([item.mask for item in load("isotropic", items=300)])
    area = masks.sum((1, 2))
    across, up = (masks * x).sum((1, 2)) / area, (masks * -y[:, None]).sum((1, 2)) / area
    radius = np.sqrt(area / np.pi) / 96
    for share in (
        (radius - 0.22) / 0.06,
        (np.hypot(across, up) / (0.5 - radius)) ** 2,  # uniform in area
        np.arctan2(up, across) / (2 * np.pi) + 0.5,
    ):
        assert stats.kstest(share, "uniform").pvalue > 0.001


def test_disc_is_exact_and_the_same_at_quarter_turns():
    for item in load("disc"):
        picture = item.image[0]
        for turns in 1, 2, 3:
            assert (np.rot90(picture, turns) == picture).all()
        ground, disc = np.unique(picture)
        assert ((picture == disc) == (item.mask == 1)).all()
        assert disc > ground
        y, x = np.indices(picture.shape) + 0.5 - 48
        radius = np.hypot(x, y)
        assert radius[item.mask == 1].max() <= radius[item.mask == 0].min()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_seed_decides(pattern):
    def digests(**options):
        return [hashlib.sha256(i.image.tobytes()).digest() for i in load(pattern, **options)]

    first = digests(items=5)
    assert digests(items=8)[:5] == first
    assert len(set(first + digests(items=5, seed=1))) == 10


def test_sets_share_regions():
    for first, *others in zip(*(load(pattern, items=5) for pattern in TEXTURED), strict=True):
        assert all((first.mask == other.mask).all() for other in others)


def test_items_are_cases_and_can_be_prepared(tmp_path):
    check_options("control", "generated", {"pattern": "gratings3"})
    items = load("gratings3", items=12)
    assert len({item.case for item in items}) == 12
    split = Split(train=0.7, validation=0.1, test=0.2, seed=0)
    paths = [tmp_path / name for name in ("images.npy", "masks.npy", "manifest.csv")]
    prepare(items, 64, split, *paths, {})
    assert np.load(paths[0]).shape == (12, 1, 64, 64)
    assert set(np.unique(np.load(paths[1]))) == {0, 1}


def test_unknown_pattern_is_refused():
    with pytest.raises(UserError, match="gratings2, gratings3, gratings4, isotropic, disc"):
        load("stripes")
