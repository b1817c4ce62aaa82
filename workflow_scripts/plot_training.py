"""Rule plot_training: results/tables/training.parquet → results/plots/training-{dataset}.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import read_parquet, record
from thetascope.report.figures.style import save
from thetascope.report.figures.training import training_figure

with job(snakemake):
    of_set = [("dataset", "==", snakemake.wildcards.dataset)]
    table = read_parquet(snakemake.input[0], filters=of_set)
    save(training_figure(table), snakemake.output, record(snakemake))
