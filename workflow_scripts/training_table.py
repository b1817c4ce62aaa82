"""Rule training_table: pretrain.csv and finetune.csv of all runs → training.parquet."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

import pyarrow as pa

from thetascope.analysis import tables
from thetascope.engine.job import job
from thetascope.files import record, write_parquet

with job(snakemake):
    given, params = snakemake.input, snakemake.params
    stages = {"pretrain": (given.pretrain, params.runs), "finetune": (given.finetune, params.tuned)}
    table = tables.training_table(stages)
    made_by = record(snakemake)
    made_by["params"] = {"code": params.code}  # the runs are columns already
    write_parquet([pa.Table.from_pandas(table, preserve_index=False)], snakemake.output[0], made_by)
