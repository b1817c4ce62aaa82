"""Rule backbone: → results/backbones/{encoder}-{init}.pt."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import record
from thetascope.learning import checkpoints
from thetascope.learning.encoders import check_side

with job(snakemake):
    encoder, init = snakemake.wildcards.encoder, snakemake.wildcards.init
    check_side(encoder, snakemake.params.image_size)
    weights = snakemake.input.get("weights") or None  # an empty list if none is needed
    state = checkpoints.initial_backbone(encoder, init, weights, seed=0)
    checkpoints.save(snakemake.output[0], record(snakemake), encoder=state)
