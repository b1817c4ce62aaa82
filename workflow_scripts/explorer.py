"""Rule explorer: dice, verdict, reliability, saliency.npz of some angles → explorer.html."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import atomic, read_table, record
from thetascope.report import explorer

with job(snakemake):
    given, params = snakemake.input, snakemake.params
    images = dict(zip(params.datasets, given.images, strict=True))
    tables = [read_table(given[name]) for name in ("scores", "verdicts", "reliability")]
    series = explorer.curves(*tables)
    panels = explorer.panels(params.evaluations, given.saliency, images, params.canvases)
    page = explorer.page({"series": series, "panels": panels, "record": record(snakemake)})
    with atomic(snakemake.output[0]) as temporary:
        temporary.write_text(page, encoding="utf-8")
