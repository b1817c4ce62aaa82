"""Which jobs failed, why, and what to do: said once more at the very end of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SHOWN = 5
SILENT = (
    "it ended without a word in its log. See above; if there is nothing, it was killed: by Ctrl-C, "
    "or for want of memory or time; then ask for more (`mem_mb`, `runtime`) or run fewer at once"
)
Stamp = tuple[int, int] | None


class Failures:
    """Keeps account of jobs that fail, as `hooks.follow_progress` tells it.

    A job that is tried again, and then finishes, did not fail. A log that a job left as it was
    before it began is that of an earlier run, and says nothing about this one.
    """

    def __init__(self) -> None:
        self._begun: dict[int, tuple[str, Stamp]] = {}
        self._failed: dict[int, tuple[Path | None, str]] = {}  # log and reason

    def begin(self, job: int, rule: str, wildcards: Mapping[str, Any], log: Sequence[str]) -> None:
        """A job begins, or begins again."""
        where = ", ".join(f"{key}={value}" for key, value in wildcards.items())
        self._begun[job] = f"{rule} ({where})" if where else rule, _stamp(log)

    def fail(self, job: int, log: Sequence[str]) -> Path | None:
        """A job fails: give the log that it wrote, or else the cluster, if there is one."""
        _, before = self._begun.get(job, ("", None))
        own = [path for path in log[:1] if _stamp([path]) != before]
        written = next((Path(path) for path in [*own, *log[1:]] if _stamp([path])), None)
        # now: at the end of the run the path may lead elsewhere, with `--directory`
        self._failed[job] = written, reason(written) if written else SILENT
        return written

    def finish(self, job: int) -> None:
        """A job is done, perhaps after it had failed."""
        self._failed.pop(job, None)

    def __str__(self) -> str:
        """What a person needs to know; nothing where nothing failed."""
        if not self._failed:
            return ""
        n = len(self._failed)
        lines = ["", f"{n} job{'s' * (n > 1)} failed:"]
        for job, (log, why) in list(self._failed.items())[:SHOWN]:
            name, _ = self._begun.get(job, (f"job {job}", None))
            lines.append(f"- {why if why.startswith(name) else f'{name}: {why}'}")
            if log:
                lines.append(f"  log: {log}")
        if n > SHOWN:
            lines.append(f"- and {n - SHOWN} more, named above")
        lines.append("What other jobs made stays. Fix this, then start the same command again.")
        return "\n".join(lines)


def _stamp(log: Sequence[str]) -> Stamp:
    """What changes when a log is written; None without one."""
    try:
        status = Path(log[0]).stat()
    except (OSError, IndexError):
        return None
    return status.st_mtime_ns, status.st_size


def reason(log: Path) -> str:
    """Why a job failed: the last error of its log, of a traceback the line with the exception.

    Parameters
    ----------
    log : path
        As `job.job` writes it; of another log, the last line.
    """
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    last = text.splitlines()[-1] if text else SILENT
    _, error, message = text.rpartition(" ERROR ")
    if not error:
        return SILENT if " INFO " in last else last
    if "\nTraceback " not in message:
        return message.partition(": ")[2]
    # below the last frame; what follows may be advice, as CUDA gives it
    _, _, end = message.rpartition("\n  File ")
    return next((line for line in end.splitlines()[1:] if line[:1].strip()), last)


def last_lines(log: Path | None, count: int = 10) -> str:
    """The end of the log of a job that failed, below its path."""
    if log is None:
        return "the job left no log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([f"the last lines of {log}:", *lines[-count:]])
