"""Rule dice_per_item: dice.csv, probe.csv, segmentation.csv of all runs → dice_per_item.parquet."""

from itertools import chain

import pyarrow as pa

from thetascope.analysis import scores
from thetascope.engine.job import job
from thetascope.files import record, write_parquet

with job(snakemake):
    given, params = snakemake.input, snakemake.params
    merged = scores.merge([*given.maps, *given.probes], 2 * params.evaluations)
    # empty throughout, it would be a column of no type
    phi = "pre_rotation"
    maps = (p.set_column(p.column_names.index(phi), phi, p[phi].cast("float64")) for p in merged)
    segmentations = scores.segmentation_scores(scores.per_item(given.segmentations, params.runs))
    parts = chain(
        maps,
        [
            pa.Table.from_pandas(
                segmentations.assign(pre_rotation=float("nan")), preserve_index=False
            )
        ],
    )
    made_by = record(snakemake)
    made_by["params"] = {"code": params.code}  # the many inputs' wildcards are columns already
    write_parquet(parts, snakemake.output[0], made_by)
