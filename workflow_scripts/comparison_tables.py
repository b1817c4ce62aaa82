"""Rule comparison_tables: dice_per_item.parquet, oscillation.csv → how curves differ and agree."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.analysis import contrasts, signatures, together
from thetascope.analysis.scores import read_scores
from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import read_table, record, write_table

with job(snakemake):
    given, analysis = snakemake.input, Analysis(**snakemake.params.analysis)
    scores, tests = read_scores(given.scores), read_table(given.oscillation)
    tables = {
        "contrasts": contrasts.contrast_table(scores, analysis),
        "phases": contrasts.phase_table(scores, tests, analysis, snakemake.params.datasets),
        "pooled": together.pooled_table(scores, analysis),
        "metrics": together.metrics_table(scores, analysis),
        "questions": together.questions_table(scores, analysis),
        "signatures": signatures.signature_table(scores, analysis),
    }
    for name, table in tables.items():
        write_table(table, snakemake.output[name][0], record(snakemake))
