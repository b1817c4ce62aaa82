"""Rule dice_per_item: dice.csv, probe.csv, segmentation.csv, similarity.csv → one Parquet file."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from itertools import chain

import pyarrow as pa

from thetascope.analysis import scores
from thetascope.engine.job import job
from thetascope.files import record, write_parquet

with job(snakemake):
    given, params = snakemake.input, snakemake.params
    maps = scores.merge([*given.maps, *given.probes], 2 * params.evaluations)
    segmentations = scores.segmentation_scores(scores.per_item(given.segmentations, params.runs))
    similarities = scores.merge(given.similarities, params.arms)
    parts = chain(maps, [pa.Table.from_pandas(segmentations, preserve_index=False)], similarities)
    made_by = record(snakemake)
    made_by["params"] = {"code": params.code}  # the many inputs' wildcards are columns already
    write_parquet(parts, snakemake.output[0], made_by)
