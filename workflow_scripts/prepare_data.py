"""Rule data: an adapter's files → images.npy, masks.npy, manifest.csv."""

from contextlib import nullcontext
from pathlib import Path

from thetascope import datasets
from thetascope.download import extracted
from thetascope.job import job
from thetascope.provenance import record

with job(snakemake):
    params, output = snakemake.params, snakemake.output
    options = {key: value for key, value in params.options.items() if key != "adapter"}
    archive = snakemake.input.get("archive")
    with extracted(archive) if archive else nullcontext() as folder:
        if archive:
            options["path"] = str(Path(folder, params.archive[1]))
        datasets.prepare(
            datasets.load_items(params.options["adapter"], options),
            params.image_size,
            params.split,
            output.images,
            output.masks,
            output.manifest,
            record(snakemake),
        )
