"""Rule table_page: results/tables/{table}.csv → results/pages/{table}.html."""

from thetascope.job import job
from thetascope.pages import TITLES, table_page
from thetascope.provenance import atomic, read_csv, record

with job(snakemake):
    title = TITLES[snakemake.wildcards.table]
    text = table_page(read_csv(snakemake.input[0]), title, record(snakemake))
    with atomic(snakemake.output[0]) as temporary:
        temporary.write_text(text, encoding="utf-8")
