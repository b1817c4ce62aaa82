"""Rule archive: tables, figures, pages, manifests → results/archive.zip."""

from thetascope.archive import pack
from thetascope.job import job

with job(snakemake):
    pack(snakemake.input, snakemake.params.config, snakemake.output[0])
