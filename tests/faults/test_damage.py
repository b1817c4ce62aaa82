"""Results that a disk, a copy or an editor damaged: told apart from intact ones, and named."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from thetascope import files
from thetascope.datasets.arrays import prepare, read_array
from thetascope.datasets.items import Item
from thetascope.datasets.splits import Split
from thetascope.files import DamagedError
from thetascope.learning import checkpoints

POSITIONS = 150
TABLE = pd.DataFrame(
    {"item": [f"{i:03}" for i in range(600)], "value": np.random.default_rng(0).random(600)}
)


def same(a, b):
    """Whether two contents are equal, whatever kind they are."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, pd.DataFrame):
        return a.equals(b)
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else np.array_equal(a, b)


def csv(folder):
    files.write_csv(TABLE, folder / "dice.csv", {"rule": "score", "größe": 1})
    return folder / "dice.csv", files.read_csv


def table(folder):
    files.write_table(TABLE, folder / "dice.csv", {"rule": "dice_table"})
    return folder / "dice.csv", files.read_table


def parquet(folder):
    files.write_parquet(
        [pa.Table.from_pandas(TABLE)], folder / "dice.parquet", {"rule": "dice_per_item"}
    )
    return folder / "dice.parquet", files.read_parquet


def npz(folder):
    maps = np.random.default_rng(0).random((2, 8, 8))
    files.write_npz(folder / "saliency.npz", {"rule": "saliency"}, maps=maps, items=np.arange(2))
    return folder / "saliency.npz", files.read_npz


def checkpoint(folder):
    weights = {
        f"layer{i}": torch.rand(9, generator=torch.Generator().manual_seed(i)) for i in (1, 2)
    }
    checkpoints.save(folder / "pretrained.pt", {"rule": "pretrain"}, encoder=weights)
    return folder / "pretrained.pt", checkpoints.load


def array(folder):
    rng = np.random.default_rng(0)
    mask = np.ones((32, 32), np.uint8)
    items = (
        Item(str(i), str(i), rng.integers(0, 255, (1, 32, 32), dtype=np.uint8), mask, str(i))
        for i in range(9)
    )
    paths = [folder / name for name in ("images.npy", "masks.npy", "manifest.csv")]
    split = Split(train=0.6, validation=0.2, test=0.2, seed=0)
    prepare(items, 32, split, *paths, {"rule": "data"})
    return paths[0], read_array


KINDS = [csv, table, parquet, npz, checkpoint, array]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def written(request, tmp_path):
    path, read = request.param(tmp_path)
    return path, read, path.read_bytes(), read(path)


def outcome(path, read):
    """What is read; None if it was refused by name, with what to do."""
    try:
        return read(path)
    except DamagedError as error:
        assert str(path) in str(error) and "delete it" in str(error)
    except checkpoints.UserError as error:
        assert str(path) in str(error)
    return None


def test_intact_files_are_read(written):
    path, read, _, content = written
    assert same(read(path), content)


def test_a_flipped_bit_is_found_or_changes_nothing(written):
    path, read, data, content = written
    end = len(data)
    if path.suffix == ".parquet":  # its footer has no checksum
        end -= 8 + int.from_bytes(data[-8:-4], "little")
    rng = np.random.default_rng(1)
    refused = 0
    for position in rng.integers(0, end, POSITIONS):
        damaged = bytearray(data)
        damaged[position] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        found = outcome(path, read)
        refused += found is None
        assert found is None or same(found, content), position
    assert refused > POSITIONS / 4


def test_a_file_cut_short_is_refused(written):
    path, read, data, _ = written
    for length in np.random.default_rng(2).integers(0, len(data), POSITIONS):
        path.write_bytes(data[:length])
        assert outcome(path, read) is None, length


def test_zeros_in_the_place_of_a_block_are_refused(written):
    path, read, data, content = written
    block = len(data) // 4
    for start in range(block, len(data) - block, block // 8 or 1):
        path.write_bytes(data[:start] + bytes(block) + data[start + block :])
        found = outcome(path, read)
        assert found is None or same(found, content), start


@pytest.mark.parametrize("kind", [csv, table])
def test_a_table_edited_by_hand_is_refused(tmp_path, kind):
    path, read = kind(tmp_path)
    path.write_text(path.read_text("utf-8").replace("001,", "001,9"), "utf-8")
    with pytest.raises(DamagedError, match="SHA-256"):
        read(path)


def test_damage_to_what_lies_beside_a_table_is_found_or_changes_nothing(tmp_path):
    path, read = table(tmp_path)
    content, beside = read(path), path.with_suffix(".json")
    data, rng = beside.read_bytes(), np.random.default_rng(3)
    for position in rng.integers(0, len(data), POSITIONS):
        damaged = bytearray(data)
        damaged[position] ^= 1 << rng.integers(8)
        beside.write_bytes(damaged)
        found = outcome(path, read)
        assert found is None or same(found, content), position
    beside.unlink()
    assert outcome(path, read) is None


def test_a_damaged_record_is_named(tmp_path):
    path, _ = csv(tmp_path)
    whole = path.read_bytes()
    for damaged in whole[3:], b"\xff" + whole:
        path.write_bytes(damaged)
        with pytest.raises(DamagedError, match=path.name):
            files.read_record(path)


def test_the_digest_is_that_of_all_below_the_first_line(tmp_path):
    path, _ = csv(tmp_path)
    text = path.read_bytes().split(b"\n", 1)[1]
    assert hashlib.sha256(text).hexdigest() == files.read_record(path)["sha256"]
