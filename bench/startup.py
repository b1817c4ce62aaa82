"""What a job costs before its first training step: by itself, and as a fork.

Usage: python bench/startup.py [pairs]; a minute on two cores. CPU seconds of everything: the job's
own process and, where there is one, its fork. Both kinds take turns.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from thetascope.engine import prefork

# what rule pretrain does until it trains, down to the first step
JOB = """
from thetascope.engine import prefork
prefork.hand_over()
import resource
from thetascope import angles
from thetascope.learning import checkpoints, pretraining, resume, rotation, runtime
from thetascope.learning.encoders import Encoder
runtime.setup("cpu", 1)
Encoder("efficientnet_lite0", 3)
usage = resource.getrusage(resource.RUSAGE_SELF)
print(usage.ru_utime + usage.ru_stime)
"""


def run(script: str, address: str | None) -> tuple[float, float]:
    """CPU seconds and wall seconds of one job."""
    environment = os.environ | ({prefork.ADDRESS: address} if address else {})
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [sys.executable, script]
    said = subprocess.run(command, env=environment, check=True, capture_output=True).stdout
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begun
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # a fork is no child of ours and says itself what it took
    return (own + float(said) if address else own), wall


def main(pairs: int) -> None:
    """Print medians of both, and of their ratio pair by pair."""
    script = Path(tempfile.mkdtemp()) / "job.py"
    script.write_text(JOB)
    prefork.start()
    address = os.environ.pop(prefork.ADDRESS)
    run(str(script), address)  # waits until the parent has imported all
    alone, forked = zip(
        *((run(str(script), None), run(str(script), address)) for _ in range(pairs)), strict=True
    )
    for name, jobs in ("by itself", alone), ("as a fork", forked):
        cpu, wall = (statistics.median(values) for values in zip(*jobs, strict=True))
        print(f"{name}: {cpu:.2f} s CPU, {wall:.2f} s wall")
    for what, i in ("CPU", 0), ("wall", 1):
        ratio = statistics.median(a[i] / f[i] for a, f in zip(alone, forked, strict=True))
        print(f"{what}, by itself / as a fork: {ratio:.1f} (median of {pairs} pairs)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
