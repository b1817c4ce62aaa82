"""Rule periodicity_tables: dice_per_item.parquet → interaction, noise, periodogram, downstream."""

from thetascope import downstream, periodicity
from thetascope.job import job
from thetascope.provenance import read_parquet, record, write_csv

with job(snakemake):
    analysis = snakemake.params.analysis
    periods, permutations, seed = (analysis[k] for k in ("periods", "permutations", "seed"))
    per_item = read_parquet(snakemake.input[0])
    interaction = periodicity.interaction_tests(per_item, periods, permutations, seed)
    tables = {
        "interaction": periodicity.false_discovery(interaction, analysis["confirmatory"]),
        "noise": periodicity.noise_table(per_item, periods),
        "periodogram": periodicity.periodogram_table(
            per_item, permutations, analysis["confidence"], seed
        ),
        "downstream": downstream.downstream_table(per_item, permutations, seed),
    }
    for name, table in tables.items():
        write_csv(table, snakemake.output[name], record(snakemake))
