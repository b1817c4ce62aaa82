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

import torch
from torch import Generator

from thetascope.errors import UserError
from thetascope.learning import checkpoints

log = logging.getLogger(__name__)


class State:
    """Where a training job keeps what it needs to go on.

    A loop calls `resume` before its first epoch and `save` after each, with the same parts.

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

    def resume(self, parts: Mapping[str, Any], generator: Generator) -> Any:
        """Bring parts, generator and torch's global random state to where they were saved.

        Parameters
        ----------
        parts : mapping of str to object
            All that changes in training, with `state_dict` and `load_state_dict`: modules,
            optimisers, queues.
        generator : Generator
            The job's random state.

        Returns
        -------
        object
            The `progress` that was saved; None, and nothing is changed, if this very job saved
            nothing or the file is damaged.
        """
        if not (saved := self._load()):
            return None
        for name, part in parts.items():
            part.load_state_dict(saved["parts"][name])
        generator.set_state(saved["generator"])
        torch.set_rng_state(saved["torch"])
        return saved["progress"]

    def _load(self) -> dict[str, Any] | None:
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

    def save(self, parts: Mapping[str, Any], generator: Generator, progress: object) -> None:
        """Save what `resume` needs, unless it was done less than `interval` seconds ago.

        `progress` is plain values and tensors, such as the rows of all epochs until now.
        """
        if time.monotonic() - self.saved >= self.interval:
            checkpoints.save(
                self.path,
                {},
                key=self.key,
                parts={name: part.state_dict() for name, part in parts.items()},
                generator=generator.get_state(),
                torch=torch.get_rng_state(),
                progress=progress,
            )
            self.saved = time.monotonic()

    def remove(self) -> None:
        """Forget the state: the results are written."""
        self.path.unlink(missing_ok=True)
