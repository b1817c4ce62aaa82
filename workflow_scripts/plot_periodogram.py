"""Rule plot_periodogram: periodogram.csv, dice.csv → results/plots/periodogram-{dataset}.*."""

from thetascope.figures.curves import periodogram_figure
from thetascope.figures.style import save
from thetascope.job import job
from thetascope.provenance import read_csv, record

with job(snakemake):
    names, dataset = ("periodogram", "dice"), snakemake.wildcards.dataset
    tables = [read_csv(snakemake.input[name]) for name in names]
    of_set = [table[table["dataset"] == dataset] for table in tables]
    figure = periodogram_figure(*of_set, snakemake.params.confidence)
    save(figure, snakemake.output, record(snakemake))
