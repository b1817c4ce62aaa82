"""Every block of docs/collections.md reads a tree of files with the names of that collection."""

import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml
from PIL import Image

from thetascope.datasets.options import check_options, load_items

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(
    r"^```yaml\n(.*?)^```$", (ROOT / "docs/collections.md").read_text("utf-8"), re.M | re.S
)
SETS = {
    name: options for block in BLOCKS for name, options in yaml.safe_load(block)["datasets"].items()
}


def pairs(image, mask, keys=("1", "2", "10")):
    """Files of images and masks, and the keys that they have to get."""
    return [path.format(key) for key in keys for path in (image, mask)], list(keys)


def volumes(case, separator, modality, suffix, names, folder="{0}/"):
    files = [
        f"{folder.format(name)}{name}{separator}{kind}{suffix}"
        for name in names
        for kind in (modality, "seg", "t1c", "t2w")
    ]
    return files, names


# collection → files, ids, cases (None: each its own)
TREES = {
    "kvasir": (*pairs("images/{}.jpg", "masks/{}.jpg", ("cju0", "cju1")), None),
    "hyper_kvasir": (
        *pairs("images/{}.jpg", "masks/{}.jpg", ("cju0", "cju1")),
        None,
    ),
    "cvc_clinicdb": (*pairs("Original/{}.tif", "Ground Truth/{}.tif"), ["case-00000"] * 3),
    "cvc_kaggle": (*pairs("Original/{}.png", "Ground Truth/{}.png"), ["case-00000"] * 3),
    "lung_mask": (*pairs("image/cxrimage_{}.png", "mask/cxrmask_{}.jpeg"), None),
    "chest_xray": (
        [
            *("CXR_png/CHNCXR_0001_0.png", "masks/CHNCXR_0001_0_mask.png"),
            *("CXR_png/MCUCXR_0001_0.png", "masks/MCUCXR_0001_0.png"),
            *("CXR_png/CHNCXR_0025_0.png", "test/CHNCXR_0002_0.png"),
        ],
        ["CHNCXR_0001_0", "MCUCXR_0001_0"],
        None,
    ),
    "montgomery": (
        [
            "CXR_png/MCUCXR_0001_0.png",
            "CXR_png/Thumbs.db",
            "ManualMask/leftMask/MCUCXR_0001_0.png",
            "ManualMask/leftMask/Thumbs.db",
            "ManualMask/rightMask/MCUCXR_0001_0.png",
        ],
        ["MCUCXR_0001_0"],
        None,
    ),
    "shenzhen": (
        [
            *("CXR_png/CHNCXR_0001_0.png", "CXR_png/CHNCXR_0025_0.png", "CXR_png/Thumbs.db"),
            "mask/CHNCXR_0001_0_mask.png",
        ],
        ["CHNCXR_0001_0"],
        None,
    ),
    "brats_2018": (
        *volumes(
            "", "_", "flair", ".nii.gz", ["Brats18_2013_2_1", "Brats18_TCIA01_1_1"], "HGG/{0}/"
        ),
        None,
    ),
    "brats_2020": (
        *volumes("", "_", "flair", ".nii", ["BraTS20_Training_001", "BraTS20_Training_002"]),
        None,
    ),
    "brats_2021": (*volumes("", "_", "flair", ".nii.gz", ["BraTS2021_00000"]), None),
    "brats_2023": (
        *volumes("", "-", "t2f", ".nii.gz", ["BraTS-GLI-00000-000"]),
        ["BraTS-GLI-00000"],
    ),
    "brats_2024": (
        *volumes("", "-", "t2f", ".nii.gz", ["BraTS-GLI-00005-100", "BraTS-GLI-00005-101"]),
        ["BraTS-GLI-00005"] * 2,
    ),
    "brats_ped_2024": (
        *volumes("", "-", "t2f", ".nii.gz", ["BraTS-PED-00001-000"]),
        ["BraTS-PED-00001"],
    ),
    "isic_2016": (
        *pairs(
            "ISBI2016_ISIC_Part1_Training_Data/{}.jpg",
            "ISBI2016_ISIC_Part1_Training_GroundTruth/{}_Segmentation.png",
            ("ISIC_0000000", "ISIC_0000001"),
        ),
        None,
    ),
    "isic_2018": (
        *pairs(
            "ISIC2018_Task1-2_Training_Input/{}.jpg",
            "ISIC2018_Task1_Training_GroundTruth/{}_segmentation.png",
            ("ISIC_0000000", "ISIC_0000001"),
        ),
        None,
    ),
    "ph2": (
        *pairs(
            "PH2 Dataset images/{0}/{0}_Dermoscopic_Image/{0}.bmp",
            "PH2 Dataset images/{0}/{0}_lesion/{0}_lesion.bmp",
            ("IMD002", "IMD003"),
        ),
        None,
    ),
    "drive": (
        *pairs(
            "training/images/{}_training.tif", "training/1st_manual/{}_manual1.gif", ("21", "22")
        ),
        None,
    ),
    "chase": (
        [
            *("Image_01L.jpg", "Image_01L_1stHO.png", "Image_01L_2ndHO.png"),
            *("Image_01R.jpg", "Image_01R_1stHO.png", "Image_01R_2ndHO.png"),
        ],
        ["Image_01L", "Image_01R"],
        ["Image_01", "Image_01"],
    ),
    "busi": (
        [
            *(
                "benign/benign (1).png",
                "benign/benign (1)_mask.png",
                "benign/benign (1)_mask_1.png",
            ),
            *("malignant/malignant (2).png", "malignant/malignant (2)_mask.png"),
        ],
        ["benign (1)", "malignant (2)"],
        None,
    ),
    "nuclei": (["a0/images/a0.png", "a0/masks/1f.png", "a0/masks/2e.png"], ["a0"], None),
}
# other files that lie beside them
BESIDE = {
    "isic_2018": ["ISIC2018_Task1-2_Training_Input/ATTRIBUTION.txt"],
    "hyper_kvasir": ["bounding-boxes.json"],
    "cvc_kaggle": ["../metadata.csv", "../TIF/Original/1.tif", "../TIF/Ground Truth/1.tif"],
    "brats_2018": ["survival_data.csv"],
    "brats_2020": ["name_mapping.csv"],
}


def write(path):
    """A made-up picture or mask of this name; each mask file holds a square of its own place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".db", ".txt", ".csv", ".json"):
        path.write_bytes(b"no picture")
        return
    shape = (16, 16, 4) if ".nii" in path.name else (24, 24)
    truth = re.search("mask|truth|manual|lesion|seg|HO|Ground", "/".join(path.parts[-3:]), re.I)
    pixels = np.zeros(shape, np.uint8)
    if truth and "images" not in path.parts[-2] and "Image" not in path.parts[-2]:
        row = 4 if "left" in str(path) or "_1." in path.name or "2e" in path.name else 12
        pixels[row : row + 4, 4:8] = 1 if ".nii" in path.name else 255
    else:
        pixels[:] = np.arange(shape[0], dtype=np.uint8).reshape(-1, *[1] * (len(shape) - 1)) * 9
    if ".nii" in path.name:
        nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), path)
    else:
        Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("name", SETS)
def test_as_it_is_published(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    files, ids, cases = TREES[name]
    options = dict(SETS[name])
    top = Path(options["path"]).expanduser()
    for file in (*files, *BESIDE.get(name, ())):
        write(top / file)
    adapter = options.pop("adapter")
    check_options(name, adapter, options)
    items = list(load_items(adapter, options))
    assert [re.sub(r"-z\d+$", "", item.id) for item in items] == ids
    if cases is None:
        assert len({item.case for item in items}) == len(ids)
    else:
        assert [item.case for item in items] == cases
    assert all(item.mask.any() and not item.mask.all() for item in items)
    if options.get("several_masks") == "unite":
        assert max((item.mask > 0).sum() for item in items) == 32  # two squares


def test_every_collection_has_a_tree():
    assert set(TREES) == set(SETS)
