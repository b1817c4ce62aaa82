"""One set of pins, wherever they stand."""

import base64
import hashlib
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def compiled(name):
    lines = (ROOT / name).read_text().splitlines()
    return {m[1].lower(): m[2] for line in lines if (m := re.match(r"([\w.-]+)==([\w.]+)", line))}


def test_direct_dependencies_are_pinned_and_compiled():
    for group, file in (
        (PROJECT["project"]["dependencies"], "requirements.txt"),
        (PROJECT["project"]["dependencies"], "requirements-dev.txt"),
        (PROJECT["dependency-groups"]["dev"], "requirements-dev.txt"),
    ):
        for pin in group:
            name, version = pin.split("==")
            assert compiled(file)[name.lower()] == version


def test_what_builds_the_package_is_pinned_and_compiled_too():
    """So `--no-build-isolation` installs nothing without a digest."""
    assert set(PROJECT["build-system"]["requires"]) <= set(PROJECT["dependency-groups"]["dev"])


def test_both_compiled_files_agree():
    run, develop = compiled("requirements.txt"), compiled("requirements-dev.txt")
    assert run.items() <= develop.items()


def test_conda_environment_has_the_same_pins():
    environment = yaml.safe_load((ROOT / "envs/thetascope.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == PROJECT["project"]["dependencies"]


def test_no_file_of_pins_names_where_packages_come_from():
    for name in ("requirements.txt", "requirements-dev.txt", "envs/thetascope.yaml"):
        assert "://" not in (ROOT / name).read_text()


# -- an audit that needs no network: what is installed is what was chosen -------------------------

# what we may use and pass on; NVIDIA's libraries come with torch, under terms of their own
LICENCES = (
    r"MIT|BSD|0BSD|Apache|ISC|Zlib|BSL-1\.0|CC0|PSF|Python Software Foundation|HPND|Unlicense"
    r"|MPL|Mozilla|Public Domain|NVIDIA"
)
COPYLEFT = {"docutils"}  # most of it in the public domain; what is under the GPL is an Emacs mode
EMPTY = {"cuda-toolkit"}  # holds no file, only the names of NVIDIA's packages


def locked(name="requirements-dev.txt"):
    """Requirements of a compiled file that apply on this machine, with their lines of hashes."""
    blocks = re.split(r"\n(?=\S)", (ROOT / name).read_text())
    found = [block.replace("\\\n", "").split("--hash=") for block in blocks if block[0] != "#"]
    every = [(Requirement(pin), hashes) for pin, *hashes in found]
    return [(r, hashes) for r, hashes in every if r.marker is None or r.marker.evaluate()]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_pin_is_exact_and_has_its_digests(name):
    assert len(locked(name)) > 90
    for requirement, hashes in locked(name):
        assert re.fullmatch(r"==[\w.+]+", str(requirement.specifier)), requirement
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", h) for h in hashes)


def test_what_is_installed_is_what_is_pinned_and_all_that_it_needs():
    pins = {requirement.name.lower(): requirement for requirement, _ in locked()}
    for name, pin in pins.items():
        assert metadata.version(name) in pin.specifier, name
        for needed in map(Requirement, metadata.requires(name) or []):
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert metadata.version(needed.name) in needed.specifier, (name, needed)


def test_no_installed_file_was_changed():
    """Every Python file has the digest that its package was built with."""
    checked = 0
    for requirement, _ in locked():
        for file in metadata.files(requirement.name):
            if file.hash and file.suffix == ".py":
                digest = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()
                expected = file.hash.value
                assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == expected, file
                checked += 1
    assert checked > 5000


def licence(name):
    """What a package's metadata say, in the first of the ways there are, or the text it brings."""
    fields, files = metadata.metadata(name), metadata.files(name)
    classifiers = [c for c in fields.get_all("Classifier", []) if c.startswith("License ::")]
    texts = [file.read_text()[:200] for file in files if "LICENSE" in file.name]
    ways = (fields["License-Expression"], " ".join(classifiers), fields["License"], *texts)
    return next(said for said in ways if said and said != "UNKNOWN")


def test_licences_allow_what_we_do():
    for name in {requirement.name for requirement, _ in locked()} - EMPTY:
        assert re.search(LICENCES, licence(name)), (name, licence(name))
        copyleft = re.search(r"\b(A|L)?GPL|General Public", licence(name))
        assert not copyleft or name in COPYLEFT, (name, licence(name))
