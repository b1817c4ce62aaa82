"""Rule plot_peaks: dice.csv, peaks.csv, oscillation.csv → results/plots/peaks-{dataset}.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import read_table, record
from thetascope.report.figures.panels import rows_of
from thetascope.report.figures.peaks import peaks_figure
from thetascope.report.figures.style import save

with job(snakemake):
    dataset = snakemake.wildcards.dataset
    paths = snakemake.input.items()
    tables = {name: rows_of(read_table(path), dataset=dataset) for name, path in paths}
    save(peaks_figure(tables, snakemake.params.confidence), snakemake.output, record(snakemake))
