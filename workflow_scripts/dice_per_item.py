"""Rule dice_per_item: scores of maps, probes, segmentation, similarity → one Parquet file."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from itertools import chain

import pyarrow as pa

from thetascope.analysis import scores
from thetascope.engine.job import job
from thetascope.files import record, stream_parquet, write_parquet

with job(snakemake):
    given, params = snakemake.input, snakemake.params
    names = [*params.scored, *params.evaluations, *params.perceptrons]
    maps = scores.merge([*given.maps, *given.probes, *given.perceptrons], names)
    parts = [maps, *(stream_parquet(file, scores.COLUMNS) for file in given.similarities)]
    if given.segmentations:
        of_runs = scores.per_item(given.segmentations, params.tuned)
        segmentations = scores.segmentation_scores(of_runs)
        parts.insert(1, [pa.Table.from_pandas(segmentations, preserve_index=False)])
    made_by = record(snakemake)
    made_by["params"] = {"code": params.code}  # the many inputs' wildcards are columns already
    rows = chain.from_iterable(map(scores.by_arm, chain.from_iterable(parts)))
    write_parquet(rows, snakemake.output[0], made_by)
