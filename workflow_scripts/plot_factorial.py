"""Rule plot_factorial: results/tables/dice.csv → results/plots/factorial-{dataset}.*."""

from thetascope.figures.curves import factorial_figure
from thetascope.figures.style import save
from thetascope.job import job
from thetascope.provenance import read_csv, record

with job(snakemake):
    table = read_csv(snakemake.input[0])
    of_set = table[table["dataset"] == snakemake.wildcards.dataset]
    figure = factorial_figure(of_set, "auroc")
    save(figure, snakemake.output, record(snakemake))
