"""What the user's own files are: all there, changed or not, and of consequence or not."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from thetascope.datasets import splits
from thetascope.datasets.listing import stamps, user_path
from thetascope.datasets.options import list_files
from thetascope.engine.fingerprint import LIBRARY
from thetascope.errors import UserError
from thetascope.files import DamagedError, read_record

log = logging.getLogger("snakemake.logging")

SCRIPT = LIBRARY.parent / "data.py"

Datasets = Mapping[str, Mapping[str, Any]]


def check(datasets: Datasets) -> None:
    """Look for every data set's files by their names, before anything runs or is deleted.

    A set whose folder is gone but that has been prepared from it, with the same options, is used
    as it was prepared; the log says so.

    Raises
    ------
    UserError
        With one line per data set whose folder, patterns, pairs or cases do not fit.
    DamagedError
        If prepared arrays were written to since, and hold something else.
    """
    problems = []
    for name, dataset in datasets.items():
        _check_arrays(Path(f"results/data/{name}"))
        try:
            _listing(json.dumps(dataset))
        except UserError as error:
            if _prepared(name, dataset) is None:
                problems.append(f"datasets.{name}: {error}")
            else:
                log.warning(f"datasets.{name}: {error}; it is used as results/data/{name} has it")
    if problems:
        raise UserError("\n  ".join(["the image sets need a change:", *problems]))


def digest(name: str, dataset: Mapping[str, Any]) -> str | None:
    """Digest of names, sizes and times of a data set's own files.

    Returns
    -------
    str or None
        16 hexadecimal digits; None for a set without such files, or where `check` would fail.
    """
    try:
        return _listing(json.dumps(dataset))
    except UserError:
        return _prepared(name, dataset)


@functools.cache  # asked at start-up and again when jobs are planned
def _listing(dataset: str) -> str | None:
    options = json.loads(dataset)
    adapter = options.pop("adapter")
    listed = list_files(adapter, options) if "path" in options else None
    if listed is None:
        return None
    if listed.cases is not None:
        splits.check(sorted(listed.cases))
    found = json.dumps(stamps(listed.files, listed.folder), sort_keys=True)
    return hashlib.sha256(found.encode()).hexdigest()[:16]


def _check_arrays(folder: Path) -> None:
    """See what arrays hold that are younger than their manifest, which is written last.

    Snakemake would take them for new ones, delete all that was trained on them, and train again.
    Those that are as they were get their time back.
    """
    manifest = folder / "manifest.csv"
    for array in folder / "images.npy", folder / "masks.npy":
        with contextlib.suppress(FileNotFoundError, PermissionError):
            since = manifest.stat().st_mtime_ns
            if array.stat().st_mtime_ns > since:
                from thetascope.datasets.arrays import read_array

                read_array(array)
                os.utime(array, ns=(since, since))


def _prepared(name: str, dataset: Mapping[str, Any]) -> str | None:
    """Digest of the files from which a set was prepared, if its folder is gone since then."""
    if user_path(dataset["path"]).exists():
        return None
    try:
        params = read_record(f"results/data/{name}/manifest.csv")["params"]
        files: str | None = params["files"] if params["options"] == dataset else None
    except (OSError, KeyError, DamagedError):
        return None
    return files


def as_before(outputs: Sequence[str], inputs: Sequence[str]) -> bool:
    """Tell whether a data set was prepared to what it held before; then its times stay too.

    What it holds, and since when, says the file `.prepared` beside it. Where its script or input is
    younger than that, its times must be so too: Snakemake would prepare it again and again.

    Parameters
    ----------
    outputs, inputs : sequence of str
        Of the job that prepared it: arrays and manifest; an archive, if it was downloaded.
    """
    (manifest,) = (Path(output) for output in outputs if output.endswith("manifest.csv"))
    stamp = manifest.with_name(".prepared")
    try:
        made = read_record(manifest)
        contents = json.dumps([made["arrays"], made["sha256"]], sort_keys=True) + "\n"
        known = stamp.exists() and stamp.read_text() == contents
        since = stamp.stat().st_mtime_ns if known else 0
        if any(path.stat().st_mtime_ns > since for path in [SCRIPT, *map(Path, inputs)]):
            stamp.write_text(contents)
            return False
        for output in outputs:
            os.utime(output, ns=(since, since))
    except OSError as error:  # it is a comfort, and the next job will say that the disk is full
        log.debug(f"{stamp}: {error}")
        return False
    return True
