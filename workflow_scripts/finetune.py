"""Rule finetune: pretrained.pt + masks → finetuned.pt, finetune.csv, segmentation.csv."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_csv, record, write_csv
from thetascope.learning import checkpoints, runtime, segmentation
from thetascope.learning.resume import State
from thetascope.learning.rotation import View

with job(snakemake):
    wildcards, params, config = snakemake.wildcards, snakemake.params, snakemake.config
    settings = segmentation.Finetune(**params.settings)
    device = runtime.setup(config["device"], config["threads"])
    manifest = read_csv(snakemake.input.manifest)
    rows = {part: list(group.index) for part, group in manifest.groupby("split")}
    view = View(**params.view)
    images = view.original(runtime.to_images(read_array(snakemake.input.images), device))
    masks = view.masks(runtime.to_tensor(read_array(snakemake.input.masks), device))
    generator = runtime.generator(wildcards.seed, wildcards.dataset, wildcards.angle, "finetune")
    encoder = checkpoints.load_encoder(
        wildcards.encoder, images.shape[1], snakemake.input.pretrained
    )
    model = segmentation.build_unet(encoder, int(masks.max()) + 1, settings, generator).to(device)
    made_by = record(snakemake, device=device.type)
    state = State(params.state, made_by, list(snakemake.input), config["save_interval"])
    table = segmentation.finetune(
        model, images, masks, rows["train"], rows["validation"], settings, generator, state
    )
    test = rows["test"]
    scores = segmentation.segmentation_scores(
        model, images[test], masks[test], manifest.loc[test], settings.batch_size
    )
    segmentation.save_unet(model, snakemake.output.checkpoint, made_by)
    write_csv(table, snakemake.output.epochs, made_by)
    write_csv(scores, snakemake.output.segmentation, made_by)
    state.remove()
