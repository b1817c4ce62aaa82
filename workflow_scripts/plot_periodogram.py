"""Rule plot_periodogram: results/tables/periodogram.csv → results/plots/periodogram-{dataset}.*."""

from thetascope.figures.curves import periodogram_figure
from thetascope.figures.style import save
from thetascope.job import job
from thetascope.provenance import read_csv, record

with job(snakemake):
    table, dataset = read_csv(snakemake.input[0]), snakemake.wildcards.dataset
    figure = periodogram_figure(table[table["dataset"] == dataset], dataset)
    save(figure, snakemake.output, record(snakemake))
