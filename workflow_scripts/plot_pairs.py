"""Rule plot_pairs: saliency.npz at one θ → results/plots/pairs-{dataset}-{eval_angle}.*."""

import numpy as np
import torch

from thetascope.angles import degrees, is_fixed
from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_npz, record
from thetascope.learning import runtime
from thetascope.learning.rotation import View, rotate
from thetascope.report.figures.pictures import mapped_images, of_attribution, pairs_figure
from thetascope.report.figures.style import save
from thetascope.vocabulary import ARM, ATTRIBUTION

SHOWN = 3

with job(snakemake):
    run, view = snakemake.params.evaluation, View(**snakemake.params.view)
    theta, file = degrees(run["eval_angle"]), read_npz(snakemake.input.saliency)
    by_size = np.argsort(file["masks"].mean(axis=(1, 2)))
    shown = by_size[np.linspace(0, len(by_size) - 1, SHOWN + 2).astype(int)[1:-1]]
    turns = {"original": 0.0, "rotated": 0.0 if view.sham else theta}

    def _turned(arrays, turn, interpolation):
        pictures = torch.from_numpy(arrays[shown]).float()[:, None]
        return rotate(pictures, turn, interpolation)[:, 0].numpy()

    items = mapped_images(file, read_array(snakemake.input.images))[shown]
    items = runtime.to_images(items, torch.device("cpu"))
    x, y = view.original(items, theta).numpy(), view.rotated(items, theta).numpy()
    masks = {name: _turned(file["masks"], turn, "nearest") for name, turn in turns.items()}
    maps = {
        key: _turned(map_, turns[key.split(".")[1]], "bilinear")
        for key, map_ in (of_attribution(file, ATTRIBUTION) | of_attribution(file, "hog")).items()
    }
    angle = f"{degrees(run['angle']):g}°" if is_fixed(run["angle"]) else run["angle"]
    title = f"θ = {theta:g}° (training: {angle}): {', '.join(run[key] for key in ARM)}"
    figure = pairs_figure({"original": x, "rotated": y}, masks, maps, title)
    save(figure, snakemake.output, record(snakemake))
