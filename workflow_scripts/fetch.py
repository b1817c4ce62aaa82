"""Rule fetch: an image set that torchvision downloads → results/downloads/sets/{dataset}/."""

from pathlib import Path

from thetascope.datasets.options import fetch
from thetascope.engine.job import job

with job(snakemake):
    options = {key: value for key, value in snakemake.params.options.items() if key != "adapter"}
    fetch(snakemake.params.options["adapter"], options, Path(snakemake.output[0]))
