"""Whether results can be reproduced: a sample of finished cells, computed again and compared."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from thetascope.errors import UserError


def recompute(
    scores: Sequence[str], folders: Sequence[str], config: Mapping[str, Any], snakefile: Path
) -> pd.DataFrame:
    """Compute cells of the experiment again, elsewhere, and hold them against what is there.

    Parameters
    ----------
    scores : sequence of str
        `dice.csv` of each cell, below the working directory.
    folders : sequence of str
        Results that are taken as they are: image sets and backbones.
    config : mapping
        As resolved.
    snakefile : Path
        The workflow.

    Returns
    -------
    DataFrame
        One row per file of these cells: `file`, `identical`, and for a table the `largest`
        absolute difference between its numbers (0 if identical, NaN if there is none to tell).

    Raises
    ------
    UserError
        If they cannot be computed.
    """
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="verify-") as name:
        there = Path(name)
        for folder in folders:
            (there / folder).parent.mkdir(parents=True, exist_ok=True)
            (there / folder).symlink_to(here / folder)
        config = dict(config)
        if weights := config["pretrain"]["weights"]:
            if isinstance(weights, Mapping):
                weights = {encoder: str(here / file) for encoder, file in weights.items()}
            else:
                weights = str(here / weights)
            config["pretrain"] = {**config["pretrain"], "weights": weights}
        (there / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        command = ["snakemake", "--snakefile", str(snakefile), "--directory", name]
        # what the folders hold counts as made, whatever Snakemake knows of it
        options = ["--rerun-triggers", "mtime", "--cores", str(config["threads"]), "--nocolor"]
        done = subprocess.run(
            [sys.executable, "-m", *command, *options, "--", *scores],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise UserError(f"verify: cannot compute {', '.join(scores)} again:\n{done.stderr}")
        made = sorted(path for path in (there / "results/runs").rglob("*") if path.is_file())
        return pd.DataFrame(
            [_compare(here / file, there / file) for file in (p.relative_to(there) for p in made)]
        )


def _compare(old: Path, new: Path) -> dict[str, Any]:
    identical = old.exists() and old.read_bytes() == new.read_bytes()
    largest = 0.0 if identical else np.nan
    if not identical and old.suffix == ".csv" and old.exists():
        # as they stand: `read_csv` would refuse the one whose checksum does not fit
        was, is_now = (
            pd.read_csv(path, skiprows=1).select_dtypes("number").to_numpy(float)
            for path in (old, new)
        )
        if was.size and was.shape == is_now.shape:
            largest = float(np.nanmax(np.abs(was - is_now)))
    return {"file": os.path.relpath(old), "identical": identical, "largest": largest}


def report(table: pd.DataFrame) -> str:
    """Say how many files came out the same, and name those that did not."""
    lines = [f"{table['identical'].sum()} of {len(table)} files came out the same to the last bit"]
    differing = table[~table["identical"]]
    for file, largest in zip(differing["file"], differing["largest"], strict=True):
        lines.append(f"{file}: differs" + (f" by up to {largest:.3g}" if largest >= 0 else ""))
    return "\n".join(lines)
