"""Rule plot_patterns: dice.csv → results/plots/patterns.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import read_table, record
from thetascope.report.figures.patterns import patterns_figure
from thetascope.report.figures.style import save

with job(snakemake):
    figure = patterns_figure(read_table(snakemake.input[0]), snakemake.params.confidence)
    save(figure, snakemake.output, record(snakemake))
