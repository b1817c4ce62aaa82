"""Rule oscillation_tables: dice_per_item.parquet → peaks.csv, oscillation.csv."""

from thetascope import oscillation, periodicity
from thetascope.job import job
from thetascope.provenance import record, write_csv
from thetascope.tables import read_scores

with job(snakemake):
    analysis = snakemake.params.analysis
    scores = read_scores(snakemake.input[0])
    bootstrap = (analysis["bootstrap"], analysis["confidence"], analysis["seed"])
    peaks = oscillation.peaks_table(scores, *bootstrap)
    amplitudes = oscillation.oscillation_table(scores, analysis["periods"], *bootstrap)
    tests = periodicity.period_tests(
        scores, analysis["periods"], analysis["permutations"], analysis["seed"]
    )
    tests = periodicity.false_discovery(tests, analysis["confirmatory"])
    write_csv(peaks, snakemake.output.peaks, record(snakemake))
    write_csv(
        amplitudes.merge(tests, validate="1:1"),
        snakemake.output.oscillation,
        record(snakemake),
    )
