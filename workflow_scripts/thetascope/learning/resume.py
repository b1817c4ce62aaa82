"""Training that goes on from its last saved epoch after an interruption.

Snakemake deletes the outputs of a job before it runs it again, so the state of an unfinished
training lies elsewhere, under `results/state/`. It is used only by the very same job: same
settings, code, versions and inputs.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from thetascope.errors import UserError
from thetascope.learning import checkpoints

log = logging.getLogger(__name__)


class State:
    """Where a training job keeps what it needs to go on.

    Parameters
    ----------
    path : path
        The file.
    record : mapping
        What the results will be made by, see `files.record`.
    inputs : sequence of path
        Files that the training reads.
    interval : float
        Seconds from one saving to the next; what an interruption can cost.
    """

    def __init__(
        self, path: str | Path, record: Mapping[str, Any], inputs: list[str], interval: float
    ) -> None:
        digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
        for name in inputs:
            digest.update(hashlib.sha256(Path(name).read_bytes()).digest())
        self.path, self.key, self.interval = Path(path), digest.hexdigest(), interval
        self.saved = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """What was last saved by this very job; None if there is nothing."""
        if not self.path.exists():
            return None
        try:
            contents = checkpoints.load(self.path)
        except UserError as error:
            log.warning("%s; starting over", error)
            return None
        if contents.get("key") != self.key:
            log.info("%s is of another job; starting over", self.path)
            return None
        log.info("going on from %s", self.path)
        return contents

    def save(self, **contents: object) -> None:
        """Save, unless it was done less than `interval` seconds ago."""
        if time.monotonic() - self.saved >= self.interval:
            checkpoints.save(self.path, {}, key=self.key, **contents)
            self.saved = time.monotonic()

    def remove(self) -> None:
        """Forget the state: the results are written."""
        self.path.unlink(missing_ok=True)
