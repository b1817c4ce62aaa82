"""Rule verdict: oscillation, noise, interaction, reliability → verdict.csv, verdict.md."""

from thetascope.analysis import verdict
from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import atomic, read_table, record, write_table

with job(snakemake):
    given, analysis = snakemake.input, Analysis(**snakemake.params.analysis)
    tables = [read_table(given[name]) for name in ("oscillation", "noise", "reliability")]
    table = verdict.verdict_table(*tables, analysis, snakemake.params.shams)
    page = verdict.page(table, read_table(given.interaction), analysis)
    write_table(table, snakemake.output.table[0], record(snakemake))
    with atomic(snakemake.output.page) as temporary:
        temporary.write_text(page, encoding="utf-8")
