"""Rule dice_table: dice_per_item.parquet → results/tables/dice.csv."""

from thetascope.analysis import scores, tables
from thetascope.engine.job import job
from thetascope.files import record, write_csv

with job(snakemake):
    analysis = snakemake.params.analysis
    table = tables.dice_table(
        scores.read_scores(snakemake.input[0]),
        analysis["bootstrap"],
        analysis["confidence"],
        analysis["seed"],
    )
    write_csv(table, snakemake.output[0], record(snakemake))
