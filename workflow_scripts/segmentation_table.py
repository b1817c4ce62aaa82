"""Rule segmentation_table: every segmentation.csv → results/tables/segmentation.csv."""

from thetascope.analysis import scores, tables
from thetascope.engine.job import job
from thetascope.files import record, write_csv

with job(snakemake):
    analysis = snakemake.params.analysis
    table = tables.segmentation_table(
        scores.per_item(snakemake.input, snakemake.params.wildcards),
        analysis["bootstrap"],
        analysis["confidence"],
        analysis["seed"],
    )
    made_by = record(snakemake)
    del made_by["params"]["wildcards"]  # one entry per run: they are in the rows
    write_csv(table, snakemake.output[0], made_by)
