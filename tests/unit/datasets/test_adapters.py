"""Adapters of files on disk: layouts, labels, and what is wrong with people's data."""

import nibabel
import numpy as np
import pytest
from PIL import Image

from thetascope.datasets.options import load_items
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


# -- BraTS -----------------------------------------------------------------------------------------

SHAPE = (20, 24, 10)


def volume(path, values, axes="LPS"):
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-1.0 if axes[0] == "L" else 1, -1.0 if axes[1] == "P" else 1, 1, 1])
    nibabel.Nifti1Image(values, affine).to_filename(path)


def labels():
    values = np.zeros(SHAPE, np.uint8)
    values[4:8, 5:9, 2:9] = 2
    values[5, 6, 2:9], values[6, 6, 2:9], values[6, 7, 5] = 1, 4, 3
    values[4:12, 5:15, 7] = 2  # the slice with the most
    return values


@pytest.fixture
def brats(tmp_path):
    for case in ("BraTS20_Training_001", "BraTS20_Training_002"):
        rng = np.random.default_rng(len(case))
        for kind in ("flair", "t1ce"):
            values = rng.normal(0, 2, SHAPE).astype(np.float32)
            volume(tmp_path / case / f"{case}_{kind}.nii.gz", values)
        volume(tmp_path / case / f"{case}_seg.nii.gz", labels())
    return tmp_path


def slices(folder, **options):
    return list(load_items("brats", {"path": str(folder), **options}))


def test_brats_slices_and_channels(brats):
    items = slices(brats, modalities=["flair", "t1ce"])
    assert [item.id for item in items] == [f"BraTS20_Training_00{i}-z005" for i in (1, 2)]
    assert items[0].image.shape == (2, 24, 20)
    assert items[0].image.min() == 0
    assert items[0].image.max() == 255
    assert {item.case for item in items} == {"BraTS20_Training_001", "BraTS20_Training_002"}
    assert slices(brats, slices="largest")[0].id.endswith("z007")
    assert slices(brats, slices=3)[0].id.endswith("z003")
    assert len(slices(brats, slices={"every": 4})) == 2 * 3
    with_tumour = slices(brats, slices={"every": 1}, minimum_foreground=0.01)
    assert len(with_tumour) == 2 * 7


def test_brats_labels_of_all_years(brats, tmp_path):
    def count(**options):
        mask = slices(brats, slices=5, **options)[0].mask
        return {int(v): int((mask == v).sum()) for v in np.unique(mask) if v}

    # of slice 5: 16 voxels, one of them necrosis (1), one enhancing (4), one the old label 3
    assert count() == {1: 16}
    assert count(foreground="classes") == {1: 2, 2: 13, 3: 1}
    assert count(foreground="core") == {1: 3}
    assert count(foreground="enhancing") == {1: 1}
    case = tmp_path / "new" / "BraTS-GLI-00001-000"
    volume(case / f"{case.name}-t2f.nii.gz", np.random.rand(*SHAPE).astype(np.float32))
    recent = labels()
    recent[recent == 3], recent[recent == 4] = 2, 3  # since 2023, 3 is enhancing tumour
    volume(case / f"{case.name}-seg.nii.gz", recent)
    (item,) = slices(tmp_path / "new", slices=5, foreground="enhancing")
    assert item.mask.sum() == 1
    assert item.image.shape == (1, 24, 20)


def test_brats_orientation_does_not_depend_on_the_files_axes(tmp_path):
    values = np.zeros(SHAPE, np.float32)
    values[2, 3] = 1
    for axes, array in {
        "RAS": values,
        "LAS": values[::-1],
        "RPS": values[:, ::-1],
        "LPS": values[::-1, ::-1],
    }.items():
        name = f"BraTS20_Training_{axes}"
        volume(tmp_path / name / f"{name}_flair.nii", np.ascontiguousarray(array), axes)
        volume(tmp_path / name / f"{name}_seg.nii", np.zeros(SHAPE, np.uint8), axes)
    images = [item.image for item in slices(tmp_path)]
    assert len(images) == 4
    for image in images:
        # x = 2 from the left, y = 3 from the bottom: anterior is up
        assert np.argwhere(image[0] == 255).tolist() == [[24 - 1 - 3, 2]]


def test_brats_faults_are_named_or_skipped(brats, caplog):
    case = brats / "BraTS20_Training_001"
    flair, seg = (case / f"{case.name}_{kind}.nii.gz" for kind in ("flair", "seg"))
    nan = np.zeros(SHAPE, np.float32)
    nan[3, 3, 5] = np.nan
    damages = {
        "values that are not finite": lambda: volume(flair, nan),
        "but labels": lambda: volume(flair, np.zeros((20, 24, 9), np.float32)),
        "no volume of axial slices": lambda: volume(flair, np.zeros((20, 24, 9, 2), np.float32)),
        "cannot be read as NIfTI": lambda: flair.write_bytes(b"nothing of the kind"),
        "has no flair volume": flair.unlink,
        "has no labels": lambda: seg.rename(case / f"{case.name}_Segm.nii.gz"),
    }
    for said, damage in damages.items():
        damage()
        with pytest.raises(UserError, match=said) as error:
            slices(brats)
        assert case.name in str(error.value)
        assert len(slices(brats, on_error="skip")) == 1
        assert "skipped 1 of 2 cases" in caplog.text
    volume(flair, np.random.rand(*SHAPE).astype(np.float32))
    (case / f"{case.name}_Segm.nii.gz").rename(seg)
    seg.write_bytes(seg.read_bytes()[:90])
    with pytest.raises(UserError, match=r"damaged|cannot be read"):
        slices(brats)


def test_folders_without_volumes_are_no_cases(brats):
    (brats / "__MACOSX").mkdir()
    (brats / "__MACOSX" / "notes.txt").write_text("nothing")
    assert len(slices(brats)) == 2


def test_a_volume_of_one_slice(tmp_path):
    case = tmp_path / "BraTS20_Training_001"
    volume(case / f"{case.name}_flair.nii.gz", np.random.rand(20, 24, 1).astype(np.float32))
    volume(case / f"{case.name}_seg.nii.gz", labels()[:, :, 5:6])
    (item,) = slices(tmp_path)
    assert item.id.endswith("z000")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"modalities": ["pet"]}, "modalities: 'pet': must be one of flair, t1, t1ce, t2"),
        ({"slices": "top"}, "slices: 'top'"),
        ({"slices": 10}, "has slices 0 to 9"),
        ({"foreground": "brain"}, "foreground: 'brain'"),
    ],
)
def test_brats_options_that_are_wrong(brats, options, said):
    with pytest.raises(UserError, match=said):
        slices(brats, **options)


def test_brats_without_data_says_where_to_get_it(tmp_path):
    with pytest.raises(UserError, match="needs registration"):
        slices(tmp_path)
