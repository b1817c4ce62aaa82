"""Rule verdict: what the tables over θ say → verdict.csv, verdict.md."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis import statements, verdict
from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import atomic, read_table, record, write_table

with job(snakemake):
    params, analysis = snakemake.params, Analysis(**snakemake.params.analysis)
    tables = {name: read_table(path) for name, path in snakemake.input.items()}
    table = verdict.verdict_table(tables, analysis, params.views)
    write_table(table, snakemake.output.table[0], record(snakemake))
    with atomic(snakemake.output.page) as temporary:
        temporary.write_text(statements.page(table, tables, analysis), encoding="utf-8")
