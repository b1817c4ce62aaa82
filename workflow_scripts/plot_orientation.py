"""Rule plot_orientation: results/orientation/{dataset}/*.csv → orientation-{dataset}.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import read_csv, record
from thetascope.report.figures.orientation import orientation_figure
from thetascope.report.figures.style import save

with job(snakemake):
    names = ("histogram", "autocorrelation", "hog_svm")
    tables = [read_csv(snakemake.input[name]) for name in names]
    figure = orientation_figure(*tables, snakemake.wildcards.dataset)
    save(figure, snakemake.output, record(snakemake))
