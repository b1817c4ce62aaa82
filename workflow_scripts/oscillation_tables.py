"""Rule oscillation_tables: dice_per_item.parquet → peaks.csv, oscillation.csv."""

from thetascope.analysis import inference, waves
from thetascope.analysis.scores import read_scores
from thetascope.engine.job import job
from thetascope.files import record, write_csv

with job(snakemake):
    analysis = snakemake.params.analysis
    scores = read_scores(snakemake.input[0])
    bootstrap = (analysis["bootstrap"], analysis["confidence"], analysis["seed"])
    peaks = waves.peaks_table(scores, *bootstrap)
    amplitudes = waves.oscillation_table(scores, analysis["periods"], *bootstrap)
    tests = inference.period_tests(
        scores, analysis["periods"], analysis["permutations"], analysis["seed"]
    )
    tests = inference.false_discovery(tests, analysis["confirmatory"])
    write_csv(peaks, snakemake.output.peaks, record(snakemake))
    write_csv(
        amplitudes.merge(tests, validate="1:1"),
        snakemake.output.oscillation,
        record(snakemake),
    )
