"""What an experiment will cost, from the jobs of it that have been measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thetascope.engine.runs import GPU_RULES
from thetascope.files import read_record
from thetascope.vocabulary import ARM

CHECKPOINT = ".pt"  # what `keep: results` does not keep
SAMPLE = 10  # measured jobs that are looked at per group
GROUP = ["rule", *ARM]


@dataclass(frozen=True)
class Job:
    """One job of the experiment.

    Attributes
    ----------
    group : tuple of str
        Rule, data set, view, encoder and method: jobs of a group take equally long.
    benchmark : Path
        Where the job writes what it took.
    outputs : list of Path
        Its results, first one that `read_record` can read.
    params : dict
        The settings that it would run with.
    """

    group: tuple[str, ...]
    benchmark: Path
    outputs: list[Path]
    params: dict[str, Any]

    @property
    def kept(self) -> list[Path]:
        """Results that stay with `keep: results`."""
        return [path for path in self.outputs if path.suffix != CHECKPOINT]


def stage_jobs(
    rule: str,
    folder: str,
    outputs: Sequence[str],
    wildcards: Iterable[Mapping[str, str]],
    settings: Mapping[str, Any],
    views: Mapping[str, Any],
) -> Iterator[Job]:
    """Jobs of one rule.

    Parameters
    ----------
    rule : str
        Its name.
    folder : str
        Where its results lie below `results/` and its benchmarks below `benchmarks/`, with
        wildcards in braces.
    outputs : sequence of str
        Names of the results, first one that `read_record` can read.
    wildcards : iterable of mapping
        Of each job.
    settings, views : mapping
        What the configuration says to this rule, and of each view.
    """
    for names in wildcards:
        place = folder.format(**names)
        params = {"settings": settings}
        if rule in GPU_RULES:  # the others do not know how a picture is rotated
            params["view"] = views[names["view"]]
        yield Job(
            (rule, *(names[key] for key in GROUP[1:])),
            Path("benchmarks", place, f"{rule}.tsv"),
            [Path("results", place, name) for name in outputs],
            params,
        )


def _measured(job: Job) -> tuple[float, float, int] | None:
    """Seconds, bytes and bytes without checkpoints, if it ran with the settings of now."""
    try:
        took = pd.read_csv(job.benchmark, sep="\t").iloc[0]
        seconds, size = float(took["s"]), float(took["bytes"])
        kept = sum(path.stat().st_size for path in job.kept)
        params = read_record(job.outputs[0])["params"]
    except (OSError, KeyError, ValueError):  # never run, or deleted since
        return None
    current = json.loads(json.dumps(job.params))
    return (seconds, size, kept) if {k: params.get(k) for k in current} == current else None


def estimate(jobs: Iterable[Job]) -> pd.DataFrame:
    """Count and extrapolate.

    Parameters
    ----------
    jobs : iterable of Job
        All jobs of the experiment.

    Returns
    -------
    DataFrame
        One row per group: `rule`, `dataset`, `view`, `encoder`, `method`, `jobs`, `done` (those
        whose results are there, but for checkpoints), `seconds`, `bytes` and `kept` (bytes without
        checkpoints), means of one job; NaN if none has been measured with the present settings.
    """
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.group, []).append(job)
    rows = []
    for group, members in groups.items():
        there = [job for job in members if all(path.exists() for path in job.kept)]
        found = [m for m in map(_measured, there[:SAMPLE]) if m]
        means = np.mean(found, axis=0) if found else [np.nan] * 3
        rows.append((*group, len(members), len(there), *means))
    return pd.DataFrame(rows, columns=[*GROUP, "jobs", "done", "seconds", "bytes", "kept"])


def report(table: pd.DataFrame) -> str:
    """Say what `estimate` found: a line per rule, the sum, and what has not been measured."""
    table = table.assign(
        hours=table["jobs"] * table["seconds"] / 3600,
        to_do=(table["jobs"] - table["done"]) * table["seconds"] / 3600,
        disk=table["jobs"] * table["bytes"] / 1e9,
        results=table["jobs"] * table["kept"] / 1e9,
    )
    columns = ["jobs", "done", "hours", "to_do", "disk", "results"]
    sums = table.groupby("rule", sort=False)[columns].sum()
    on_gpu = sums[sums.index.isin(GPU_RULES)].sum()
    lines = [
        f"{'rule':<10}{'jobs':>9}{'done':>9}{'hours':>12}{'still to do':>13}"
        f"{'GB, keep all':>15}{'GB, results':>14}"
    ]
    for rule, row in [*sums.iterrows(), ("all", sums.sum())]:
        lines.append(
            f"{rule:<10}{row['jobs']:>9.0f}{row['done']:>9.0f}{row['hours']:>12.2f}"
            f"{row['to_do']:>13.2f}{row['disk']:>15.3f}{row['results']:>14.3f}"
        )
    lines.append(
        f"GPU-hours: {on_gpu['hours']:.2f}, of which still to do {on_gpu['to_do']:.2f} "
        f"({', '.join(GPU_RULES)}), as long as jobs take on the device that ran them"
    )
    of_a_run = (table["bytes"] - table["kept"]).groupby([table[key] for key in ARM]).sum().max()
    lines.append(
        f"`keep: results` takes up to {of_a_run / 1e9:.3f} GB more for each run under way, whose "
        "checkpoints are still needed: about as many runs as jobs at a time"
    )
    unknown = table[table["seconds"].isna()]
    if len(unknown):
        lines.append(
            f"not in these sums: {unknown['jobs'].sum()} jobs of which none has run with the "
            "present settings. Run a part first, such as one angle: --config 'angles=[0]'"
        )
        lines += [f"  {' · '.join(row)}" for row in unknown[GROUP].to_numpy()]
    return "\n".join(lines)
