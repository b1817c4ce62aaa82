"""Rule orientation: images.npy → histogram.csv, autocorrelation.csv of one data set."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis.gradient_orientation import orientation_tables
from thetascope.analysis.settings import Bootstrap
from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import record, write_csv

with job(snakemake):
    params, output = snakemake.params, snakemake.output
    histogram, autocorrelation = orientation_tables(
        read_array(snakemake.input.images),
        params.bins,
        params.thetas,
        Bootstrap(**params.intervals),
    )
    write_csv(histogram, output.histogram, record(snakemake))
    write_csv(autocorrelation, output.autocorrelation, record(snakemake))
