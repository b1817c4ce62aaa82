"""Rule finetune: pretrained.pt + masks → finetuned.pt, finetune.csv, segmentation.csv."""

from thetascope.engine import prefork

prefork.hand_over(warm=True)  # to a process that may have done such jobs already

from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_csv, record, write_csv
from thetascope.learning import checkpoints, runtime, segmentation
from thetascope.learning.resume import State
from thetascope.learning.rotation import View
from thetascope.learning.stored import Stored

with job(snakemake):
    names, params, given = snakemake.wildcards, snakemake.params, snakemake.input
    settings, view = segmentation.Finetune(**params.settings), View(**params.view)
    device = runtime.setup(snakemake.config["device"], snakemake.config["threads"])
    manifest = read_csv(given.manifest)
    rows = {part: list(group.index) for part, group in manifest.groupby("split")}
    stored = runtime.to_tensor(read_array(given.images), device)
    channels, size = stored.shape[1:3]
    precision = runtime.set_precision(params.precision, device, names.encoder, size)
    images = Stored(stored, view.original).kept()
    masks = view.masks(runtime.to_tensor(read_array(given.masks), device))
    generator = runtime.generator(names.seed, names.dataset, names.angle, "finetune")
    encoder = checkpoints.load_encoder(names.encoder, channels, given.pretrained, precision)
    model = segmentation.build_unet(encoder, int(masks.max()) + 1, settings, generator)
    made_by = record(snakemake, device=device.type, precision=precision)
    state = State(params.state, made_by, list(given), snakemake.config["save_interval"])
    parts = rows["train"], rows["validation"]
    table = segmentation.finetune(model, images, masks, *parts, settings, generator, state)
    tested = manifest.loc[rows["test"]], settings.batch_size
    scores = segmentation.segmentation_scores(model, images, masks, *tested)
    segmentation.save_unet(model, snakemake.output.checkpoint, made_by)
    write_csv(table, snakemake.output.epochs, made_by)
    write_csv(scores, snakemake.output.segmentation, made_by)
    state.remove()
