"""Rule plot_probe: dice.csv and what belongs beside it → results/plots/probe-{dataset}.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import read_table, record
from thetascope.report.figures.curves import probe_figure
from thetascope.report.figures.panels import rows_of
from thetascope.report.figures.style import save

with job(snakemake):
    dataset = snakemake.wildcards.dataset
    paths = snakemake.input.items()
    tables = {name: rows_of(read_table(path), dataset=dataset) for name, path in paths}
    save(probe_figure(tables, snakemake.params.confidence), snakemake.output, record(snakemake))
