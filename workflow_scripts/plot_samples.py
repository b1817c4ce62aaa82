"""Rule plot_samples: images, masks and manifest → results/plots/samples-{dataset}.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

import numpy as np

from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_csv, record
from thetascope.report.figures.pictures import samples_figure
from thetascope.report.figures.style import save

SHOWN = 4  # and the extremes

with job(snakemake):
    manifest = read_csv(snakemake.input.manifest)
    extremes = manifest["foreground"].agg(["idxmin", "idxmax"])
    spread = np.linspace(0, len(manifest) - 1, SHOWN).astype(int)
    shown = np.unique([*spread, *extremes])
    images, masks = (read_array(snakemake.input[name])[shown] for name in ("images", "masks"))
    title = f"{snakemake.wildcards.dataset}: {len(shown)} of {len(manifest)} items"
    title += ", with the smallest and the largest foreground"
    figure = samples_figure(images, masks, manifest["id"].iloc[shown].tolist(), title)
    save(figure, snakemake.output, record(snakemake))
