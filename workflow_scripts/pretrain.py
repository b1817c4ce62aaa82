"""Rule pretrain: backbone, images, θ and seed → pretrained.pt, pretrain.csv, features.npz."""

from thetascope.engine import prefork

prefork.hand_over(warm=True)  # to a process that may have done such jobs already

from thetascope import angles
from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_csv, record, write_csv, write_npz
from thetascope.learning import checkpoints, runtime
from thetascope.learning.contrastive import Pretrain
from thetascope.learning.features import features_of
from thetascope.learning.pretraining import pretrain
from thetascope.learning.resume import State
from thetascope.learning.rotation import View

with job(snakemake):
    names, params, given = snakemake.wildcards, snakemake.params, snakemake.input
    config, output = snakemake.config, snakemake.output
    device = runtime.setup(config["device"], config["threads"])
    manifest, array = read_csv(given.manifest), read_array(given.images)
    train, test = (manifest.index[manifest["split"] == part] for part in ("train", "test"))
    images, tested = (runtime.to_tensor(array[rows], device) for rows in (train, test))
    channels, size = images.shape[1:3]
    precision = runtime.set_precision(params.precision, device, names.encoder, size)
    encoder = checkpoints.load_encoder(names.encoder, channels, given.backbone, precision)
    angle = angles.degrees(names.angle) if angles.is_fixed(names.angle) else None
    settings, view = Pretrain.of_run(params.settings, names.angle), View(**params.view)
    generator = runtime.generator(names.seed, names.dataset, names.angle, "pretrain")
    before = features_of(encoder.to(device), tested, view)
    made_by = record(snakemake, device=device.type, precision=precision)
    state = State(params.state, made_by, list(given), config["save_interval"])
    options = angle, view, names.method, settings, generator, state
    table = pretrain(encoder, images, *options)
    features = {"backbone": before, "encoder": features_of(encoder, tested, view)}
    checkpoints.save(output.checkpoint, made_by, encoder=checkpoints.to_cpu(encoder.network))
    write_csv(table, output.epochs, made_by)
    write_npz(output.features, made_by, items=test.to_numpy(), **features)
    state.remove()
