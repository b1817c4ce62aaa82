"""Rule plot_periodogram: periodogram.csv, dice.csv → results/plots/periodogram-{dataset}.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import read_table, record
from thetascope.report.figures.periods import periodogram_figure
from thetascope.report.figures.style import save

with job(snakemake):
    names, dataset = ("periodogram", "dice"), snakemake.wildcards.dataset
    tables = [read_table(snakemake.input[name]) for name in names]
    of_set = [table[table["dataset"] == dataset] for table in tables]
    figure = periodogram_figure(*of_set, snakemake.params.periods, snakemake.params.confidence)
    save(figure, snakemake.output, record(snakemake))
