"""Rule dice_table: dice_per_item.parquet → results/tables/dice.csv."""

from thetascope import tables
from thetascope.job import job
from thetascope.provenance import record, write_csv

with job(snakemake):
    analysis = snakemake.params.analysis
    table = tables.dice_table(
        tables.read_scores(snakemake.input[0]),
        analysis["bootstrap"],
        analysis["confidence"],
        analysis["seed"],
    )
    write_csv(table, snakemake.output[0], record(snakemake))
