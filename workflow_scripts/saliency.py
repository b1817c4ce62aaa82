"""Rule saliency: pretrained.pt, finetuned.pt if any, images, θ → saliency.npz, probe.csv."""

from thetascope.engine import prefork

prefork.hand_over(warm=True)  # to a process that may have done such jobs already

from thetascope import angles
from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_csv, record, write_csv, write_npz
from thetascope.learning import checkpoints, runtime
from thetascope.learning.probe import pair_probe
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import load_unet
from thetascope.learning.stored import Stored
from thetascope.saliency.maps import Saliency, choose_items, saliency_maps
from thetascope.saliency.pre_rotation import pictures_to_map, pre_rotations

with job(snakemake):
    names, params, given = snakemake.wildcards, snakemake.params, snakemake.input
    view, degrees = View(**params.view), angles.degrees(names.eval_angle)
    device = runtime.setup(snakemake.config["device"], snakemake.config["threads"])
    settings, manifest = Saliency.of_section(params.settings), read_csv(given.manifest)
    items = choose_items(manifest, settings.items)
    images = Stored(runtime.to_tensor(read_array(given.images), device), View().original)
    run, ids = (names.seed, names.dataset), manifest["id"][items]
    phi = pre_rotations(*run, ids) if settings.pre_rotation else None
    shown, beside = pictures_to_map(images[items], read_array(given.masks)[items], phi, view)
    _, channels, size, _ = images.stored.shape
    precision = runtime.set_precision(params.precision, device, names.encoder, size)
    encoder = checkpoints.load_encoder(names.encoder, channels, given.pretrained, precision)
    tuned = given.get("finetuned")  # an empty list without masks
    unet = load_unet(names.encoder, channels, tuned, precision).to(device) if tuned else None
    generator = runtime.generator(*run, names.angle, names.eval_angle, "saliency")
    arrays = saliency_maps(encoder.to(device), unet, shown, degrees, view, settings, generator)
    train, test = (list(manifest.index[manifest["split"] == part]) for part in ("train", "test"))
    options = degrees, view, manifest.loc[test], settings.chunk_size
    made_by = record(snakemake, device=device.type, precision=precision)
    write_csv(pair_probe(encoder, images, train, test, *options), snakemake.output.probe, made_by)
    write_npz(snakemake.output.maps, made_by, items=items, **beside, **arrays)
