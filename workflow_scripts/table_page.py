"""Rule table_page: results/tables/{table}.csv → results/pages/{table}.html."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import atomic, read_table, record
from thetascope.report.pages import table_page

with job(snakemake):
    table, name = read_table(snakemake.input[0]), snakemake.wildcards.table
    text = table_page(table, name, record(snakemake))
    with atomic(snakemake.output[0]) as temporary:
        temporary.write_text(text, encoding="utf-8")
