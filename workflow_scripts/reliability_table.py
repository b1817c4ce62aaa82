"""Rule reliability_table: every evaluation's reliability.csv → results/tables/reliability.csv."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis.reliability import reliability_table
from thetascope.analysis.scores import per_item
from thetascope.analysis.settings import Bootstrap
from thetascope.engine.job import job
from thetascope.files import record, write_table

with job(snakemake):
    halves = per_item(snakemake.input, snakemake.params.wildcards)
    table = reliability_table(halves, Bootstrap(**snakemake.params.intervals))
    made_by = record(snakemake)
    del made_by["params"]["wildcards"]  # one entry per evaluation
    write_table(table, snakemake.output[0], made_by)
