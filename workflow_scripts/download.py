"""Rule download: an entry of `downloads` → results/downloads/{download}."""

from thetascope.datasets.download import download
from thetascope.engine.job import job

with job(snakemake):
    source = snakemake.params.source
    download(source["url"], snakemake.output[0], source["checksum"])
