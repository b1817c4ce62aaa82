"""The user's own files at start-up: all problems at once, and a digest that changes with them."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thetascope.datasets import arrays
from thetascope.datasets.options import load_items
from thetascope.datasets.splits import Split
from thetascope.engine import own_files
from thetascope.errors import UserError

OWN = {"adapter": "folder", "path": "set", "images": "images/*", "masks": "masks/*"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with an image set in it."""
    monkeypatch.chdir(tmp_path)
    for kind in ("images", "masks"):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for i in range(4):
            pixels = np.random.default_rng(i).integers(0, 256, (20, 20), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / kind / f"{i}.png")
    return tmp_path


@pytest.fixture(autouse=True)
def another_start():
    """What a start has seen is forgotten by the next."""
    own_files._listing.cache_clear()
    return own_files._listing.cache_clear


def prepare(dataset=OWN, split=Split(0.4, 0.3, 0.3, 0)):  # noqa: B008 (frozen)
    """As rule data does."""
    options = {key: value for key, value in dataset.items() if key != "adapter"}
    outputs = [f"results/data/own/{name}" for name in ("images.npy", "masks.npy", "manifest.csv")]
    params = {"options": dataset, "files": own_files.digest("own", dataset)}
    arrays.prepare(load_items("folder", options), 16, split, *outputs, {"params": params})
    return outputs


def test_all_problems_of_all_sets_come_at_once(project):
    (project / "set/masks/2.png").unlink()
    sets = {
        "typo": {**OWN, "path": "sett"},
        "pattern": {**OWN, "images": "pictures/*"},
        "pairs": OWN,
        "skipping": {**OWN, "on_error": "skip"},
        "cases": {**OWN, "on_error": "skip", "cases": "nowhere.csv"},
        "patients": {**OWN, "on_error": "skip", "case_key": "().*"},
        "one": {**OWN, "on_error": "skip", "case_key": "([0-9]).*", "image_key": "([01])"},
        "volumes": {"adapter": "brats", "path": "set"},
        "drawn": {"adapter": "generated", "pattern": "disc"},
        "downloaded": {"adapter": "kvasir_seg"},
    }
    with pytest.raises(UserError) as error:
        own_files.check(sets)
    first, *lines = str(error.value).split("\n  ")
    assert first == "the image sets need a change:"
    said = dict(line.removeprefix("datasets.").split(": ", 1) for line in lines)
    assert said.keys() == {"typo", "pattern", "pairs", "cases", "patients", "one", "volumes"}
    assert said["typo"].startswith("path: 'sett': no such folder; set it to where the image set")
    assert "pictures/*: no file of this pattern; set holds images/, masks/" in said["pattern"]
    assert "images/2.png: has no mask of the key '2'" in said["pairs"]
    assert "has no case for 4 items" in said["patients"]
    assert "2 cases (0, 1) cannot make three parts" in said["one"]
    assert said["cases"] == "cases: nowhere.csv: needs to be a CSV with columns id and case"
    assert "holds no case folders with *_seg.nii.gz (set holds images/, masks/)" in said["volumes"]


def changes(project, another_start, dataset, change):
    another_start()
    before = own_files.digest("own", dataset)
    assert own_files.digest("own", dataset) == before and len(before) == 16
    change()
    another_start()
    return own_files.digest("own", dataset) != before


def test_the_digest_changes_with_the_files(project, another_start):
    one, cases = project / "set/images/1.png", project / "set/cases.csv"
    cases.write_text("id,case\n" + "".join(f"{i},{i}\n" for i in range(5)))

    def add():
        for kind in ("images", "masks"):
            (project / f"set/{kind}/4.png").write_bytes(one.read_bytes())

    for dataset, change, seen in (
        (OWN, lambda: os.utime(one, (1, 1)), True),
        (OWN, lambda: one.write_bytes(one.read_bytes() + b"\0"), True),
        (OWN, lambda: (project / "set/notes.txt").touch(), False),
        (OWN, lambda: (project / "set/images/.DS_Store").touch(), False),
        (OWN, lambda: os.utime(cases, (1, 1)), False),
        ({**OWN, "cases": "cases.csv"}, lambda: os.utime(cases, (2, 2)), True),
        (OWN, add, True),
        (OWN, lambda: (project / "set").rename(project / "elsewhere"), True),
    ):
        assert changes(project, another_start, dataset, change) == seen


def test_sets_without_files_of_the_users_have_no_digest():
    assert own_files.digest("drawn", {"adapter": "generated", "pattern": "disc"}) is None
    assert own_files.digest("downloaded", {"adapter": "kvasir_seg"}) is None


def test_a_set_whose_folder_is_gone_is_used_as_it_was_prepared(project, another_start, caplog):
    prepare()
    before = own_files.digest("own", OWN)
    (project / "set").rename(project / "elsewhere")
    another_start()
    own_files.check({"own": OWN})
    assert "no such folder" in caplog.text and "used as results/data/own has it" in caplog.text
    assert own_files.digest("own", OWN) == before
    # but not for other options, nor for another set
    for name, dataset in ("own", {**OWN, "path": "sett"}), ("other", OWN):
        with pytest.raises(UserError, match=f"datasets.{name}: path: .*no such folder"):
            own_files.check({name: dataset})


def test_a_set_that_is_prepared_again_to_what_it_was_keeps_its_time(project):
    outputs = prepare()
    assert not own_files.as_before(outputs, [])  # nothing was before
    since = max(Path(output).stat().st_mtime_ns for output in outputs)
    time.sleep(0.05)
    for output in outputs:
        Path(output).unlink()  # as Snakemake does
    prepare({**OWN, "on_error": "skip"})
    assert own_files.as_before(outputs, [])
    after = {Path(output).stat().st_mtime_ns for output in outputs}
    assert len(after) == 1 and abs(after.pop() - since) < 0.05e9
    prepare({**OWN, "colour": "grey"})
    assert not own_files.as_before(outputs, [])
    prepare()  # back again: other bytes than the last
    assert not own_files.as_before(outputs, [])
    images = Path(outputs[0]).read_bytes()
    prepare(split=Split(0.3, 0.3, 0.4, 0))
    assert Path(outputs[0]).read_bytes() == images
    assert not own_files.as_before(outputs, [])  # the same pictures, of which others are tested


def test_a_set_is_no_older_than_what_it_was_made_from(project, monkeypatch):
    outputs = prepare()
    own_files.as_before(outputs, [])
    archive, script, stamp = (
        project / name for name in ("archive.zip", "data.py", "results/data/own/.prepared")
    )
    script.touch()
    os.utime(script, (0, 0))
    monkeypatch.setattr(own_files, "SCRIPT", script)
    archive.touch()
    os.utime(stamp, (1, 1))
    assert not own_files.as_before(outputs, [str(archive)])  # downloaded again
    assert own_files.as_before(outputs, [str(archive)])
    os.utime(stamp, (1, 1))
    assert own_files.as_before(outputs, [])
    script.touch()
    assert not own_files.as_before(outputs, [])
    assert own_files.as_before(outputs, [])


def test_where_nothing_can_be_written_a_set_is_as_new(project, monkeypatch):
    outputs = prepare()
    own_files.as_before(outputs, [])

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(own_files.os, "utime", refuse)
    assert not own_files.as_before(outputs, [])
