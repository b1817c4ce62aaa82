"""How much of a map is noise, over samples × noise level × blur: what the default was chosen from.

    python bench/reliability.py 4 030.0 150.0

Takes the models of a finished experiment (`snakemake all`) that were trained at these angles, and
so many test items of every image set. Prints for each setting, as means over angles, items and both
inputs: the reliability of the whole map (Spearman–Brown, from the correlation of its halves), the
AUROC of the map of x, and the CPU seconds of one item's maps.
"""

import sys
from itertools import product
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
import yaml

from thetascope import angles
from thetascope.analysis.reliability import spearman_brown
from thetascope.datasets.arrays import read_array
from thetascope.files import read_csv
from thetascope.learning import checkpoints, runtime
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import load_unet, predict
from thetascope.saliency.baselines import blur
from thetascope.saliency.gradients import folded, gradient_of, smoothgrad
from thetascope.saliency.maps import choose_items, correlation
from thetascope.saliency.metrics import auroc
from thetascope.saliency.objectives import foreground_logit, pair_cosine, scalar_pixels

SAMPLES = (20, 40, 80)
LEVELS = (0.04, 0.07, 0.1)
BLURS = (0.0, 1 / 45)

config = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
view, name, method = View(), config["encoders"][0], config["methods"][0]
device = runtime.setup(config["device"], config["threads"])


def measured(dataset, angle, count):
    """Yield model, level, samples, blur, split-half correlation, AUROC and seconds."""
    data = Path("results/data") / dataset
    run = Path("results/runs", dataset, "plain", name, method, f"angle-{angle}", "seed-0")
    items = choose_items(read_csv(data / "manifest.csv"), count)
    images = runtime.to_images(read_array(data / "images.npy")[items], device)
    masks = read_array(data / "masks.npy")[items] > 0
    size = images.shape[-1]
    precision = runtime.set_precision(config["precision"], device, name, size)
    x, y = view.original(images), view.rotated(images, angles.degrees(angle))
    models = [
        load(name, images.shape[1], str(run / f"{stage}.pt"), precision)
        for load, stage in ((checkpoints.load_encoder, "pretrained"), (load_unet, "finetuned"))
    ]
    encoder, unet = (folded(model.to(device), x) for model in models)
    over = [scalar_pixels(predict(unet, z, len(z)) > 0, "predicted") for z in (x, y)]
    cosine = gradient_of(pair_cosine(encoder), 2, device)
    logit = gradient_of(foreground_logit(unet), 1, device)
    for level, samples in product(LEVELS, SAMPLES):
        noise = samples, level, config["saliency"]["chunk_size"]
        generator = runtime.generator(dataset, angle, "bench")
        for model in ("pretrained", "finetuned"):
            start = process_time()
            if model == "pretrained":
                maps = smoothgrad(cosine, (x, y), *noise, generator)
            else:
                maps = [
                    smoothgrad(logit, (z,), *noise, generator, given=(w,))[0]
                    for z, w in zip((x, y), over, strict=True)
                ]
            took = (process_time() - start) / len(items)
            for width in BLURS:
                smooth = [blur(m.flatten(0, 1), width * size).view_as(m) for m in maps]
                r = np.mean([correlation(*m[1:].flatten(2)).mean().item() for m in smooth])
                area = np.mean(
                    [auroc(*both) for both in zip(smooth[0][0].cpu().numpy(), masks, strict=True)]
                )
                yield model, level, samples, round(width, 4), r, area, took


rows = [
    (dataset, *row)
    for dataset, angle in product(config["datasets"], sys.argv[2:])
    for row in measured(dataset, angle, int(sys.argv[1]))
]
kind = ["model", "blur", "noise_level", "samples"]
columns = ["dataset", "model", "noise_level", "samples", "blur", "split_half", "auroc", "seconds"]
table = pd.DataFrame(rows, columns=columns)
means = table.groupby([*kind, "dataset"])[["split_half", "auroc"]].mean().unstack()
means["split_half"] = spearman_brown(means["split_half"])
means = means.rename(columns={"split_half": "reliability"}).round(2)
means["seconds", ""] = table.groupby(kind)["seconds"].mean().round(2)
print(means.to_string())
