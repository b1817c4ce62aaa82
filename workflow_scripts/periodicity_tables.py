"""Rule periodicity_tables: dice_per_item.parquet → interaction, noise, periodogram, downstream."""

from thetascope import downstream, periodicity
from thetascope.job import job
from thetascope.provenance import record, write_csv
from thetascope.tables import read_scores

with job(snakemake):
    analysis = snakemake.params.analysis
    periods, permutations, seed = (analysis[k] for k in ("periods", "permutations", "seed"))
    scores = read_scores(snakemake.input[0])
    interaction = periodicity.interaction_tests(scores, periods, permutations, seed)
    tables = {
        "interaction": periodicity.false_discovery(interaction, analysis["confirmatory"]),
        "noise": periodicity.noise_table(scores, periods),
        "periodogram": periodicity.periodogram_table(
            scores, permutations, analysis["confidence"], seed
        ),
        "downstream": downstream.downstream_table(scores, permutations, seed),
    }
    for name, table in tables.items():
        write_csv(table, snakemake.output[name], record(snakemake))
