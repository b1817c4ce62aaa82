"""Rule orientation_tables: results/orientation/{dataset}/*.csv → one table of each kind."""

from thetascope.analysis.scores import per_item
from thetascope.engine.job import job
from thetascope.files import record, write_table

with job(snakemake):
    for name, path in snakemake.output.items():
        table = per_item(snakemake.input[name], snakemake.params.wildcards)
        write_table(table, path[0], record(snakemake))
