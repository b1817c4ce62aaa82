"""Rule oscillation_tables: dice_per_item.parquet → peaks.csv, oscillation.csv."""

import pandas as pd

from thetascope import oscillation
from thetascope.job import job
from thetascope.provenance import record, write_csv

with job(snakemake):
    analysis = snakemake.params.analysis
    per_item = pd.read_parquet(snakemake.input[0])
    options = (analysis["bootstrap"], analysis["confidence"], analysis["seed"])
    peaks = oscillation.peaks_table(per_item, *options)
    periods = oscillation.oscillation_table(per_item, analysis["periods"], *options)
    write_csv(peaks, snakemake.output.peaks, record(snakemake))
    write_csv(periods, snakemake.output.oscillation, record(snakemake))
