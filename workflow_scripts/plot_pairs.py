"""Rule plot_pairs: saliency.npz at one θ → results/plots/pairs-{dataset}-{eval_angle}.*."""

import numpy as np
import torch

from thetascope.angles import degrees
from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_npz, record
from thetascope.learning import runtime
from thetascope.learning.rotation import View, rotate
from thetascope.report.figures.pictures import pairs_figure
from thetascope.report.figures.style import ARM, MAP, save

SHOWN = 3

with job(snakemake):
    run, view = snakemake.params.evaluation, View(**snakemake.params.view)
    theta, file = degrees(run["eval_angle"]), read_npz(snakemake.input.saliency)
    by_size = np.argsort(file["masks"].mean(axis=(1, 2)))
    shown = by_size[np.linspace(0, len(by_size) - 1, SHOWN + 2).astype(int)[1:-1]]
    turns = {"original": 0.0, "rotated": 0.0 if view.sham else theta}

    def _turned(arrays, orientation, interpolation="nearest"):
        pictures = torch.from_numpy(arrays[shown]).float()[:, None]
        return rotate(pictures, turns[orientation], interpolation)[:, 0].numpy()

    items = read_array(snakemake.input.images)[file["items"][shown]]
    items = runtime.to_images(items, torch.device("cpu"))
    figure = pairs_figure(
        {
            "original": view.original(items, theta).numpy(),
            "rotated": view.rotated(items, theta).numpy(),
        },
        {orientation: _turned(file["masks"], orientation) for orientation in turns},
        {
            key.removesuffix(f".{MAP}"): _turned(file[key], key.split(".")[1], "bilinear")
            for key in file
            if key.endswith(MAP)
        },
        f"θ = {theta:g}°: {', '.join(run[key] for key in ('dataset', *ARM))}",
    )
    save(figure, snakemake.output, record(snakemake))
