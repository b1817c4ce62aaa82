"""What a study found, in one file that can be checked years later."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import yaml

from thetascope.files import atomic

SUMS, CONFIG = "SHA256SUMS", "config.yaml"


def pack(files: Iterable[str | Path], config: Mapping[str, Any], path: str | Path) -> None:
    """Write a zip archive of results, their configuration and their checksums.

    `sha256sum --check SHA256SUMS`, in the unpacked folder, checks all of it. The same files give
    the same bytes.

    Parameters
    ----------
    files : iterable of path
        Relative to the current folder; so they lie in the archive.
    config : mapping
        The configuration with its defaults, from which the study can be run again.
    path : path
        Where to write.
    """
    contents = {Path(file).as_posix(): Path(file) for file in files}
    with atomic(path) as temporary, ZipFile(temporary, "w", ZIP_DEFLATED) as archive:
        sums = []

        def add(name: str, data: bytes) -> None:
            # without a date, which would make each archive another one
            archive.writestr(ZipInfo(name), data, ZIP_DEFLATED)
            sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")

        add(CONFIG, yaml.safe_dump(dict(config), allow_unicode=True, sort_keys=False).encode())
        for name, file in sorted(contents.items()):
            add(name, file.read_bytes())
        archive.writestr(ZipInfo(SUMS), "".join(sums), ZIP_DEFLATED)
