"""Rule verdict_page: verdict.md, verdict.csv, forest.svg → results/pages/verdict.html."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from pathlib import Path

from thetascope.engine.job import job
from thetascope.files import atomic, read_table, record
from thetascope.report.pages import verdict_page

with job(snakemake):
    words, forest = (
        Path(snakemake.input[name]).read_text(encoding="utf-8") for name in ("words", "forest")
    )
    text = verdict_page(words, read_table(snakemake.input.table), forest, record(snakemake))
    with atomic(snakemake.output[0]) as temporary:
        temporary.write_text(text, encoding="utf-8")
