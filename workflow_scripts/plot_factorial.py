"""Rule plot_factorial: results/tables/dice.csv → results/plots/factorial-{dataset}.svg."""

from thetascope.figures import factorial_figure
from thetascope.job import job
from thetascope.provenance import read_csv

with job(snakemake):
    table = read_csv(snakemake.input[0])
    of_set = table[table["dataset"] == snakemake.wildcards.dataset]
    factorial_figure(of_set, "auroc", snakemake.output[0])
