"""The pictures that come with the dependencies, and what is refused."""

import hashlib
import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import skimage.color
import skimage.transform
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from thetascope.datasets import arrays
from thetascope.datasets.arrays import resize
from thetascope.datasets.description import datasets_table
from thetascope.datasets.items import Item
from thetascope.datasets.options import check_options, load_items
from thetascope.datasets.splits import Split, assign
from thetascope.errors import UserError

SPLIT = Split(train=0.7, validation=0.1, test=0.2, seed=0)
NAMES = ("mni152", "ihc", "retina")


def prepare(folder, items, size=64):
    paths = [folder / name for name in ("images.npy", "masks.npy", "manifest.csv")]
    arrays.prepare(items, size, SPLIT, *paths, {"rule": "data"})
    return np.load(paths[0]), np.load(paths[1]), pd.read_csv(paths[2], comment="#")


@pytest.fixture(scope="module")
def items():
    return {name: list(load_items(name, {})) for name in NAMES}


@pytest.mark.parametrize(("name", "channels"), [("mni152", 1), ("ihc", 3), ("retina", 3)])
def test_prepared_arrays(items, tmp_path, name, channels):
    images, masks, manifest = prepare(tmp_path, items[name])
    assert images.dtype == masks.dtype == np.uint8
    assert images.shape == (len(manifest), channels, 64, 64)
    assert masks.shape == (len(manifest), 64, 64)
    assert len(manifest) >= 40
    assert manifest["id"].is_unique
    counts = manifest["split"].value_counts()
    assert counts["test"] >= 8
    assert counts["train"] > counts["test"] >= counts["validation"]
    assert manifest.groupby("case")["split"].nunique().max() == 1
    assert set(np.unique(masks)) == {0, 1}
    assert masks.any(axis=(1, 2)).all()
    of_items = [i.tobytes() + m.tobytes() for i, m in zip(images, masks, strict=True)]
    assert manifest["sha256"].tolist() == [hashlib.sha256(b).hexdigest() for b in of_items]
    np.testing.assert_allclose(manifest["foreground"], masks.mean((1, 2)), atol=1e-6)
    record = json.loads((tmp_path / "manifest.csv").read_text().splitlines()[0][2:])
    assert record["rule"] == "data"
    for name, digest in record["arrays"].items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest
    assert record["arrays"].keys() == {"images.npy", "masks.npy"}


@pytest.mark.parametrize("name", ["ihc", "retina"])
def test_tiles_of_different_cases_share_no_pixel(items, name):
    owner = {}
    for item in items[name]:
        top, bottom, left, right = map(int, re.findall(r"\d+", item.source))
        assert item.mask.shape == (bottom - top, right - left)
        for y in range(top, bottom):
            for x in range(left, right):
                assert owner.setdefault((y, x), item.case) == item.case


def test_slices_of_different_cases_are_apart(items):
    place = {int(item.id[1:]): item.case for item in items["mni152"]}
    heights = sorted(place)
    gaps = [b - a for a, b in pairwise(heights) if place[a] != place[b]]
    assert len(gaps) == 15
    assert min(gaps) >= 4  # millimetres


def test_slices_lie_where_the_options_put_them(items):
    options = {"first": 25, "cases": 2, "slices": 2, "spacing": 3, "pitch": 20}
    slices = list(load_items("mni152", options))
    assert [item.id for item in slices] == ["z025", "z028", "z045", "z048"]
    assert [item.case for item in slices] == ["block-00"] * 2 + ["block-01"] * 2
    (usual,) = (item for item in items["mni152"] if item.id == "z045")
    np.testing.assert_array_equal(slices[2].image, usual.image)
    # the cerebellum, lowest in the head, is at the back: below in the picture
    assert np.nonzero(slices[0].mask)[0].mean() > 0.6 * 233


def test_white_matter_is_what_nilearn_gives_more_than_one_half(items):
    from nilearn.datasets import load_mni152_wm_template  # takes seconds

    probability = load_mni152_wm_template(resolution=1).get_fdata()
    for item in items["mni152"][::8]:
        expected = np.rot90(probability[:, :, int(item.id[1:])] > 0.5)
        np.testing.assert_array_equal(item.mask, expected)


def test_white_matter_is_bright_and_inside_the_brain(items):
    for item in items["mni152"]:
        inside = item.image[0] > 0
        assert item.mask[~inside].sum() == 0
        brain = item.image[0][inside & (item.mask == 0)]
        assert item.image[0][item.mask > 0].mean() > brain.mean()


def test_tiles_have_the_sides_and_the_foreground_that_options_say():
    options = {"block": 256, "tile": 100, "minimum_foreground": 0.0}
    every = list(load_items("ihc", options))
    assert len(every) == 16 and len({item.case for item in every}) == 4
    assert {item.image.shape for item in every} == {(3, 100, 100)}
    some = list(load_items("ihc", options | {"minimum_foreground": 0.14}))
    assert [item.id for item in some] == [i.id for i in every if i.mask.mean() >= 0.14]
    assert 0 < len(some) < 16


def test_nuclei_leave_most_of_each_tile_free(items):
    for item in items["ihc"]:
        assert 0.05 <= item.mask.mean() < 0.35


def test_nuclei_hold_more_haematoxylin_and_less_dab_than_what_surrounds_them(items):
    for item in items["ihc"]:
        picture, nuclei = item.image.transpose(1, 2, 0), item.mask > 0
        around = ndimage.binary_dilation(nuclei, iterations=6) & ~nuclei
        haematoxylin, _, dab = np.moveaxis(skimage.color.rgb2hed(picture), 2, 0)
        blue = haematoxylin - dab
        assert blue[nuclei].mean() > blue[around].mean() + 0.01
        assert (picture.min(axis=2)[nuclei] > 200).mean() < 0.05  # not the empty, white parts


def test_nuclei_are_found_in_glands_and_between(items):
    hues = [skimage.color.rgb2hsv(item.image.transpose(1, 2, 0))[..., 0] for item in items["ihc"]]
    brown = np.array([(hue < 0.17).mean() for hue in hues])
    cover = np.array([item.mask.mean() for item in items["ihc"]])
    for tiles in brown > 0.8, brown < 0.4:
        assert np.median(cover[tiles]) > 0.1


def test_vessels_are_darker_than_what_surrounds_them(items):
    darker = [
        item.image[1][item.mask > 0].mean() < item.image[1][item.mask == 0].mean()
        for item in items["retina"]
    ]
    assert np.mean(darker) > 0.9


def test_equal_bytes_when_prepared_again(items, tmp_path):
    for folder in ("a", "b"):
        prepare(tmp_path / folder, load_items("ihc", {}))
    for name in ("images.npy", "masks.npy", "manifest.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_resize_pads_to_a_square_and_keeps_labels():
    wide = np.full((1, 10, 20), 200, dtype=np.uint8)
    image = resize(wide, 40)
    assert image.shape == (1, 40, 40)
    assert image[0, 20, 20] == 200
    assert image[0, 2, 20] == image[0, 37, 20] == 0
    labels = np.random.default_rng(0).choice(np.array([0, 1, 4], dtype=np.uint8), (30, 50))
    assert set(np.unique(resize(labels, 16, labels=True))) <= {0, 1, 4}


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 90), st.integers(1, 90)),
    size=st.integers(1, 64),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_resize_is_that_of_scikit_image(shape, size, seed):
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    missing = max(shape[1:]) - np.array(shape[1:])
    square = np.pad(array, [(0, 0)] + [(m // 2, m - m // 2) for m in missing])
    expected = skimage.transform.resize(
        square, (shape[0], size, size), preserve_range=True, anti_aliasing=True
    )
    # half levels may fall either way
    assert np.abs(resize(array, size) - expected).max() <= 0.5 + 1e-9


def item(name="a", case=None, channels=1, shape=(40, 40), foreground=True):
    mask = np.zeros((40, 40), dtype=np.uint8)
    mask[10:20, 10:20] = foreground
    image = np.full((channels, *shape), 100, dtype=np.uint8)
    return Item(name, case or name, image, mask, f"{name}.png")


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "no items"),
        ([item("a"), item("b"), item("a", case="c")], r"a\.png: the id 'a' stands for two"),
        ([item("a", shape=(40, 41))], r"a\.png: image \(1, 40, 41\) and mask \(40, 40\)"),
        ([item("a"), item("b", channels=3)], r"b\.png: 3 channels where the items before have 1"),
        ([item("a"), item("b")], "2 cases"),
        ([item(n, foreground=False) for n in "abcd"], "has any foreground"),
    ],
)
def test_bad_data_is_refused_by_name(tmp_path, items, said):
    with pytest.raises(UserError, match=said):
        prepare(tmp_path, items)
    assert not list(tmp_path.iterdir())


def test_every_class_counts_once_in_the_share_of_foreground(tmp_path):
    *_, manifest = prepare(tmp_path, [replace(i, mask=3 * i.mask) for i in map(item, "abcd")])
    assert manifest["foreground"].tolist() == [100 / 40**2] * 4


def test_single_items_without_foreground_are_counted(tmp_path, caplog):
    prepare(tmp_path, [item(n, foreground=n not in "be") for n in "abcdefghijklmnopqrst"])
    assert "2 of 20 items have no foreground and will have no Dice, the first: b.png" in caplog.text


def test_a_set_without_masks_has_zeros_and_no_foreground_share(tmp_path, caplog):
    bare = [replace(item(n), mask=None) for n in "abcd"]
    images, masks, manifest = prepare(tmp_path, bare)
    assert images.shape == (4, 1, 64, 64)
    assert masks.shape == (4, 64, 64) and not masks.any()
    assert manifest["foreground"].isna().all()
    assert (manifest["width"] == 40).all()
    assert "foreground" not in caplog.text
    row = datasets_table({"bare": tmp_path / "manifest.csv"}).iloc[0]
    assert row["n_empty"] == 0 and np.isnan(row["foreground_median"])
    (tmp_path / "mixed").mkdir()
    with pytest.raises(UserError, match=r"b\.png: has no mask where other items have one"):
        prepare(tmp_path / "mixed", [item("a"), bare[1], item("c"), item("d")])


def test_cases_are_divided_as_splits_say(tmp_path):
    names = "abcdefghijklmnopqrst"
    *_, manifest = prepare(tmp_path, [item(n, case=f"case {n}") for n in names])
    parts = assign([f"case {n}" for n in names], SPLIT)
    assert manifest["split"].tolist() == [parts[f"case {n}"] for n in names]


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_each_part_needs_foreground_of_its_own(tmp_path, part):
    parts = assign("abcdefghij", SPLIT)
    with pytest.raises(UserError, match=f"none of the [0-9]+ {part} items has any foreground"):
        prepare(tmp_path, [item(n, foreground=parts[n] != part) for n in "abcdefghij"])
    assert not list(tmp_path.iterdir())


def test_options_are_held_against_the_adapter():
    check_options("mine", "ihc", {"tile": 64})
    with pytest.raises(UserError, match=r"datasets\.mine\.size: unknown to the adapter ihc"):
        check_options("mine", "ihc", {"size": 64})


FOLDER = {"path": "p", "images": "a/*", "masks": "b/*"}


@pytest.mark.parametrize(
    ("adapter", "options", "said"),
    [
        ("ihc", {"tile": "64"}, "tile: '64': must be int"),
        ("ihc", {"tile": True}, "tile: True: must be int"),
        ("ihc", {"minimum_foreground": []}, r"minimum_foreground: \[\]: must be float"),
        ("folder", {**FOLDER, "labels": 1}, r"labels: 1: must be list\[int | str | list"),
        ("folder", {**FOLDER, "labels": [0.5]}, r"labels: \[0.5\]: must be list\[int | str"),
        ("folder", {**FOLDER, "path": None}, "path: None: must be str"),
        (
            "folder",
            {**FOLDER, "path": 2023},
            "path: 2023: must be str; for a file of this name write ./2023",
        ),
        ("brats", {"path": "p", "slices": 1.5}, "slices: 1.5: must be str | int | dict"),
        ("brats", {"path": "p", "modalities": "flair"}, "modalities: 'flair': must be list"),
    ],
)
def test_options_of_another_type_are_refused(adapter, options, said):
    with pytest.raises(UserError, match=r"datasets\.mine\." + said.replace("|", r"\|")):
        check_options("mine", adapter, options)


def test_options_of_any_type_that_is_allowed():
    check_options("mine", "ihc", {"minimum_foreground": 0})
    for labels in [1, 2], ["#ff0000"], [[255, 0, 0], [0, 255, 0]], "any", None:
        check_options("mine", "folder", {**FOLDER, "labels": labels, "cases": None})
    check_options("mine", "folder", {**FOLDER, "value_range": [-1000, 0.5]})
    for slices in "middle", 3, {"every": 2}:
        check_options("mine", "brats", {"path": "p", "slices": slices})


@pytest.mark.parametrize(
    ("adapter", "options", "said"),
    [
        ("ihc", {"tile": 160}, r"tile: 160: must be above 0 and at most `block` \(128\)"),
        ("retina", {"tile": 0}, "tile: 0: must be above 0"),
        ("mni152", {"first": 180}, "slices 180 to 287: the template has slices 0 to 188"),
        ("mni152", {"cases": 0}, "choose others"),
    ],
)
def test_options_out_of_bounds_are_refused(adapter, options, said):
    with pytest.raises(UserError, match=said):
        list(load_items(adapter, options))


@pytest.mark.parametrize(("before", "after"), [(1, 7), (2, 1), (63, 64), (300, 7), (1411, 224)])
def test_resampling_is_scikit_images(before, after):
    theirs = skimage.transform.resize(np.eye(before), (after, before), anti_aliasing=True)
    np.testing.assert_allclose(arrays._resampling(before, after).toarray(), theirs, atol=1e-12)


def test_the_matrix_of_a_large_picture_is_small():
    """With zeros it would be of 23 MB, and the way to it through an identity of 1.35 GB."""
    matrix = arrays._resampling(13_000, 224)
    assert matrix.data.nbytes + matrix.indices.nbytes < 2e6
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (700, 1100), (1, 9)])
def test_strips_and_padding_change_nothing(shape):
    """Against padding and scikit-image on the whole, images and labels."""
    image = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    side = max(shape)
    around = [((side - n) // 2, side - n - (side - n) // 2) for n in shape]
    square = np.pad(image, [(0, 0), *around])
    theirs = skimage.transform.resize(
        np.moveaxis(square, 0, 2), (32, 32), anti_aliasing=True, preserve_range=True
    )
    np.testing.assert_allclose(resize(image, 32), np.moveaxis(theirs, 2, 0), atol=0.5001)
    nearest = skimage.transform.resize(
        square[0], (32, 32), order=0, anti_aliasing=False, preserve_range=True
    )
    np.testing.assert_array_equal(resize(image[0], 32, labels=True), nearest)


def place(item):
    """Rows and columns of a tile."""
    top, bottom, left, right = map(int, re.findall(r"\d+", item.source))
    return np.s_[top:bottom, left:right]


def test_tiles_of_the_retina_are_of_the_usual_size_and_hold_a_tenth_of_vessels(items):
    assert {item.mask.shape for item in items["retina"]} == {(144, 144)}
    every = list(load_items("retina", {"minimum_foreground": 0.0}))
    assert [item.id for item in items["retina"]] == [i.id for i in every if i.mask.mean() >= 0.1]
    assert len(items["retina"]) < len(every)
    # 12 % of the field of view, less the specks
    assert 0.09 < np.mean([item.mask.mean() for item in every]) < 0.12


def test_vessels_hold_no_specks(items):
    for item in items["retina"]:
        labels, count = ndimage.label(np.pad(item.mask, 1))
        edge = np.zeros_like(labels, bool)
        edge[[1, -2]] = edge[:, [1, -2]] = True
        inside = set(range(1, count + 1)) - set(labels[edge])
        assert all((labels == label).sum() > 200 for label in inside)


def test_tiles_of_the_retina_keep_away_from_the_rim(items):
    from skimage import data

    dark = data.retina().max(axis=2) < 20
    distance = ndimage.distance_transform_edt(~ndimage.binary_opening(dark, iterations=3))
    assert min(distance[place(item)].min() for item in items["retina"]) > 15


def test_vessels_of_all_widths_are_found(items):
    """The widest that a tile holds, in pixels from their middle to their edge."""
    widest = [ndimage.distance_transform_edt(item.mask).max() for item in items["retina"]]
    assert np.median(widest) > 7
