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
    share, masks = manifest["foreground"], None
    shown = np.linspace(0, len(manifest) - 1, SHOWN).astype(int)
    said = "without masks"
    if share.notna().any():
        shown = np.unique([*shown, share.idxmin(), share.idxmax()])
        masks = read_array(snakemake.input.masks)[shown]
        said = "with the smallest and the largest foreground"
    images = read_array(snakemake.input.images)[shown]
    title = f"{snakemake.wildcards.dataset}: {len(shown)} of {len(manifest)} items, {said}"
    figure = samples_figure(images, masks, manifest["id"].iloc[shown].tolist(), title)
    save(figure, snakemake.output, record(snakemake))
