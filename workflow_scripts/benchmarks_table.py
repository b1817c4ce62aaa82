"""Rule benchmarks_table: benchmark files of all runs → results/tables/benchmarks.csv."""

from pathlib import Path

from thetascope import tables
from thetascope.job import job
from thetascope.provenance import record, write_csv

with job(snakemake):
    params = snakemake.params
    jobs = [
        *({"rule": rule, **run} for run in params.runs for rule in ("pretrain", "finetune")),
        *({"rule": rule, **e} for e in params.evaluations for rule in ("saliency", "score")),
    ]
    paths = [
        Path("benchmarks", params.run_name.format(**names))
        / (f"eval-{names['eval_angle']}" if "eval_angle" in names else "")
        / f"{names['rule']}.tsv"
        for names in jobs
    ]
    measured = [i for i, path in enumerate(paths) if path.exists()]
    table = tables.benchmarks_table([paths[i] for i in measured], [jobs[i] for i in measured])
    made_by = record(snakemake)
    made_by["params"] = {"code": params.code}
    write_csv(table, snakemake.output[0], made_by)
