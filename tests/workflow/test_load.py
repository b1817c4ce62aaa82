"""Snakemake itself stays small, however many jobs there are; bench/load.py has hundreds of ours."""

import re

from snakemake_runs import planned_jobs

JOBS = 120
# as many looks for jobs as jobs, while others wait
MANY = f"""
import threading

include: "Snakefile"

rule many:
    input:
        expand("many/{{i}}", i=range({JOBS})),

rule one:
    output:
        "many/{{i}}",
    shell:
        "touch {{output}}"

onsuccess:
    print("threads at the end:", threading.active_count())
"""


def test_finished_jobs_leave_nothing_behind(fresh):
    (fresh.folder / "many.smk").write_text(MANY)
    said, main = fresh.watch("many", "--snakefile", "many.smk", "--cores", "8")
    assert len(list((fresh.folder / "many").iterdir())) == JOBS
    for n in (1, JOBS + 1):
        assert f"{n} of {JOBS + 1} jobs done" in said
    assert int(re.search(r"threads at the end: (\d+)", said)[1]) < 15
    # from when jobs run, to the end
    running = main[main["done"] > 0]
    fifth = -(-len(running) // 5)
    begun, late = running[:fifth].median(), running[-fifth:].median()
    assert begun["done"] < JOBS / 2 < late["done"]
    assert late["files"] <= begun["files"] + 8  # as many jobs at a time have their pipes
    assert late["memory"] < begun["memory"] + 20


def test_five_thousand_jobs_are_planned(fresh):
    scores = "results/tables/dice_per_item.parquet"
    many = "angles={start: 0, stop: 250, step: 0.2}"
    plan = planned_jobs(fresh.snakemake(scores, "--dry-run", "--config", many))
    assert plan["total"] >= 5000
