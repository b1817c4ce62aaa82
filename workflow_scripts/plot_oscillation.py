"""Rule plot_oscillation: dice, noise, … → oscillation-{dataset}.*, supplement-{dataset}.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import read_table, record
from thetascope.report.figures.curves import oscillation_figure
from thetascope.report.figures.panels import rows_of
from thetascope.report.figures.style import METRICS, SUPPLEMENT, save

with job(snakemake):
    dataset = snakemake.wildcards.dataset
    paths = snakemake.input.items()
    tables = {name: rows_of(read_table(path), dataset=dataset) for name, path in paths}
    for output, metrics in ("curves", METRICS), ("supplement", SUPPLEMENT):
        figure = oscillation_figure(tables, snakemake.params.confidence, metrics)
        save(figure, getattr(snakemake.output, output), record(snakemake))
