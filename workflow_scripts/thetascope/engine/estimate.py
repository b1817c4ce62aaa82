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
from thetascope.files import DamagedError, read_record
from thetascope.vocabulary import ARM

CHECKPOINT = ".pt"  # what `keep: results` does not keep
SAMPLE = 10  # measured jobs that are looked at per group
GROUP = ["rule", *ARM]
MEANS, WHERE = ("seconds", "bytes", "kept"), ("device", "precision")


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
    precision: str,
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
    precision : str
        Of networks, as the configuration has it.
    """
    for names in wildcards:
        place = folder.format(**names)
        params: dict[str, Any] = {"settings": settings}
        if rule in GPU_RULES:  # the others compute with no network, and rotate no picture
            params |= {"view": views[names["view"]], "precision": precision}
        yield Job(
            (rule, *(names[key] for key in GROUP[1:])),
            Path("benchmarks", place, f"{rule}.tsv"),
            [Path("results", place, name) for name in outputs],
            params,
        )


def _measured(job: Job) -> dict[str, Any] | None:
    """What it took and on which device, if it ran with the settings of now."""
    try:
        took = pd.read_csv(job.benchmark, sep="\t").iloc[0]
        seconds, size = float(took["s"]), float(took["bytes"])
        kept = sum(path.stat().st_size for path in job.kept)
        made_by = read_record(job.outputs[0])
        params = made_by["params"]
    except (OSError, KeyError, ValueError, DamagedError):  # never run, or deleted since
        return None
    current = json.loads(json.dumps(job.params))
    if {key: params.get(key) for key in current} != current:
        return None
    where = {"device": made_by.get("device", ""), "precision": made_by.get("precision", "")}
    return {"seconds": seconds, "bytes": size, "kept": kept, **where}


def estimate(jobs: Iterable[Job], device: str) -> pd.DataFrame:
    """Count and extrapolate.

    Parameters
    ----------
    jobs : iterable of Job
        All jobs of the experiment.
    device : str
        As the configuration has it. Only jobs of that kind of device count as measured; of `auto`
        those on a GPU, if there are any.

    Returns
    -------
    DataFrame
        One row per group: `rule`, `dataset`, `view`, `encoder`, `method`, `jobs`, `done` (those
        whose results are there, but for checkpoints), `seconds`, `bytes` and `kept` (bytes without
        checkpoints), means of one job, NaN if none has been measured with the present settings;
        and `device` and `precision` of those that were, "" for rules without networks.
    """
    kind = device.partition(":")[0]
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.group, []).append(job)
    rows = []
    for group, members in groups.items():
        there = [job for job in members if all(path.exists() for path in job.kept)]
        found = [m for m in map(_measured, there[:SAMPLE]) if m]
        if group[0] in GPU_RULES:
            on_gpu = any(m["device"] == "cuda" for m in found)
            wanted = ("cuda" if on_gpu else "cpu") if kind == "auto" else kind
            found = [m for m in found if m["device"] == wanted]
        means = {key: np.mean([m[key] for m in found]) if found else np.nan for key in MEANS}
        where = {key: found[0][key] if found else "" for key in WHERE}
        counts = {"jobs": len(members), "done": len(there)}
        rows.append(dict(zip(GROUP, group, strict=True)) | counts | means | where)
    return pd.DataFrame(rows, columns=[*GROUP, "jobs", "done", *MEANS, *WHERE])


def report(table: pd.DataFrame) -> str:
    """Say what `estimate` found: a line per rule, the sum, and what has not been measured."""
    table = table.assign(
        hours=table["jobs"] * table["seconds"] / 3600,
        to_do=(table["jobs"] - table["done"]) * table["seconds"] / 3600,
        disk=table["jobs"] * table["bytes"] / 1e9,
        results=table["jobs"] * table["kept"] / 1e9,
    )
    columns = ["jobs", "done", "hours", "to_do", "disk", "results"]
    sums = table.groupby("rule", sort=False)[columns].sum(min_count=1)
    lines = [
        f"{'rule':<10}{'jobs':>9}{'done':>9}{'hours':>12}{'still to do':>13}"
        f"{'GB, keep all':>15}{'GB, results':>14}"
    ]
    for rule, row in [*sums.iterrows(), ("all", sums.sum(min_count=1))]:
        line = (
            f"{rule:<10}{row['jobs']:>9.0f}{row['done']:>9.0f}{row['hours']:>12.2f}"
            f"{row['to_do']:>13.2f}{row['disk']:>15.3f}{row['results']:>14.3f}"
        )
        lines.append(line.replace("nan", "  ?"))
    with_networks = table[table["rule"].isin(GPU_RULES) & table["seconds"].notna()]
    for (device, precision), rows in with_networks.groupby(list(WHERE)):
        lines.append(
            f"of these {rows['hours'].sum():.2f} hours are jobs with networks "
            f"{'on a GPU' if device == 'cuda' else 'on CPUs'} "
            f"in {precision}, {rows['to_do'].sum():.2f} of them still to do; "
            "where n jobs share a device it takes an n-th of that"
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
