"""Rule oscillation_tables: dice_per_item.parquet → peaks.csv, oscillation.csv."""

from thetascope.analysis import inference, waves
from thetascope.analysis.scores import read_scores
from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import record, write_table

with job(snakemake):
    analysis = Analysis(**snakemake.params.analysis)
    scores = read_scores(snakemake.input[0])
    peaks = waves.peaks_table(scores, analysis.intervals)
    amplitudes = waves.oscillation_table(scores, analysis.periods, analysis.intervals)
    tests = inference.period_tests(scores, analysis.periods, analysis.tests)
    tests = inference.false_discovery(tests, analysis.questions)
    write_table(peaks, snakemake.output.peaks[0], record(snakemake))
    waves_and_tests = amplitudes.merge(tests, validate="1:1")
    write_table(waves_and_tests, snakemake.output.oscillation[0], record(snakemake))
