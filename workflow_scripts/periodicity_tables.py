"""Rule periodicity_tables: dice_per_item.parquet → interaction, noise, periodogram, downstream."""

from thetascope.analysis import downstream, inference, periodogram, planner
from thetascope.analysis.scores import read_scores
from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import record, write_table

with job(snakemake):
    analysis = Analysis(**snakemake.params.analysis)
    periods, tests = analysis.periods, analysis.tests
    scores = read_scores(snakemake.input[0])
    interaction = inference.interaction_tests(scores, periods, tests)
    of_all_sets = {k: asked for k, asked in analysis.questions.items() if "dataset" not in asked}
    tables = {
        "interaction": inference.false_discovery(interaction, of_all_sets),
        "noise": planner.noise_table(scores, periods),
        "periodogram": periodogram.periodogram_table(scores, tests, analysis.confidence),
        "downstream": downstream.downstream_table(scores, tests),
    }
    for name, table in tables.items():
        write_table(table, snakemake.output[name][0], record(snakemake))
