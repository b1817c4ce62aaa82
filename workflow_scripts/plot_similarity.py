"""Rule plot_similarity: dice.csv → results/plots/similarity-{dataset}.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import read_table, record
from thetascope.report.figures.panels import rows_of
from thetascope.report.figures.similarity import similarity_figure
from thetascope.report.figures.style import save

with job(snakemake):
    of_set = rows_of(read_table(snakemake.input[0]), dataset=snakemake.wildcards.dataset)
    figure = similarity_figure(of_set, snakemake.params.confidence)
    save(figure, snakemake.output, record(snakemake))
