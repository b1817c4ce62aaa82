"""Rule score: saliency.npz → dice.csv, per item × model × input × attribution × metric."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import read_csv, read_npz, record, write_csv
from thetascope.saliency.metrics import Scoring, score_maps

with job(snakemake):
    manifest = read_csv(snakemake.input.manifest)
    maps = read_npz(snakemake.input.saliency)
    items = manifest.loc[maps["items"]]
    settings = Scoring(**snakemake.params.settings)
    table = score_maps(maps, items["id"], items["case"], settings)
    write_csv(table, snakemake.output[0], record(snakemake))
