"""Rule saliency: pretrained.pt, finetuned.pt, images, θ → saliency.npz, probe.csv."""

from thetascope.engine import prefork
from thetascope.saliency import maps

prefork.hand_over()  # to a process that has imported what follows already

from thetascope import angles
from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_csv, record, write_csv, write_npz
from thetascope.learning import checkpoints, probe, runtime, segmentation
from thetascope.learning.rotation import View

with job(snakemake):
    wildcards, params, given = snakemake.wildcards, snakemake.params, snakemake.input
    view, degrees = View(**params.view), angles.degrees(wildcards.eval_angle)
    device = runtime.setup(snakemake.config["device"], snakemake.config["threads"])
    manifest = read_csv(given.manifest)
    blur = params.settings["blur"]
    settings = maps.Saliency(**params.settings | {"blur": maps.Blur(**blur) if blur else None})
    items = maps.choose_items(manifest, settings.items)
    images = runtime.to_images(read_array(given.images), device)
    masks = runtime.to_tensor(read_array(given.masks)[items], device)
    name, channels = wildcards.encoder, images.shape[1]
    encoder = checkpoints.load_encoder(name, channels, given.pretrained).to(device)
    arrays = maps.saliency_maps(
        encoder,
        segmentation.load_unet(name, channels, given.finetuned).to(device),
        images[items],
        degrees,
        view,
        settings,
        runtime.generator(
            wildcards.seed, wildcards.dataset, wildcards.angle, wildcards.eval_angle, "saliency"
        ),
    )
    rows = {part: list(group.index) for part, group in manifest.groupby("split")}
    size, tested = settings.chunk_size, manifest.loc[rows["test"]]
    accuracy = probe.pair_probe(
        encoder, images, rows["train"], rows["test"], degrees, view, tested, size
    )
    arrays["masks"] = view.masks(masks).cpu().numpy()
    made_by = record(snakemake, device=device.type)
    write_csv(accuracy, snakemake.output.probe, made_by)
    write_npz(snakemake.output.maps, made_by, items=items, **arrays)
