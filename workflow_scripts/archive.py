"""Rule archive: tables, figures, pages, manifests → results/archive.zip."""

from thetascope.engine.archive import pack
from thetascope.engine.job import job

with job(snakemake):
    pack(snakemake.input, snakemake.params.config, snakemake.output[0])
