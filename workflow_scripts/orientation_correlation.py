"""Rule orientation_correlation: curves over θ and orientation.csv → orientation_correlation.csv."""

from thetascope.analysis.orientation_correlation import correlation_table
from thetascope.analysis.scores import read_scores
from thetascope.engine.job import job
from thetascope.files import read_table, record, write_table

with job(snakemake):
    table = correlation_table(
        read_scores(snakemake.input.scores), read_table(snakemake.input.orientation)
    )
    write_table(table, snakemake.output[0], record(snakemake))
