"""Rule saliency: pretrained.pt, finetuned.pt, test images, θ → saliency.npz."""

import numpy as np

from thetascope import angles, checkpoints, runtime, saliency, segmentation
from thetascope.job import job
from thetascope.provenance import read_csv, record, write_npz
from thetascope.rotation import View

with job(snakemake):
    wildcards, params = snakemake.wildcards, snakemake.params
    device = runtime.setup(snakemake.config["device"], snakemake.config["threads"])
    items = saliency.choose_items(read_csv(snakemake.input.manifest), params.settings["items"])
    images = runtime.to_images(np.load(snakemake.input.images)[items], device)
    masks = runtime.to_tensor(np.load(snakemake.input.masks)[items], device)
    name, channels = wildcards.encoder, images.shape[1]
    arrays = saliency.saliency_maps(
        checkpoints.load_encoder(name, channels, snakemake.input.pretrained).to(device),
        segmentation.load_unet(name, channels, snakemake.input.finetuned).to(device),
        images,
        angles.degrees(wildcards.eval_angle),
        View(**params.view),
        params.settings,
        runtime.generator(
            wildcards.seed, wildcards.dataset, wildcards.angle, wildcards.eval_angle, "saliency"
        ),
    )
    arrays["masks"] = View(**params.view).masks(masks).cpu().numpy()
    write_npz(snakemake.output[0], record(snakemake, device=device.type), items=items, **arrays)
