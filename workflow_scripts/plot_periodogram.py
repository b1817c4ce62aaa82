"""Rule plot_periodogram: periodogram.csv, dice.csv → results/plots/periodogram-{dataset}.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import read_table, record
from thetascope.report.figures.panels import rows_of
from thetascope.report.figures.periods import periodogram_figure
from thetascope.report.figures.style import save

with job(snakemake):
    names, dataset = ("periodogram", "dice"), snakemake.wildcards.dataset
    of_set = [rows_of(read_table(snakemake.input[name]), dataset=dataset) for name in names]
    figure = periodogram_figure(*of_set, snakemake.params.periods, snakemake.params.confidence)
    save(figure, snakemake.output, record(snakemake))
