import shutil
import subprocess
import zipfile

import pytest
import yaml

from thetascope.engine.archive import pack

CONFIG = {"seeds": [0], "datasets": {"größe": {"path": "a b"}}}


@pytest.fixture
def packed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/tables").mkdir(parents=True)
    (tmp_path / "results/tables/dice.csv").write_bytes(b"a,b\n1,2\n")
    (tmp_path / "results/a figure.png").write_bytes(bytes(range(256)) * 100)
    pack(["results/tables/dice.csv", "results/a figure.png"], CONFIG, "archive.zip")
    return tmp_path / "archive.zip"


def check(folder):
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_sha256sum_finds_all_of_it_as_it_was_and_names_what_is_not(packed, tmp_path):
    shutil.unpack_archive(packed, tmp_path / "out")
    assert check(tmp_path / "out").stdout.count(": OK\n") == 3
    config = yaml.safe_load((tmp_path / "out/config.yaml").read_text("utf-8"))
    assert config == CONFIG and list(config) == list(CONFIG)  # in the order of the user
    for name in ("results/tables/dice.csv", "results/a figure.png"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / name).read_bytes()
    picture = tmp_path / "out/results/a figure.png"
    damaged = bytearray(picture.read_bytes())
    damaged[1000] ^= 1
    picture.write_bytes(damaged)
    done = check(tmp_path / "out")
    assert done.returncode != 0 and "a figure.png: FAILED" in done.stdout


def test_the_same_files_give_the_same_bytes(packed):
    first = packed.read_bytes()
    pack(["results/a figure.png", "results/tables/dice.csv"], CONFIG, packed)
    assert packed.read_bytes() == first
    with zipfile.ZipFile(packed) as archive:  # nor does the time of day change them
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_missing_file_leaves_the_old_archive(packed):
    first = packed.read_bytes()
    with pytest.raises(FileNotFoundError):
        pack(["results/none.csv"], CONFIG, packed)
    assert packed.read_bytes() == first
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
