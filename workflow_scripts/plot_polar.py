"""Rule plot_polar: dice.csv, noise.csv → results/plots/polar-{dataset}.*."""

from thetascope.figures.curves import polar_figure
from thetascope.figures.style import save
from thetascope.job import job
from thetascope.provenance import read_csv, record

with job(snakemake):
    names, dataset = ("dice", "noise"), snakemake.wildcards.dataset
    tables = [read_csv(snakemake.input[name]) for name in names]
    of_set = [table[table["dataset"] == dataset] for table in tables]
    figure = polar_figure(*of_set, snakemake.params.confidence)
    save(figure, snakemake.output, record(snakemake))
