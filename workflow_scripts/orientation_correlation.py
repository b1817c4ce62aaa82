"""Rule orientation_correlation: curves over θ and orientation.csv → orientation_correlation.csv."""

from thetascope.job import job
from thetascope.orientation import correlation_table
from thetascope.provenance import read_csv, read_parquet, record, write_csv

with job(snakemake):
    table = correlation_table(
        read_parquet(snakemake.input.scores), read_csv(snakemake.input.orientation)
    )
    write_csv(table, snakemake.output[0], record(snakemake))
