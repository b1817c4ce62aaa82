"""Rule pretrain: backbone + images of one data set, θ and seed → pretrained.pt, pretrain.csv."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope import angles
from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_csv, record, write_csv
from thetascope.learning import checkpoints, runtime
from thetascope.learning.contrastive import Pretrain
from thetascope.learning.pretraining import pretrain
from thetascope.learning.resume import State
from thetascope.learning.rotation import View

with job(snakemake):
    names, params, given = snakemake.wildcards, snakemake.params, snakemake.input
    config, output = snakemake.config, snakemake.output
    device = runtime.setup(config["device"], config["threads"])
    manifest = read_csv(given.manifest)
    rows = manifest.index[manifest["split"] == "train"]
    images = runtime.to_tensor(read_array(given.images)[rows], device)
    channels, size = images.shape[1:3]
    precision = runtime.set_precision(params.precision, device, names.encoder, size)
    encoder = checkpoints.load_encoder(names.encoder, channels, given.backbone, precision)
    angle = angles.degrees(names.angle) if angles.is_fixed(names.angle) else None
    # no self-supervised training is training for no epoch: the backbone passes through
    untrained = {"epochs": 0, "spike": None} if names.angle == angles.NONE else {}
    settings, view = Pretrain(**params.settings | untrained), View(**params.view)
    generator = runtime.generator(names.seed, names.dataset, names.angle, "pretrain")
    made_by = record(snakemake, device=device.type, precision=precision)
    state = State(params.state, made_by, list(given), config["save_interval"])
    options = angle, view, names.method, settings, generator, state
    table = pretrain(encoder.to(device), images, *options)
    checkpoints.save(output.checkpoint, made_by, encoder=checkpoints.to_cpu(encoder.network))
    write_csv(table, output.epochs, made_by)
    state.remove()
