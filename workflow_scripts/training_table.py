"""Rule training_table: pretrain.csv and finetune.csv of all runs → training.parquet."""

from thetascope import tables
from thetascope.job import job
from thetascope.provenance import record, write_parquet

with job(snakemake):
    stages = {stage: snakemake.input[stage] for stage in ("pretrain", "finetune")}
    table = tables.training_table(stages, snakemake.params.runs)
    made_by = record(snakemake)
    made_by["params"] = {"code": snakemake.params.code}  # the runs are columns already
    write_parquet(table, snakemake.output[0], made_by)
