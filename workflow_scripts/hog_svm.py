"""Rule hog_svm: images.npy and the cases of the manifest → hog_svm.csv of one data set."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis.hog import hog_svm_table
from thetascope.analysis.settings import Bootstrap
from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_csv, record, write_csv

with job(snakemake):
    params = snakemake.params
    cases = read_csv(snakemake.input.manifest)["case"]
    images = read_array(snakemake.input.images)
    table = hog_svm_table(images, cases, params.thetas, params.cells, Bootstrap(**params.intervals))
    write_csv(table, snakemake.output[0], record(snakemake))
