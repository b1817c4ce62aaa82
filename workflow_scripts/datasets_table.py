"""Rule datasets_table: the manifest of every image set → datasets.csv."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.datasets.description import datasets_table
from thetascope.engine.job import job
from thetascope.files import record, write_table

with job(snakemake):
    manifests = dict(zip(snakemake.params.datasets, snakemake.input, strict=True))
    write_table(datasets_table(manifests), snakemake.output[0], record(snakemake))
