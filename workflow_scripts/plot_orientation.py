"""Rule plot_orientation: results/orientation/{dataset}/*.csv → orientation-{dataset}.svg."""

from thetascope.figures import orientation_figure
from thetascope.job import job
from thetascope.provenance import read_csv

with job(snakemake):
    names = ("histogram", "autocorrelation", "hog_svm")
    tables = [read_csv(snakemake.input[name]) for name in names]
    orientation_figure(*tables, snakemake.output[0], snakemake.wildcards.dataset)
