"""What is said of an image set, against a folder whose contents are known."""

import numpy as np
import pytest
from PIL import Image

from thetascope.datasets import arrays
from thetascope.datasets.description import datasets_table
from thetascope.datasets.options import load_items
from thetascope.datasets.splits import Split

SHARES = [0, 0.25, 0.5, 0.5, 0.75, 1, 1, 1]  # of foreground, picture by picture


@pytest.fixture
def manifest(tmp_path):
    """Eight pictures of two sizes, wider than high, one damaged and one unlike the others."""
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for i, share in enumerate(SHARES):
        size = 64 if i % 2 else 32
        mask = np.zeros((size, size + 8), np.uint8)
        mask[: round(share * size)] = 255
        Image.fromarray(mask).save(tmp_path / f"masks/{i}.png")
        Image.fromarray(np.full((*mask.shape, 3), 7 * i, np.uint8)).save(
            tmp_path / f"images/{i}.png"
        )
    (tmp_path / "images/8.png").write_bytes(b"no picture")
    Image.fromarray(mask).save(tmp_path / "masks/8.png")
    (tmp_path / "images/._1.png").write_bytes(b"left by another system")
    (tmp_path / "images/notes.png").write_bytes(b"unlike the others")
    options = {"path": str(tmp_path), "images": "images/*.png", "masks": "masks/*.png"}
    options |= {"image_key": r"(\d+)", "case_size": 2, "on_error": "skip"}
    outputs = [tmp_path / name for name in ("images.npy", "masks.npy", "manifest.csv")]
    split = Split(train=0.25, validation=0.25, test=0.5, seed=0)
    arrays.prepare(load_items("folder", options), 32, split, *outputs, {})
    return outputs[-1]


def test_what_was_read_and_what_was_not(manifest):
    (row,) = datasets_table({"mine": manifest}).to_dict("records")
    assert row["dataset"] == "mine" and (row["n_items"], row["n_cases"]) == (8, 4)
    assert row["n_train"] + row["n_validation"] + row["n_test"] == 8
    assert (row["n_train"], row["n_test"], row["n_test_cases"]) == (2, 4, 2)
    sides = [row[f"{side}_{how}"] for side in ("width", "height") for how in ("min", "max")]
    assert sides == [40, 72, 32, 64]
    shares = [row[f"foreground_{how}"] for how in ("min", "median", "max")]
    # padded to a square, 4/5 of small pictures are left and 8/9 of large ones
    padded = [share * (8 / 9 if i % 2 else 4 / 5) for i, share in enumerate(SHARES)]
    assert shares == pytest.approx([0, np.median(padded), 8 / 9], abs=0.04)
    assert row["n_empty"] == 1
    assert row["n_left_out"] == 1 and "8.png" in row["left_out"]
    assert row["n_unused"] == 2 and set(row["unused"].split("; ")) == {"._1.png", "notes.png"}


def test_sets_that_come_with_the_packages_are_described_too(tmp_path):
    outputs = [tmp_path / name for name in ("images.npy", "masks.npy", "manifest.csv")]
    split = Split(train=0.7, validation=0.1, test=0.2, seed=0)
    arrays.prepare(load_items("ihc", {}), 48, split, *outputs, {})
    (row,) = datasets_table({"ihc": outputs[-1]}).to_dict("records")
    assert (row["n_items"], row["n_cases"], row["n_left_out"], row["left_out"]) == (63, 16, 0, "")
    assert row["width_min"] == row["height_max"] == 96
    assert 0.05 <= row["foreground_min"] < row["foreground_median"] < row["foreground_max"] < 0.4
