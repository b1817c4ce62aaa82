"""Rule table_page: results/tables/{table}.csv → results/pages/{table}.html."""

from thetascope.job import job
from thetascope.pages import table_page
from thetascope.provenance import atomic, read_csv

with job(snakemake):
    text = table_page(read_csv(snakemake.input[0]), snakemake.wildcards.table)
    with atomic(snakemake.output[0]) as temporary:
        temporary.write_text(text, encoding="utf-8")
