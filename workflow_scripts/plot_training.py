"""Rule plot_training: results/tables/training.parquet → results/plots/training-{dataset}.*."""

from thetascope.figures.style import save
from thetascope.figures.training import training_figure
from thetascope.job import job
from thetascope.provenance import read_parquet, record

with job(snakemake):
    of_set = [("dataset", "==", snakemake.wildcards.dataset)]
    table = read_parquet(snakemake.input[0], filters=of_set)
    save(training_figure(table), snakemake.output, record(snakemake))
