"""Rule plot_saliency: saliency.npz of a few angles → results/plots/saliency-{dataset}.png."""

import numpy as np

from thetascope.figures import MAP, example, saliency_figure
from thetascope.job import job

with job(snakemake):
    evaluations = snakemake.params.evaluations
    files = [np.load(path, allow_pickle=False) for path in snakemake.input.saliency]
    canvas = snakemake.params.view["canvas"]
    shown, image, mask = example(files[0], snakemake.input.images, canvas)
    maps = {
        evaluation["eval_angle"]: {
            key.removesuffix(f".{MAP}"): file[key][shown] for key in file if key.endswith(MAP)
        }
        for evaluation, file in zip(evaluations, files, strict=True)
    }
    arm = ", ".join(str(evaluations[0][key]) for key in ("dataset", "view", "encoder", "method"))
    saliency_figure(image, mask, maps, snakemake.output[0], f"Saliency maps: {arm}")
