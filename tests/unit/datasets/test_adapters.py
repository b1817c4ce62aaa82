"""Adapters of files on disk: layouts, labels, and what is wrong with people's data."""

import os

import numpy as np
import pytest
from PIL import Image

from thetascope.datasets.options import has_masks, list_files, load_items
from thetascope.errors import UserError


def picture(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(path, **options)


def disc(height=40, width=60):
    y, x = np.mgrid[:height, :width]
    return ((y - 20) ** 2 + (x - 30) ** 2 < 150).astype(np.uint8)


@pytest.fixture
def pairs(tmp_path):
    """Three pairs in a plain layout."""
    for name in ("2", "10", "1"):
        colour = np.random.default_rng(int(name)).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        picture(tmp_path / "images" / f"{name}.png", colour)
        picture(tmp_path / "masks" / f"{name}.png", disc() * 255)
    return tmp_path


def load(folder, **options):
    options = {"path": str(folder), "images": "images/*", "masks": "masks/*", **options}
    return list(load_items("folder", options))


def refused(folder, **options):
    with pytest.raises(UserError) as error:
        load(folder, **options)
    return str(error.value)


def test_pairs_come_in_natural_order(pairs):
    items = load(pairs)
    assert [item.id for item in items] == ["1", "2", "10"]
    assert len({item.case for item in items}) == 3
    assert items[0].image.shape == (3, 40, 60)
    np.testing.assert_array_equal(items[0].mask, disc())
    assert items[0].source == "images/1.png"
    grey = load(pairs, colour="grey")[0]
    assert grey.image.shape == (1, 40, 60)


def test_jpeg_noise_in_masks_is_cut_at_half(pairs):
    for path in (pairs / "masks").iterdir():
        picture(path.with_suffix(".jpg"), disc() * 255, quality=40)
        path.unlink()
    mask = load(pairs)[0].mask
    assert set(np.unique(mask)) == {0, 1}
    assert (mask != disc()).mean() < 0.02


def test_labels_name_the_classes(pairs):
    for path in (pairs / "masks").iterdir():
        picture(path, np.where(disc(), 4, 2).astype(np.uint8))
    assert set(np.unique(load(pairs, labels=[4, 2])[0].mask)) == {1, 2}
    np.testing.assert_array_equal(load(pairs, labels=[4])[0].mask, disc())


def test_neighbours_are_of_one_name(tmp_path):
    for name in ("ann2", "ann10", "bob1", "bob2"):
        for kind in ("images", "masks"):
            picture(tmp_path / kind / f"{name}.png", disc() * 255)
    items = load(tmp_path, case_size=2)
    assert [item.id for item in items] == ["ann2", "ann10", "bob1", "bob2"]
    assert [item.case for item in items] == ["case-00000"] * 2 + ["case-00001"] * 2


def test_names_that_look_like_pictures_of_one_case_are_asked_about(tmp_path, caplog):
    names = [f"ann{patient}-{n}" for patient in range(5) for n in (1, 2)]
    for name in names:
        for kind in ("images", "masks"):
            picture(tmp_path / kind / f"{name}.png", disc() * 255)
    (tmp_path / "cases.csv").write_text("id,case\n" + "".join(f"{i},{i}\n" for i in names))
    for said in {"case_key": r"(.+)-\d"}, {"case_size": 2}, {"cases": "cases.csv"}:
        load(tmp_path, **said)
    assert not caplog.text
    load(tmp_path)
    assert "10 names make 5 groups, such as 'ann0-1' and 'ann0-2'" in caplog.text


def test_options_that_are_wrong_are_named(pairs):
    assert "case_size: 0: must be at least 1" in refused(pairs, case_size=0)
    assert "mask_key: '(.+': is no regular expression" in refused(pairs, mask_key="(.+")
    assert "image_key: '.+': must have a group" in refused(pairs, image_key=".+")


def test_16_bit_labels_stay_as_they_are(pairs):
    for path in (pairs / "masks").iterdir():
        picture(path, disc().astype(np.uint16) * 300)
    np.testing.assert_array_equal(load(pairs, labels=[300])[0].mask, disc())


def test_the_order_of_names_that_count_alike_is_always_the_same(tmp_path):
    names = ["a1", "a01", "a001", "a2"]
    for name in names:
        for kind in ("images", "masks"):
            picture(tmp_path / kind / f"{name}.png", disc() * 255)
    assert [item.id for item in load(tmp_path)] == ["a001", "a01", "a1", "a2"]


def test_names_are_matched_by_their_keys(tmp_path):
    picture(tmp_path / "a" / "scan-7-x.png", np.zeros((40, 60), np.uint8))
    picture(tmp_path / "b" / "truth_7.png", disc() * 255)
    keys = {"image_key": r"scan-(\d+)-x", "mask_key": r"truth_(\d+)"}
    (item,) = load(tmp_path, images="a/*", masks="b/*", **keys)
    assert item.id == "7"


def test_cases_from_a_file_or_from_neighbours(pairs):
    assert len({item.case for item in load(pairs, case_size=2)}) == 2
    (pairs / "cases.csv").write_text("id,case\n1,anna\n2,anna\n10,ben\n")
    cases = [item.case for item in load(pairs, cases=str(pairs / "cases.csv"))]
    assert cases == ["anna", "anna", "ben"]
    (pairs / "cases.csv").write_text("id,case\n1,anna\n")
    assert "no case for 2 items" in refused(pairs, cases=str(pairs / "cases.csv"))
    (pairs / "cases.csv").write_text("id,case\n1,anna\n2,\n10,NA\n")
    assert "no case for 1 items, first '2'" in refused(pairs, cases=str(pairs / "cases.csv"))


def test_16_bit_and_transparent_pictures(pairs):
    ramp = np.linspace(0, 65535, 40 * 60).reshape(40, 60).astype(np.uint16)
    picture(pairs / "images" / "1.png", ramp)
    deep = load(pairs)[0].image
    assert deep.min() == 0
    assert deep.max() == 255
    assert abs(int(deep[0, 20, 0]) - 127) <= 1
    rgba = np.full((40, 60, 4), 90, dtype=np.uint8)
    picture(pairs / "images" / "1.png", rgba)
    assert load(pairs)[0].image.shape == (3, 40, 60)


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_files_that_cannot_be_used_are_named_or_skipped(pairs, kind, caplog):
    broken = pairs / kind / "2.png"
    damages = {
        "cannot be read as an image": lambda: broken.write_bytes(broken.read_bytes()[:60]),
        "pixels for an image of": lambda: picture(broken, np.zeros((30, 30), np.uint8)),
        "of the key '2'": broken.unlink,
    }
    for said, damage in damages.items():
        damage()
        message = refused(pairs)
        assert said in message
        assert "2.png" in message
        assert [item.id for item in load(pairs, on_error="skip")] == ["1", "10"]
        assert "skipped 1 of 3 pairs" in caplog.text


def test_two_files_of_one_key(pairs):
    picture(pairs / "images" / "2.bmp", np.zeros((40, 60), np.uint8))
    assert "share the key '2'" in refused(pairs)


def test_masks_in_several_files_are_united_or_classes(pairs):
    half = disc()
    half[:, 30:] = 0
    for name in ("1", "2", "10"):
        picture(pairs / "masks" / "left" / f"{name}.png", half * 255)
        picture(pairs / "masks" / "right" / f"{name}.png", (disc() - half) * 255)
    (pairs / "masks/right/10.png").unlink()
    assert "set `several_masks: unite` or `several_masks: classes`" in refused(
        pairs, masks="masks/*/*"
    )
    whole, _, left = load(pairs, masks="masks/*/*", several_masks="unite")
    np.testing.assert_array_equal(whole.mask, disc())
    np.testing.assert_array_equal(left.mask, half)
    whole = load(pairs, masks="masks/*/*", several_masks="classes")[0]
    np.testing.assert_array_equal(whole.mask, 2 * disc() - half)
    assert "several_masks: 'both': must be one of unite, classes" in refused(
        pairs, several_masks="both"
    )
    picture(pairs / "masks/right/1.png", np.zeros((40, 61), np.uint8))
    assert "right/1.png: mask of (40, 61) pixels" in refused(
        pairs, masks="masks/*/*", several_masks="unite"
    )


def test_where_masks_overlap_the_last_counts_and_united_ones_keep_their_labels(pairs):
    half = disc()
    half[:, 30:] = 0
    for name in ("1", "2", "10"):
        picture(pairs / "masks" / "a" / f"{name}.png", disc() * 4)
        picture(pairs / "masks" / "b" / f"{name}.png", half * 2)
    for how in ("classes", "unite"):
        item = load(pairs, masks="masks/*/*", several_masks=how, labels=[4, 2])[0]
        np.testing.assert_array_equal(item.mask, disc() + half)


def test_files_that_are_no_data_do_not_matter(pairs, caplog):
    for name in (
        "images/._1.png",
        "images/.DS_Store",
        "masks/Thumbs.db",
        "__MACOSX/images/._1.png",
    ):
        (pairs / name).parent.mkdir(parents=True, exist_ok=True)
        (pairs / name).write_bytes(b"\0\5\x16\7")
    (pairs / "images/2.png").rename(pairs / "images/2.PNG")
    assert [item.id for item in load(pairs, images="images/*.png")] == ["1", "2", "10"]
    assert [item.id for item in load(pairs, on_error="skip")] == ["1", "2", "10"]
    assert "skipped" not in caplog.text


def test_names_that_are_not_utf8_are_refused_or_skipped(pairs, caplog):
    for kind in ("images", "masks"):
        (pairs / kind / "2.png").rename(pairs / kind / os.fsdecode(b"p\xe4tient.png"))
    message = refused(pairs)
    assert "p\\xe4tient.png: its name is not in UTF-8" in message
    message.encode()
    items = load(pairs, on_error="skip")
    assert [item.id for item in items] == ["1", "10"]
    caplog.text.encode()
    assert "skipped 1 of 3 pairs" in caplog.text


def test_a_set_one_folder_deeper_and_patterns_from_elsewhere(pairs, tmp_path):
    inner = tmp_path / "outer" / "Set"
    inner.mkdir(parents=True)
    for kind in ("images", "masks"):
        (tmp_path / kind).rename(inner / kind)
    (tmp_path / "outer/cases.csv").write_text("id,case\n1,a\n2,a\n10,b\n")
    items = load(tmp_path / "outer", cases="cases.csv")
    assert [item.source for item in items] == ["images/1.png", "images/2.png", "images/10.png"]
    assert [item.case for item in items] == ["a", "a", "b"]
    masks = f"{inner}/masks/*"
    assert len(load(inner / "images", images="*.png", masks=masks)) == 3
    assert "holds 1.png, 10.png, 2.png" in refused(inner / "images")


def test_every_picture_is_a_case_unless_options_say_otherwise(pairs):
    for adapter, options in (
        ("folder", {"images": "images/*", "masks": "masks/*"}),
        ("lung_mask", {}),
    ):
        options["path"] = str(pairs)
        assert len({item.case for item in load_items(adapter, options)}) == 3
        items = list(load_items(adapter, {**options, "case_key": "(.).*"}))
        assert [item.case for item in items] == ["1", "2", "1"]


def test_names_are_looked_at_before_anything_is_read(pairs):
    for path in (pairs / "images").iterdir():
        path.write_bytes(b"no picture")
    options = {"path": str(pairs), "images": "images/*", "masks": "masks/*"}
    listed = list_files("folder", options)
    assert len(listed.files) == 6
    (pairs / "masks/2.png").unlink()
    with pytest.raises(UserError, match=r"has no mask of the key '2'; .*`mask_key`.*; fix it"):
        list_files("folder", options)
    assert len(list_files("folder", {**options, "on_error": "skip"}).files) == 4
    (pairs / "masks/1.png").unlink()
    with pytest.raises(
        UserError, match=r"has no mask of the key '1'; .* \(1 more have problems too\)"
    ):
        list_files("folder", options)
    assert list_files("ihc", {}) is None


def test_folders_and_options_that_are_wrong(pairs, tmp_path):
    assert "no such folder" in refused(tmp_path / "nowhere")
    assert "no file of this pattern" in refused(pairs, images="pictures/*")
    assert "colour: 'red': must be one of grey, rgb" in refused(pairs, colour="red")
    assert "on_error: 'shrug'" in refused(pairs, on_error="shrug")


def test_kvasir_layout(tmp_path):
    picture(tmp_path / "images" / "cju0.jpg", np.full((50, 70, 3), 128, np.uint8))
    mask = np.zeros((50, 70, 3), np.uint8)
    mask[10:30, 20:50] = 255
    picture(tmp_path / "masks" / "cju0.jpg", mask)
    (item,) = load_items("kvasir_seg", {"path": str(tmp_path)})
    assert item.image.shape == (3, 50, 70)
    assert item.mask[15:25, 25:45].all()
    for name in ("cju1", "cju2"):
        picture(tmp_path / "images" / f"{name}.jpg", np.full((50, 70, 3), 128, np.uint8))
        picture(tmp_path / "masks" / f"{name}.jpg", mask)
    (tmp_path / "images" / "cju2.jpg").write_bytes(b"no picture")
    (tmp_path / "cases.csv").write_text("id,case\ncju0,a\ncju1,b\ncju2,b\n")
    for options, cases in (
        ({"cases": "cases.csv"}, ["a", "b"]),
        ({"case_key": "cj(u).*"}, ["u"] * 2),
    ):
        options |= {"path": str(tmp_path), "on_error": "skip"}
        assert [item.case for item in load_items("kvasir_seg", options)] == cases


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("image/cxrimage_4.png", "mask/cxrmask_4.jpeg"),
        ("images/CHN_4.png", "masks/CHN_4_mask.png"),
        ("images/JP4.png", "masks/JP4.png"),
    ],
)
def test_lung_mask_layouts(tmp_path, image, mask):
    picture(tmp_path / image, np.full((40, 60), 90, np.uint8))
    picture(tmp_path / mask, disc() * 255)
    (item,) = load_items("lung_mask", {"path": str(tmp_path)})
    assert item.image.shape == (1, 40, 60)
    assert (item.mask != disc()).mean() < 0.02
    picture(tmp_path / image.replace("4", "5"), np.full((40, 60), 90, np.uint8))
    skipping = load_items("lung_mask", {"path": str(tmp_path), "on_error": "skip"})
    assert [item.id for item in skipping] == [item.id]


def test_images_without_masks(pairs):
    alone = load(pairs, masks=None)
    assert [item.id for item in alone] == ["1", "2", "10"]
    for item, other in zip(alone, load(pairs), strict=True):
        assert item.mask is None
        np.testing.assert_array_equal(item.image, other.image)
        assert (item.case, item.source) == (other.case, other.source)
    assert not has_masks("folder", {"path": "x", "images": "*", "masks": None})
    assert has_masks("folder", {"path": "x", "images": "*", "masks": "*"})
    assert has_masks("ihc", {})
    assert (
        len(list_files("folder", {"path": str(pairs), "images": "images/*", "masks": None}).files)
        == 3
    )
    for option in {"labels": [1]}, {"several_masks": "unite"}:
        assert "masks: null: `labels` and `several_masks` tell of masks" in refused(
            pairs, masks=None, **option
        )
    (pairs / "images/2.png").write_bytes(b"no picture")
    assert "2.png" in refused(pairs, masks=None)
    assert [item.id for item in load(pairs, masks=None, on_error="skip")] == ["1", "10"]
