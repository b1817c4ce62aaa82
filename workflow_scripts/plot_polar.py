"""Rule plot_polar: results/tables/dice.csv → results/plots/polar-{dataset}.*."""

from thetascope.figures.curves import polar_figure
from thetascope.figures.style import save
from thetascope.job import job
from thetascope.provenance import read_csv, record

with job(snakemake):
    table = read_csv(snakemake.input[0])
    figure = polar_figure(table[table["dataset"] == snakemake.wildcards.dataset])
    save(figure, snakemake.output, record(snakemake))
