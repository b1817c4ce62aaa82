"""One set of pins, wherever they stand."""

import re
import tomllib
from pathlib import Path

import yaml

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


def test_both_compiled_files_agree():
    run, develop = compiled("requirements.txt"), compiled("requirements-dev.txt")
    assert run.items() <= develop.items()


def test_conda_environment_has_the_same_pins():
    environment = yaml.safe_load((ROOT / "envs/thetascope.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == PROJECT["project"]["dependencies"]


def test_no_file_of_pins_names_where_packages_come_from():
    for name in ("requirements.txt", "requirements-dev.txt", "envs/thetascope.yaml"):
        assert "://" not in (ROOT / name).read_text()
