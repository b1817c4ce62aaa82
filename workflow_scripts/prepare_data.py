"""Rule data: an adapter's files → images.npy, masks.npy, manifest.csv."""

from thetascope import datasets
from thetascope.job import job
from thetascope.provenance import record

with job(snakemake):
    params, output = snakemake.params, snakemake.output
    options = {key: value for key, value in params.options.items() if key != "adapter"}
    datasets.prepare(
        datasets.load_items(params.options["adapter"], options),
        params.image_size,
        params.split,
        output.images,
        output.masks,
        output.manifest,
        record(snakemake),
    )
