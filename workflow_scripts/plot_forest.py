"""Rule plot_forest: verdict.csv → results/plots/forest.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import read_table, record
from thetascope.report.figures.forest import forest_figure
from thetascope.report.figures.style import save

with job(snakemake):
    verdicts, analysis = read_table(snakemake.input[0]), Analysis(**snakemake.params.analysis)
    save(forest_figure(verdicts, analysis), snakemake.output, record(snakemake))
