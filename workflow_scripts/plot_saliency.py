"""Rule plot_saliency: saliency.npz of a few angles → results/plots/saliency-{dataset}.*."""

import numpy as np

from thetascope.datasets import central_crop, read_array
from thetascope.figures.pictures import saliency_figure
from thetascope.figures.style import ARM, MAP, save
from thetascope.job import job
from thetascope.provenance import read_npz, record

with job(snakemake):
    evaluations = snakemake.params.evaluations
    files = [read_npz(path) for path in snakemake.input.saliency]
    masks = files[0]["masks"] > 0
    shares = masks.mean(axis=(1, 2))
    shown = int(np.argsort(shares)[len(shares) // 2])  # neither the emptiest nor the fullest mask
    image = read_array(snakemake.input.images)[files[0]["items"][shown]]
    if snakemake.params.view["canvas"] == "crop":
        image = central_crop(image)
    maps = {
        evaluation["eval_angle"]: {
            key.removesuffix(f".{MAP}"): file[key][shown] for key in file if key.endswith(MAP)
        }
        for evaluation, file in zip(evaluations, files, strict=True)
    }
    arm = ", ".join(str(evaluations[0][key]) for key in ("dataset", *ARM))
    figure = saliency_figure(image, masks[shown], maps, f"Saliency maps: {arm}")
    save(figure, snakemake.output, record(snakemake))
