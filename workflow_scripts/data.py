"""Rule data: an adapter's files → images.npy, masks.npy, manifest.csv."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from contextlib import nullcontext
from pathlib import Path

from thetascope.datasets import arrays
from thetascope.datasets.archives import extracted
from thetascope.datasets.options import load_items
from thetascope.datasets.splits import Split
from thetascope.engine.job import job
from thetascope.files import record

with job(snakemake):
    params, output = snakemake.params, snakemake.output
    options = dict(params.options)
    archive = snakemake.input.get("archive")
    with extracted(archive) if archive else nullcontext() as folder:
        if archive:
            inside = Path(folder, params.archive[1])
            options["path"] = str(inside if inside.is_dir() else folder)
        if fetched := snakemake.input.get("fetched"):
            options["path"] = str(fetched)
        arrays.prepare(
            load_items(options["adapter"], options),
            params.image_size,
            Split(**params.split),
            output.images,
            output.masks,
            output.manifest,
            record(snakemake),
            options.get("rotate", 0),
        )
