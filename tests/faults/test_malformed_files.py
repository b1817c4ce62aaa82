"""Damaged files of every kind that a user brings: each is of use, or refused by its name."""

import io
import zipfile
import zlib

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from thetascope.datasets import depths, pictures
from thetascope.datasets.adapters import brats, folder
from thetascope.datasets.archives import extracted
from thetascope.datasets.masks import MaskReader
from thetascope.errors import UserError
from thetascope.learning import checkpoints
from thetascope.learning.encoders import build_network

TIMES = 100


def damaged(good, rng):
    """Cut off, overwritten, torn open, emptied, padded, or not this kind of file at all."""
    data = bytearray(good)
    start = int(rng.integers(len(data)))
    length = int(rng.integers(1, 64))
    match rng.integers(7):
        case 0:
            return bytes(data[:start])
        case 1:
            for at in rng.integers(len(data), size=rng.integers(1, 9)):
                data[at] ^= 1 << int(rng.integers(8))
        case 2:
            data[start : start + length] = bytes(length)
        case 3:
            data[start:start] = rng.bytes(length)
        case 4:
            del data[start : start + length]
        case 5:
            data[: min(length, 16)] = rng.bytes(min(length, 16))
        case 6:
            return bytes([b"", b"<html>not found</html>", zlib.compress(good), good * 2][start % 4])
    return bytes(data)


def outcomes(path, good, read, check):
    """Hold `read` to `TIMES` damages of a file; how many it read, how many it refused."""
    rng = np.random.default_rng(0)
    read_, refused = 0, 0
    for _ in range(TIMES):
        path.write_bytes(damaged(good, rng))
        try:
            result = read()
        except UserError as error:
            refused += 1
            assert str(path.name) in str(error)
        else:
            read_ += 1
            check(result)
    return read_, refused


def picture(kind, mode="RGB"):
    rng = np.random.default_rng(1)
    pixels = rng.integers(256, size=(24, 32, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    if mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGB"), ("PNG", "P"), ("PNG", "I;16"), ("JPEG", "L"), ("TIFF", "RGB"), ("BMP", "RGB")],
)
@pytest.mark.filterwarnings("ignore")
def test_pictures(tmp_path, kind, mode):
    path = tmp_path / f"picture.{kind.lower()}"

    def check(image):
        assert image.dtype == np.uint8 and image.ndim == 3 and len(image) == 3

    def read():
        return pictures.read_image(path, "rgb", depths.scale_of([path], None))

    _, refused = outcomes(path, picture(kind, mode), read, check)
    assert refused > TIMES / 5


@pytest.mark.filterwarnings("ignore")
def test_masks(tmp_path):
    path = tmp_path / "mask.png"

    def check(mask):
        assert mask.dtype == np.uint8 and mask.ndim == 2 and mask.max() <= 2

    outcomes(path, picture("PNG", "L"), lambda: MaskReader([7, 9]).read(path), check)
    outcomes(path, picture("PNG", "P"), lambda: MaskReader(None).read(path), check)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.filterwarnings("ignore")
def test_volumes(tmp_path, suffix):
    case = tmp_path / "BraTS20_Training_001"
    case.mkdir()
    rng = np.random.default_rng(2)
    for name, values in (
        ("flair", rng.random((12, 10, 6))),
        ("seg", rng.integers(3, size=(12, 10, 6))),
    ):
        volume = nibabel.Nifti1Image(values.astype(np.float32), np.eye(4))
        nibabel.save(volume, case / f"{case.name}_{name}{suffix}")
    path = case / f"{case.name}_flair{suffix}"
    good = path.read_bytes()

    def check(items):
        (item,) = items
        assert item.image.dtype == item.mask.dtype == np.uint8
        assert item.image.shape[1:] == item.mask.shape

    _, refused = outcomes(path, good, lambda: list(brats.load(str(tmp_path))), check)
    assert refused > TIMES / 5


def test_tables_of_cases(tmp_path):
    path = tmp_path / "cases.csv"
    table = pd.DataFrame({"id": list("abcdef"), "case": list("uuvvww")})
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    for name in table["id"]:
        for part in ("images", "masks"):
            (tmp_path / part / f"{name}.png").write_bytes(picture("PNG"))
    options = {"path": str(tmp_path), "images": "images/*", "masks": "masks/*", "cases": str(path)}
    outcomes(
        path,
        table.to_csv(index=False).encode(),
        lambda: list(folder.load(**options)),
        lambda items: [item.id for item in items] == list("abcdef"),
    )


def test_checkpoints(tmp_path):
    path = tmp_path / "weights.pt"
    network = build_network("resnet18", 3)
    small = {key: value for key, value in network.state_dict().items() if value.numel() < 1000}
    torch.save(small, path)

    def check(contents):
        assert isinstance(contents, dict)

    outcomes(path, path.read_bytes(), lambda: checkpoints.load(path), check)


def test_archives(tmp_path):
    path = tmp_path / "images.zip"
    rng = np.random.default_rng(3)
    files = {f"images/{i}.bin": rng.bytes(100) for i in range(4)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    good = path.read_bytes()

    def read():
        with extracted(path) as folder:
            return {
                str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()
            }

    def check(found):
        assert set(found.values()) == set(files.values())  # whatever their names have become

    outcomes(path, good, read, check)
    assert not list(tmp_path.glob(".extracted-*"))
