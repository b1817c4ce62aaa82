"""Rule orientation_tables: results/orientation/{dataset}/*.csv → one table of each kind."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis.scores import per_item
from thetascope.engine.job import job
from thetascope.files import record, write_table

with job(snakemake):
    for name, path in snakemake.output.items():
        table = per_item(snakemake.input[name], snakemake.params.wildcards)
        write_table(table, path[0], record(snakemake))
