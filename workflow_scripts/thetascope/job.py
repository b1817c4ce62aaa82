"""The frame around each rule's script: logging and errors."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from thetascope.errors import UserError


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Log to the rule's log file and to the terminal; leave no error unexplained.

    The log file gets one line per epoch and, where something fails, the traceback; the terminal
    gets warnings and errors. A `UserError` shows its message alone.

    Parameters
    ----------
    snakemake : object
        What Snakemake hands to a script.
    """
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    file, terminal = logging.FileHandler(path, mode="w"), logging.StreamHandler()
    terminal.setLevel(logging.WARNING)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[file, terminal],
    )
    where = ", ".join(f"{k}={v}" for k, v in snakemake.wildcards.items())
    log = logging.getLogger(f"thetascope.{snakemake.rule}")
    log.info("start %s", where)
    try:
        yield
    except UserError as error:
        log.error("%s (%s): %s", snakemake.rule, where, error)
        sys.exit(1)
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which takes seconds to import
            log.error(
                "the GPU's memory is full: lower `pretrain.batch_size`, `finetune.batch_size` or "
                "`saliency.chunk_size`, whichever belongs to this rule"
            )
        log.exception("%s (%s) failed; this log: %s", snakemake.rule, where, path)
        sys.exit(1)
    log.info("done")
