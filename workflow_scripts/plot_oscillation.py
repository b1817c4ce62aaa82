"""Rule plot_oscillation: results/tables/dice.csv → results/plots/oscillation-{dataset}.svg."""

from thetascope.figures import oscillation_figure
from thetascope.job import job
from thetascope.provenance import read_csv

with job(snakemake):
    table = read_csv(snakemake.input[0])
    oscillation_figure(table[table["dataset"] == snakemake.wildcards.dataset], snakemake.output[0])
