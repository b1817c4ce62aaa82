"""Snakemake itself stays small, however many jobs there are."""

import re

# as many looks for jobs as jobs, while others wait
MANY = """
import threading

include: "Snakefile"

rule many:
    input:
        expand("many/{i}", i=range(60)),

rule one:
    output:
        "many/{i}",
    shell:
        "touch {output}"

onsuccess:
    print("threads at the end:", threading.active_count())
"""


def test_finished_jobs_leave_nothing_running(fresh):
    (fresh.folder / "many.smk").write_text(MANY)
    done = fresh.snakemake("many", "--snakefile", "many.smk", "--cores", "2")
    assert len(list((fresh.folder / "many").iterdir())) == 60
    said = done.stdout + done.stderr
    for n in (1, 61):
        assert f"{n} of 61 jobs done" in said
    assert int(re.search(r"threads at the end: (\d+)", said)[1]) < 15
