"""Sets whose pictures are turned before anything else: `rotate`."""

import numpy as np
import pytest
import torch
from factories import (
    FINE,
    coordinates,
    harmonics,
    noise_images,
)

from thetascope.datasets import arrays
from thetascope.datasets.arrays import turn
from thetascope.datasets.options import check_options, load_items
from thetascope.datasets.splits import Split
from thetascope.errors import UserError
from thetascope.files import read_csv
from thetascope.learning.rotation import View, rotate

SPLIT = Split(train=0.7, validation=0.1, test=0.2, seed=0)


@pytest.mark.parametrize("size", [32, 33])
def test_other_angles_turn_as_a_network_sees_pictures_turned(size):
    images = noise_images(2, 3, size)
    found = turn(images, 30)
    expected = rotate(torch.from_numpy(images).float(), 30.0, padding="reflection").numpy()
    assert np.abs(found - expected).max() <= 0.51
    labels = noise_images(1, 1, size, seed=1)[0, 0] % 3
    turned = rotate(torch.from_numpy(labels)[None, None].float(), 30.0, "nearest", "reflection")
    # between two pixels either is the nearest
    assert (turn(labels, 30, labels=True) == turned.numpy()[0, 0]).mean() > 0.98


def test_a_picture_that_is_no_square_becomes_one_and_loses_nothing():
    picture = np.zeros((1, 20, 40), np.uint8)
    picture[:, 8:12, 33:37] = 200  # beyond the middle square
    found = turn(picture, 45)
    assert found.shape == (1, 40, 40) and turn(picture[0], 45, labels=True).shape == (40, 40)
    x, y = coordinates(40)
    found = found[0] * (np.hypot(x, y) < 20)  # what is mirrored lies beyond
    assert found.sum(dtype=int) == pytest.approx(picture.sum(dtype=int), rel=0.05)
    y, x = np.nonzero(found > 100)
    assert y.mean() < 12 and x.mean() > 28  # right turned counter-clockwise is up


def prepared(folder, adapter, options, size=48):
    paths = [folder / name for name in ("images.npy", "masks.npy", "manifest.csv")]
    folder.mkdir()
    items = load_items(adapter, options)
    arrays.prepare(items, size, SPLIT, *paths, {}, options.get("rotate", 0))
    return [arrays.read_array(path) for path in paths[:2]]


@pytest.mark.parametrize("degrees", [90, 180.0, 270])
def test_by_quarters_a_set_is_turned_exactly_and_its_split_stays(tmp_path, degrees):
    plain = prepared(tmp_path / "plain", "ihc", {})
    turned = prepared(tmp_path / "turned", "ihc", {"rotate": degrees})
    for array, expected in zip(turned, plain, strict=True):
        assert (array == np.rot90(expected, int(degrees // 90), axes=(-2, -1))).all()
    splits = [read_csv(tmp_path / name / "manifest.csv")["split"] for name in ("plain", "turned")]
    assert splits[0].equals(splits[1])


def test_quarters_and_the_rest_add_up(tmp_path):
    both = prepared(tmp_path / "both", "ihc", {"rotate": 120})
    rest = prepared(tmp_path / "rest", "ihc", {"rotate": 30})
    for array, expected in zip(both, rest, strict=True):
        assert (array == np.rot90(expected, axes=(-2, -1))).all()


def test_it_is_an_option_of_every_set_and_no_adapter_gets_it():
    check_options("mine", "ihc", {"rotate": 30, "tile": 64})
    with pytest.raises(UserError, match=r"datasets\.mine\.rotated: unknown"):
        check_options("mine", "ihc", {"rotated": 30})


def test_what_pictures_show_moves_along_the_curve_and_what_the_canvas_does_stays(tmp_path):
    """Direction of the gratings in R_θ x; pixels that R_θ x shows; by 30° of 180 and of 90."""
    view, found = View("disc"), {}
    for rotated in (0, 30):
        images, masks = prepared(
            tmp_path / str(rotated), "generated", {"pattern": "gratings2", "rotate": rotated}
        )
        x = torch.from_numpy(images[:12] / 255.0)
        shown = [View().valid(x, theta).numpy() for theta in FINE]
        found[rotated] = np.stack(
            [
                [upright(view.rotated(x, theta)) for theta in FINE],
                [(masks[:12] > 0)[:, valid].sum() / valid.sum() for valid in shown],
            ]
        ).T
    periods = [360, 180, 120, 90]
    theta = FINE[:, None]
    plain, turned = (harmonics(theta, found[rotated][:, None], periods)[:2] for rotated in (0, 30))
    direction, canvas = (periods.index(180), 0), (periods.index(90), 1)
    assert min(plain[0][direction], turned[0][direction]) > 0.1
    moved = (turned[1][direction] - plain[1][direction] + 90) % 180 - 90
    assert moved == pytest.approx(-30, abs=4)
    assert min(plain[0][canvas], turned[0][canvas]) > 1e-3
    stayed = (turned[1][canvas] - plain[1][canvas] + 45) % 90 - 45
    assert stayed == pytest.approx(0, abs=1)


def upright(x):
    """Share of the gradients' energy that lies across upright edges, within the disc."""
    across, down = torch.gradient(x, dim=(3, 2))
    axis = torch.linspace(-1, 1, x.shape[-1])
    inner = axis[None] ** 2 + axis[:, None] ** 2 < 0.8
    across, down = ((g[..., inner] ** 2).sum() for g in (across, down))
    return float(across / (across + down))
