"""Rule plan: the scores and benchmarks of a pilot → designs that would do, on the terminal."""

from thetascope.analysis.curves import curves
from thetascope.analysis.designs import design_table, report
from thetascope.analysis.scores import read_scores
from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import read_table

with job(snakemake):
    given, analysis = snakemake.input, Analysis(**snakemake.params.analysis)
    benchmarks = read_table(given.benchmarks)
    designs = design_table(curves(read_scores(given.scores)), benchmarks, analysis)
    print(report(designs, analysis.smallest_effect))
