"""Rule perceptron: pretrained.pt, images, θ → perceptron.csv."""

from thetascope.engine import prefork

prefork.hand_over(warm=True)  # to a process that may have done such jobs already

from thetascope import angles
from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_csv, record, write_csv
from thetascope.learning import checkpoints, runtime
from thetascope.learning.perceptron import Perceptron, perceptron_probe
from thetascope.learning.rotation import View
from thetascope.learning.stored import Stored

with job(snakemake):
    names, params, given = snakemake.wildcards, snakemake.params, snakemake.input
    view, degrees = View(**params.view), angles.degrees(names.eval_angle)
    device = runtime.setup(snakemake.config["device"], snakemake.config["threads"])
    images = Stored(runtime.to_tensor(read_array(given.images), device), View().original)
    _, channels, size, _ = images.stored.shape
    precision = runtime.set_precision(params.precision, device, names.encoder, size)
    encoder = checkpoints.load_encoder(names.encoder, channels, given.pretrained, precision)
    run = names.seed, names.dataset, names.angle, names.eval_angle
    options = degrees, view, Perceptron(**params.settings), runtime.generator(*run, "perceptron")
    table = perceptron_probe(encoder.to(device), images, read_csv(given.manifest), *options)
    made_by = record(snakemake, device=device.type, precision=precision)
    write_csv(table, snakemake.output[0], made_by)
