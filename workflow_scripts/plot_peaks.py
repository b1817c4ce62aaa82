"""Rule plot_peaks: dice.csv, peaks.csv, oscillation.csv → results/plots/peaks-{dataset}.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import read_table, record
from thetascope.report.figures.peaks import peaks_figure
from thetascope.report.figures.style import save

with job(snakemake):
    dataset = snakemake.wildcards.dataset
    tables = {name: read_table(path) for name, path in snakemake.input.items()}
    tables = {name: table[table["dataset"] == dataset] for name, table in tables.items()}
    save(peaks_figure(tables, snakemake.params.confidence), snakemake.output, record(snakemake))
