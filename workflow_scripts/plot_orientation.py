"""Rule plot_orientation: results/orientation/{dataset}/*.csv → orientation-{dataset}.*."""

from thetascope.figures.orientation import orientation_figure
from thetascope.figures.style import save
from thetascope.job import job
from thetascope.provenance import read_csv, record

with job(snakemake):
    names = ("histogram", "autocorrelation", "hog_svm")
    tables = [read_csv(snakemake.input[name]) for name in names]
    figure = orientation_figure(*tables, snakemake.wildcards.dataset)
    save(figure, snakemake.output, record(snakemake))
