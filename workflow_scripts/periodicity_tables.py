"""Rule periodicity_tables: dice_per_item.parquet → interaction, noise, periodogram, downstream."""

from thetascope.analysis import downstream, inference, periodogram, planner
from thetascope.analysis.scores import read_scores
from thetascope.engine.job import job
from thetascope.files import record, write_csv

with job(snakemake):
    analysis = snakemake.params.analysis
    periods, permutations, seed = (analysis[k] for k in ("periods", "permutations", "seed"))
    scores = read_scores(snakemake.input[0])
    interaction = inference.interaction_tests(scores, periods, permutations, seed)
    tables = {
        "interaction": inference.false_discovery(interaction, analysis["confirmatory"]),
        "noise": planner.noise_table(scores, periods),
        "periodogram": periodogram.periodogram_table(
            scores, permutations, analysis["confidence"], seed
        ),
        "downstream": downstream.downstream_table(scores, permutations, seed),
    }
    for name, table in tables.items():
        write_csv(table, snakemake.output[name], record(snakemake))
