"""Trainings to watch while they run: what a log says of every epoch, as files for TensorBoard."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imports torch, and most jobs train nothing
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)


class EventFiles(logging.Handler):
    """Writes an epoch's numbers into event files, when the epoch is logged with them.

    A training logs them as `extra={"scalars": {"epoch": 3, "loss": 0.5, …}}`. What cannot be
    written is said once in the log: no training ends because it cannot be watched.

    Parameters
    ----------
    folder : Path
        Of this training alone, made with its first epoch. A training that begins anew clears it;
        one that goes on after an interruption adds a file. TensorBoard then takes no notice of
        epochs in older files that come again.
    stage : str
        What stands before the names of the curves, such as `pretrain`.
    """

    def __init__(self, folder: Path, stage: str) -> None:
        super().__init__()
        self.folder, self.stage = folder, stage
        self._writer: SummaryWriter | None = None
        self._failed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write the numbers of a log line, if it has any; they are on the disk afterwards."""
        scalars = getattr(record, "scalars", None)
        if scalars is None or self._failed:
            return
        try:
            self._write(scalars)
        except Exception as error:
            self._failed = True
            log.warning("no files for TensorBoard in %s: %s", self.folder, error)

    def close(self) -> None:
        """End the thread that writes: a warm worker goes on to other trainings."""
        if self._writer is not None:
            self._writer.close()
        super().close()

    def _write(self, scalars: Mapping[str, float]) -> None:
        epoch = int(scalars["epoch"])
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            if epoch == 1:
                for old in self.folder.glob("events.out.tfevents.*"):
                    old.unlink()
            self._writer = SummaryWriter(self.folder, purge_step=epoch)
        for name, value in scalars.items():
            if name != "epoch" and not math.isnan(value):  # Dice without any foreground
                self._writer.add_scalar(f"{self.stage}/{name}", value, epoch)
        self._writer.flush()
