"""Rule dice_per_item: every dice.csv → results/tables/dice_per_item.parquet."""

from thetascope import tables
from thetascope.job import job
from thetascope.provenance import atomic, record

with job(snakemake):
    scores = tables.per_item(snakemake.input, snakemake.params.wildcards)
    # the many inputs' wildcards are columns already
    scores.attrs["code"] = record(snakemake)["params"]["code"]
    with atomic(snakemake.output[0]) as temporary:
        scores.to_parquet(temporary, index=False)
