"""The frame around each rule's script: logging, errors, and what the job took."""

from __future__ import annotations

import errno
import logging
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from thetascope.engine import prefork
from thetascope.engine.watching import EventFiles
from thetascope.errors import UserError
from thetascope.files import atomic

# as torch says it, whoever asked for the memory: its allocator, CUDA itself, or cuBLAS
MEMORY_IS_FULL = re.compile("out of memory|ALLOC_FAILED")
NO_WRITING = errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Log to the rule's log file and to the terminal; leave no error unexplained; measure.

    The log file gets one line per epoch and, where something fails, the traceback; the terminal
    gets warnings and errors. A `UserError` shows its message alone. What a finished job took is
    written below `benchmarks/`, which mirrors `logs/`: Snakemake's own measurement knows nothing of
    work that is handed over (see `prefork`). With `logging: tensorboard` the numbers of every epoch
    go into event files too, in a folder beside the log file that has its name.

    Parameters
    ----------
    snakemake : object
        What Snakemake hands to a script.
    """
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    file, terminal = logging.FileHandler(path, mode="w"), logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    handlers: list[logging.Handler] = [file, terminal]
    if snakemake.config.get("logging") == "tensorboard":
        handlers.append(EventFiles(path.with_suffix(""), snakemake.rule))
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=handlers,
    )
    where = ", ".join(f"{k}={v}" for k, v in snakemake.wildcards.items())
    log = logging.getLogger(f"thetascope.{snakemake.rule}")
    log.info("start %s", where)
    _, begun = prefork.taken()
    try:
        yield
    except UserError as error:
        log.error("%s (%s): %s", snakemake.rule, where, error)
        sys.exit(1)
    except Exception as error:
        reason: Any = error  # torch hides a full disk behind an error of its own
        while reason and not isinstance(reason, OSError):
            reason = reason.__context__
        if reason and reason.errno in NO_WRITING:
            log.error(
                "%s (%s): %s; make room or make it writable, then start again: "
                "what is finished stays",
                *(snakemake.rule, where, reason),
            )
            sys.exit(1)
        log.exception("%s (%s) failed; this log: %s", snakemake.rule, where, path)
        if MEMORY_IS_FULL.search(str(error)):  # last: the end of a run repeats it
            log.error(
                "the GPU's memory is full: lower `gpu_slots`, the number of jobs that share it, or "
                "`pretrain.batch_size`, `finetune.batch_size` or `saliency.chunk_size`, whichever "
                "belongs to this rule"
            )
        sys.exit(1)
    log.info("done")
    seconds, used = prefork.taken()
    took = {
        "s": seconds,
        "cpu_time": used,
        "cpu_start": begun,
        "max_rss": _largest_memory(),
        # for `estimate`, who may find that checkpoints are gone
        "bytes": sum(Path(file).stat().st_size for file in snakemake.output),
    }
    with atomic(Path("benchmarks", *path.parts[1:]).with_suffix(".tsv")) as temporary:
        numbers = (f"{value:.2f}" for value in took.values())
        temporary.write_text("\t".join(took) + "\n" + "\t".join(numbers) + "\n")


def _largest_memory() -> float:
    """MB that this process had at most: macOS counts in bytes, Linux in kB."""
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
