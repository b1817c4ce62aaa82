"""Rule orientation_correlation: curves over θ and orientation.csv → orientation_correlation.csv."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis.curves import curves
from thetascope.analysis.orientation_correlation import correlation_table
from thetascope.analysis.scores import read_scores
from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import read_table, record, write_table

with job(snakemake):
    given, analysis = snakemake.input, Analysis(**snakemake.params.analysis)
    found, orientation = curves(read_scores(given.scores)), read_table(given.orientation)
    table = correlation_table(found, orientation, analysis.tests)
    write_table(table, snakemake.output[0], record(snakemake))
