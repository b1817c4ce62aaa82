"""Rule plot_training: results/tables/training.parquet → results/plots/training-{dataset}.*."""

import pandas as pd

from thetascope.figures.style import save
from thetascope.figures.training import training_figure
from thetascope.job import job
from thetascope.provenance import record

with job(snakemake):
    of_set = [("dataset", "==", snakemake.wildcards.dataset)]
    table = pd.read_parquet(snakemake.input[0], filters=of_set)
    save(training_figure(table), snakemake.output, record(snakemake))
