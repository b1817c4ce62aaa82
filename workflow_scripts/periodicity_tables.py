"""Rule periodicity_tables: dice_per_item.parquet → noise, periodogram, downstream."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis import downstream, periodogram, planner
from thetascope.analysis.curves import curves, of_means
from thetascope.analysis.scores import read_scores
from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import record, write_table

with job(snakemake):
    analysis = Analysis(**snakemake.params.analysis)
    found = of_means(curves(read_scores(snakemake.input[0])))
    tables = {
        "noise": planner.noise_table(found, analysis.periods),
        "periodogram": periodogram.periodogram_table(found, analysis.tests, analysis.confidence),
        "downstream": downstream.downstream_table(found, analysis.tests),
    }
    for name, table in tables.items():
        write_table(table, snakemake.output[name][0], record(snakemake))
