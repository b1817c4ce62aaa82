"""Rule similarity: features.npz of all runs of an arm → similarity.csv, per item."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope import angles
from thetascope.analysis.similarity import similarity_scores
from thetascope.engine.job import job
from thetascope.files import read_csv, record, write_csv

with job(snakemake):
    given, runs = snakemake.input, snakemake.params.runs
    names = [(angles.degrees(angle), seed) for angle, seed in runs]
    files = dict(zip(names, given.features, strict=True))
    scores = similarity_scores(files, read_csv(given.manifest))
    write_csv(scores, snakemake.output[0], record(snakemake))
