"""Rule plot_specification: verdict, oscillation, metrics → results/plots/specification.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import read_table, record
from thetascope.report.figures.specification import specification_figure
from thetascope.report.figures.style import save

with job(snakemake):
    tables = (read_table(snakemake.input[name]) for name in ("verdict", "oscillation", "metrics"))
    figure = specification_figure(*tables, Analysis(**snakemake.params.analysis))
    save(figure, snakemake.output, record(snakemake))
