"""BraTS: names and labels of all years, slices, and what is wrong with people's volumes."""

import nibabel
import numpy as np
import pytest

from thetascope.datasets.options import list_files, load_items
from thetascope.errors import UserError

SHAPE = (20, 24, 10)


def volume(path, values, axes="LPS"):
    path.parent.mkdir(parents=True, exist_ok=True)
    ways = {"R": (1, 0, 0), "L": (-1, 0, 0), "A": (0, 1, 0), "P": (0, -1, 0), "S": (0, 0, 1)}
    affine = np.eye(4)
    affine[:3, :3] = np.transpose([ways[axis] for axis in axes])
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
    assert slices(brats, slices="largest", foreground="core")[0].id.endswith("z005")
    assert slices(brats, slices=3)[0].id.endswith("z003")
    assert len(slices(brats, slices={"every": 4})) == 2 * 3
    with_tumour = slices(brats, slices={"every": 1}, minimum_foreground=0.01)
    assert len(with_tumour) == 2 * 7
    enhancing = {"foreground": "enhancing", "minimum_foreground": 0.001}
    assert len(slices(brats, slices={"every": 1}, **enhancing)) == 2 * 6


def test_brats_channels_are_in_the_order_of_modalities_each_from_black_to_white(brats):
    case = brats / "BraTS20_Training_001"
    values = np.random.default_rng(3).uniform(100, 200, SHAPE).astype(np.float32)
    volume(case / f"{case.name}_t1ce.nii.gz", values)
    image = slices(brats, modalities=["t1ce", "flair"])[0].image
    np.testing.assert_array_equal(image[::-1], slices(brats, modalities=["flair", "t1ce"])[0].image)
    plane = np.rot90(values[::-1, ::-1, 5])  # from the right and from the front to left and up
    expected = (plane - plane.min()) / np.ptp(plane) * 255
    np.testing.assert_allclose(image[0], expected, atol=0.51)


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


def labelled(folder, name, values, separator="-"):
    """A case whose slice 5 has these labels in voxels of their own, and what brats makes of it."""
    seg = np.zeros(SHAPE, np.uint8)
    for i, value in enumerate(values):
        seg[2 * i + 1, 3, 5] = value
    flair = "t2f" if separator == "-" else "flair"
    volume(folder / name / f"{name}{separator}{flair}.nii.gz", np.random.rand(*SHAPE))
    volume(folder / name / f"{name}{separator}seg.nii.gz", seg)

    def read(**options):
        (item,) = slices(folder, slices=5, **options)
        by_x = item.mask.max(axis=0)[[SHAPE[0] - 2 - 2 * i for i in range(len(values))]]
        return by_x.tolist()

    return read


@pytest.mark.parametrize(
    ("name", "labels", "classes", "whole", "core", "enhancing"),
    [
        ("Brats18_CBICA_AAB_1", [1, 2, 4], [1, 2, 3], [1, 1, 1], [1, 0, 1], [0, 0, 1]),
        ("BraTS2021_00000", [1, 2, 4], [1, 2, 3], [1, 1, 1], [1, 0, 1], [0, 0, 1]),
        ("BraTS-GLI-00000-000", [1, 2, 3], [1, 2, 3], [1, 1, 1], [1, 0, 1], [0, 0, 1]),
        ("BraTS-SSA-00002-000", [1, 2, 3], [1, 2, 3], [1, 1, 1], [1, 0, 1], [0, 0, 1]),
        (
            "BraTS-GLI-00005-100",
            [1, 2, 3, 4],
            [1, 2, 3, 5],
            [1, 1, 1, 0],
            [1, 0, 1, 0],
            [0, 0, 1, 0],
        ),
        (
            "BraTS-MET-00086-000",
            [1, 2, 3, 4],
            [1, 2, 3, 5],
            [1, 1, 1, 0],
            [1, 0, 1, 0],
            [0, 0, 1, 0],
        ),
    ],
)
def test_brats_labels_follow_from_the_names(
    tmp_path, name, labels, classes, whole, core, enhancing
):
    read = labelled(tmp_path, name, labels, "-" if name.startswith("BraTS-") else "_")
    for foreground, wanted in {
        "classes": classes,
        "whole": whole,
        "core": core,
        "enhancing": enhancing,
    }.items():
        assert read(foreground=foreground) == wanted


def test_brats_paediatric_labels_need_a_word_where_the_years_differ(tmp_path):
    read = labelled(tmp_path, "BraTS-PED-00001-000", [1, 2, 3, 4])
    assert read() == [1, 1, 1, 1]
    with pytest.raises(
        UserError, match=r"`label_convention: since_2023`.*`label_convention: ped_2024`"
    ):
        read(foreground="enhancing")
    assert read(foreground="enhancing", label_convention="ped_2024") == [1, 0, 0, 0]
    assert read(foreground="core", label_convention="ped_2024") == [1, 1, 1, 0]
    assert read(foreground="classes", label_convention="ped_2024") == [3, 1, 4, 2]
    assert read(foreground="enhancing", label_convention="since_2023") == [0, 0, 1, 0]
    with pytest.raises(UserError, match="must be one of until_2021, since_2023, ped_2024"):
        read(label_convention="2024")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("BraTS-MEN-00000-000", 4),
        ("head-7", 4),
        ("BraTS-GLI-00000-000", 5),
        ("BraTS20_Training_001", 7),
    ],
)
def test_brats_labels_that_are_unknown_are_refused(tmp_path, name, label):
    read = labelled(tmp_path, name, [1, label], "-" if "-" in name else "_")
    with pytest.raises(UserError, match=rf"{name}[_-]seg.nii.gz: label {label} is none of 1, 2, 3"):
        read()


def test_brats_labels_that_were_numbered_anew_are_suspected(tmp_path, caplog):
    read = labelled(tmp_path, "BraTS20_Training_001", [1, 2, 3], "_")
    read()
    assert "set `label_convention: since_2023`" in caplog.text
    assert read(foreground="enhancing", label_convention="since_2023") == [0, 0, 1]


def test_brats_volumes_of_one_patient_are_one_case(tmp_path):
    for name in (
        "BraTS-GLI-00005-100",
        "BraTS-GLI-00005-101",
        "BraTS-GLI-00006-100",
        "BraTS-PED-00007",
    ):
        labelled(tmp_path, name, [1])
    cases = [item.case for item in slices(tmp_path)]
    assert cases == [*["BraTS-GLI-00005"] * 2, "BraTS-GLI-00006", "BraTS-PED-00007"]
    single = [item.case for item in slices(tmp_path, case_key="(.+)")]
    assert len(set(single)) == 4


@pytest.mark.parametrize("below", ["", "MICCAI_BraTS2020_TrainingData", "a/b", "HGG"])
def test_brats_folders_deeper_flatter_or_with_hidden_files(tmp_path, below):
    names = ["BraTS20_Training_001", "BraTS20_Training_002"]
    for name in names:
        labelled(tmp_path / below, name, [1], "_")
        for kind in ("flair", "seg"):
            (tmp_path / below / name / f"._{name}_{kind}.nii.gz").write_bytes(b"Mac OS X")
    assert [item.case for item in slices(tmp_path)] == names
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in (tmp_path / below).glob("*/*.nii.gz"):
        file.rename(flat / file.name.replace(".nii", ".NII"))
    assert [item.case for item in slices(flat)] == names


def test_brats_two_halves_are_one_set_and_two_sets_are_none(tmp_path):
    for half in ("HGG", "LGG"):
        labelled(tmp_path / "2018" / half, f"Brats18_{half}_1", [1], "_")
    assert len(slices(tmp_path / "2018")) == 2
    labelled(tmp_path / "2020", "BraTS20_Training_001", [1], "_")
    with pytest.raises(UserError, match=r"may mean any of .*2018, .*2020; set it to one"):
        slices(tmp_path)


def test_brats_orientation_does_not_depend_on_the_files_axes(tmp_path):
    values = np.zeros(SHAPE, np.float32)
    values[2, 3] = 1
    for axes, array in {
        "RAS": values,
        "LAS": values[::-1],
        "RPS": values[:, ::-1],
        "LPS": values[::-1, ::-1],
        "ARS": values.swapaxes(0, 1),
        "PLS": values[::-1, ::-1].swapaxes(0, 1),
        "ALS": values[::-1].swapaxes(0, 1),
    }.items():
        name = f"BraTS20_Training_{axes}"
        volume(tmp_path / name / f"{name}_flair.nii", np.ascontiguousarray(array), axes)
        volume(tmp_path / name / f"{name}_seg.nii", np.zeros(array.shape, np.uint8), axes)
    images = [item.image for item in slices(tmp_path)]
    assert len(images) == 7
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


def test_brats_takes_cases_from_a_file_or_a_pattern(brats):
    assert {item.case for item in slices(brats, case_key="(.).*")} == {"B"}
    ids = [item.id.removesuffix("-z005") for item in slices(brats)]
    (brats / "cases.csv").write_text("id,case\n" + "".join(f"{name},one\n" for name in ids))
    assert {item.case for item in slices(brats, cases="cases.csv")} == {"one"}
    assert (
        brats / "cases.csv" in list_files("brats", {"path": str(brats), "cases": "cases.csv"}).files
    )
