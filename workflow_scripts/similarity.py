"""Rule similarity: features.npz of all runs of an arm → similarity.parquet, per item."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

import pyarrow as pa

from thetascope import angles
from thetascope.analysis.similarity import similarity_scores
from thetascope.engine.job import job
from thetascope.files import read_csv, record, write_parquet

with job(snakemake):
    given, runs = snakemake.input, snakemake.params.runs
    names = [(angles.degrees(angle), seed) for angle, seed in runs]
    files = dict(zip(names, given.features, strict=True))
    arm = dict(snakemake.wildcards.items())
    scores = similarity_scores(files, read_csv(given.manifest), arm)
    table = pa.Table.from_pandas(scores, preserve_index=False)
    made_by = record(snakemake)
    made_by["params"] = {"code": snakemake.params.code}  # the runs are columns already
    write_parquet([table], snakemake.output[0], made_by)
