# What an experiment will cost, from the jobs of it that have run.
#
# inputs   benchmark files and results, those that are there
# outputs  none: a table on the terminal


localrules:
    estimate,


rule estimate:
    """Print jobs, hours and disk of this configuration; run a part of it first, such as one angle."""
    log:
        "logs/estimate.log",
    conda:
        "../envs/thetascope.yaml"
    params:
        settings=SETTINGS,
        views=config["views"],
        device=config["device"],
        precision=config["precision"],
        stages=lambda wildcards: STAGES,
    script:
        "../workflow_scripts/estimate.py"
