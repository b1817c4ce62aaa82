"""Rule pretrain: backbone + images of one data set, θ and seed → pretrained.pt, pretrain.csv."""

from thetascope.engine import prefork
from thetascope.learning import pretraining

prefork.hand_over()  # to a process that has imported what follows already

from thetascope import angles
from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_csv, record, write_csv
from thetascope.learning import checkpoints, runtime
from thetascope.learning.contrastive import Pretrain
from thetascope.learning.resume import State
from thetascope.learning.rotation import View

with job(snakemake):
    wildcards, params = snakemake.wildcards, snakemake.params
    device = runtime.setup(snakemake.config["device"], snakemake.config["threads"])
    manifest = read_csv(snakemake.input.manifest)
    rows = manifest.index[manifest["split"] == "train"]
    images = runtime.to_images(read_array(snakemake.input.images)[rows], device)
    encoder = checkpoints.load_encoder(
        wildcards.encoder, images.shape[1], snakemake.input.backbone
    ).to(device)
    made_by = record(snakemake, device=device.type)
    state = State(params.state, made_by, list(snakemake.input), snakemake.config["save_interval"])
    # no self-supervised training is training for no epoch: the backbone passes through
    epochs = {"epochs": 0} if wildcards.angle == "none" else {}
    table = pretraining.pretrain(
        encoder,
        images,
        angles.degrees(wildcards.angle) if angles.is_fixed(wildcards.angle) else None,
        View(**params.view),
        wildcards.method,
        Pretrain(**params.settings | epochs),
        runtime.generator(wildcards.seed, wildcards.dataset, wildcards.angle, "pretrain"),
        state,
    )
    checkpoints.save(
        snakemake.output.checkpoint, made_by, encoder=checkpoints.to_cpu(encoder.network)
    )
    write_csv(table, snakemake.output.epochs, made_by)
    state.remove()
