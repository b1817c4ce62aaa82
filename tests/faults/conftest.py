"""Fixtures: a finished project to break, and disks that are small, read-only or slow."""

import shutil
import subprocess

import pytest


@pytest.fixture
def project(finished, tmp_path):
    """A finished experiment of one's own."""
    copy = tmp_path / "project"
    shutil.copytree(finished.folder, copy, symlinks=True)
    return finished.at(copy)


@pytest.fixture
def mount():
    """Mount something at a folder until the test is over, as `mount` does."""
    mounted = []

    def mount(folder, *arguments):
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", *arguments, folder], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"this machine may not mount {' '.join(map(str, arguments))}")
        mounted.append(folder)

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "--lazy", folder], check=True)
