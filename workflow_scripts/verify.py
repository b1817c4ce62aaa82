"""Rule verify: some finished cells, by lot, computed again → what differs, on the terminal."""

import random
from pathlib import Path

from thetascope.engine.job import job
from thetascope.engine.verify import recompute, report
from thetascope.errors import UserError

with job(snakemake):
    params = snakemake.params
    finished = [path for path in params.scores if Path(path).exists()]
    if not finished:
        raise UserError("verify: nothing is finished yet; run the experiment first")
    # another sample every time: after some runs most cells have been looked at
    sample = random.sample(finished, min(params.cells, len(finished)))
    table = recompute(sample, params.folders, snakemake.config, Path(params.snakefile))
    print("computed again:", *sample, sep="\n  ")
    print(report(table))
    if snakemake.config["keep"] == "results":
        print("not compared: checkpoints, which are not kept; what was made of them was")
    if not table["identical"].all():
        raise UserError("verify: results differ from what the same configuration makes here")
