"""Rule comparison_tables: dice_per_item.parquet, oscillation.csv → how curves differ and agree."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis import contrasts, signatures, together
from thetascope.analysis.curves import curves, of_means
from thetascope.analysis.scores import read_scores
from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import read_table, record, write_table

with job(snakemake):
    given, analysis = snakemake.input, Analysis(**snakemake.params.analysis)
    found, tests = of_means(curves(read_scores(given.scores))), read_table(given.oscillation)
    tables = {
        "contrasts": contrasts.contrast_table(found, analysis),
        "phases": contrasts.phase_table(found, tests, analysis, snakemake.params.datasets),
        "pooled": together.pooled_table(found, analysis),
        "metrics": together.metrics_table(found, analysis),
        "questions": together.questions_table(found, analysis),
        "signatures": signatures.signature_table(found, analysis),
    }
    for name, table in tables.items():
        write_table(table, snakemake.output[name][0], record(snakemake))
