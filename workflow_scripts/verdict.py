"""Rule verdict: oscillation.csv, noise.csv, interaction.csv → verdict.csv, verdict.md."""

from thetascope.analysis import verdict
from thetascope.engine.job import job
from thetascope.files import atomic, read_csv, record, write_csv

with job(snakemake):
    given, params = snakemake.input, snakemake.params
    table = verdict.verdict_table(
        read_csv(given.oscillation), read_csv(given.noise), params.analysis, params.shams
    )
    page = verdict.page(table, read_csv(given.interaction), params.analysis)
    write_csv(table, snakemake.output.table, record(snakemake))
    with atomic(snakemake.output.page) as temporary:
        temporary.write_text(page, encoding="utf-8")
