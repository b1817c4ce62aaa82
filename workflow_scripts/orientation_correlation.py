"""Rule orientation_correlation: curves over θ and orientation.csv → orientation_correlation.csv."""

from thetascope.job import job
from thetascope.orientation import correlation_table
from thetascope.provenance import read_csv, record, write_csv
from thetascope.tables import read_scores

with job(snakemake):
    table = correlation_table(
        read_scores(snakemake.input.scores), read_csv(snakemake.input.orientation)
    )
    write_csv(table, snakemake.output[0], record(snakemake))
