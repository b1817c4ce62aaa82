"""Rule dice_per_item: dice.csv, probe.csv, segmentation.csv of all runs → dice_per_item.parquet."""

import pandas as pd

from thetascope import tables
from thetascope.job import job
from thetascope.provenance import record, write_parquet

with job(snakemake):
    given, params = snakemake.input, snakemake.params
    scores = pd.concat(
        [
            tables.per_item([*given.maps, *given.probes], 2 * params.evaluations),
            tables.segmentation_scores(tables.per_item(given.segmentations, params.runs)),
        ],
        ignore_index=True,
    )
    made_by = record(snakemake)
    made_by["params"] = {"code": params.code}  # the many inputs' wildcards are columns already
    write_parquet(scores, snakemake.output[0], made_by)
