"""Rule orientation_tables: results/orientation/{dataset}/*.csv → one table of each kind."""

from thetascope.job import job
from thetascope.provenance import record, write_csv
from thetascope.tables import per_item

with job(snakemake):
    for name, path in snakemake.output.items():
        table = per_item(snakemake.input[name], snakemake.params.wildcards)
        write_csv(table, path, record(snakemake))
