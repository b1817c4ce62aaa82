"""Rule oscillation_tables: dice_per_item.parquet → oscillation, levels, peaks."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis import inference, oscillation
from thetascope.analysis.scores import read_scores
from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import record, write_table

with job(snakemake):
    analysis = Analysis(**snakemake.params.analysis)
    periods, confidence = analysis.periods, analysis.confidence
    scores = read_scores(snakemake.input[0])
    waves = oscillation.oscillation_table(scores, periods, confidence)
    discs = [name for name, view in snakemake.params.views.items() if view["canvas"] == "disc"]
    tests = inference.period_tests(scores, periods, analysis.tests, discs)
    tests = inference.false_discovery(tests, analysis.questions)
    tables = {
        "oscillation": waves.merge(tests, validate="1:1"),
        "levels": oscillation.levels_table(scores, periods, confidence),
        "peaks": oscillation.peaks_table(scores, tests, analysis.level),
    }
    for name, table in tables.items():
        write_table(table, snakemake.output[name][0], record(snakemake))
