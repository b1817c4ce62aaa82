"""Rule score: saliency.npz → dice.csv, per item × model × orientation × map × metric."""

import numpy as np

from thetascope.job import job
from thetascope.metrics import score_maps
from thetascope.provenance import read_csv, record, write_csv

with job(snakemake):
    manifest = read_csv(snakemake.input.manifest)
    with np.load(snakemake.input.saliency, allow_pickle=False) as maps:
        items = manifest.loc[maps["items"]]
        settings = snakemake.params.settings
        table = score_maps(
            maps, items["id"], items["case"], settings["quantile"], settings["extra_metrics"]
        )
    write_csv(table, snakemake.output[0], record(snakemake))
