"""Rule benchmarks_table: benchmark files of all runs → results/tables/benchmarks.csv."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from pathlib import Path

from thetascope.analysis import tables
from thetascope.engine.job import job
from thetascope.files import record, write_table

with job(snakemake):
    measured = {
        path: {"rule": rule, **names}
        for rule, folder, _, wildcards in snakemake.params.stages
        for names in wildcards
        if (path := Path("benchmarks", folder.format(**names), f"{rule}.tsv")).exists()
    }
    table = tables.benchmarks_table(list(measured), list(measured.values()))
    made_by = record(snakemake)
    made_by["params"] = {"code": snakemake.params.code}
    write_table(table, snakemake.output[0], made_by)
