"""Rule segmentation_table: every segmentation.csv → results/tables/segmentation.csv."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis import tables
from thetascope.analysis.scores import per_item
from thetascope.analysis.settings import Bootstrap
from thetascope.engine.job import job
from thetascope.files import record, write_table

with job(snakemake):
    scores = per_item(snakemake.input, snakemake.params.wildcards)
    bootstrap = Bootstrap(**snakemake.params.intervals)
    table = tables.segmentation_table(scores, bootstrap)
    made_by = record(snakemake)
    del made_by["params"]["wildcards"]  # one entry per run: they are in the rows
    write_table(table, snakemake.output[0], made_by)
