"""Rule dice_table: dice_per_item.parquet → results/tables/dice.csv."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis.scores import read_scores
from thetascope.analysis.settings import Bootstrap
from thetascope.analysis.tables import dice_table
from thetascope.engine.job import job
from thetascope.files import record, write_table

with job(snakemake):
    bootstrap = Bootstrap(**snakemake.params.intervals)
    table = dice_table(read_scores(snakemake.input[0]), bootstrap)
    write_table(table, snakemake.output[0], record(snakemake))
