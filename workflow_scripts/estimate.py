"""Rule estimate: benchmark files and results that are there → a table on the terminal."""

from thetascope.engine.estimate import estimate, report, stage_jobs
from thetascope.engine.job import job

with job(snakemake):
    params = snakemake.params
    jobs = [
        found
        for rule, folder, outputs, wildcards in params.stages
        for found in stage_jobs(
            rule, folder, outputs, wildcards, params.settings[rule], params.views, params.precision
        )
    ]
    print(report(estimate(jobs, params.device)))
