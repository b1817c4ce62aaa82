# Which design a study needs, from the noise of this one.
#
# inputs   the scores and benchmarks of a finished experiment: the pilot
# outputs  none: a table on the terminal


localrules:
    plan,


rule plan:
    """Print seeds, angles and test items that find a wave of `analysis.smallest_effect`."""
    input:
        scores="results/tables/dice_per_item.parquet",
        benchmarks="results/tables/benchmarks.csv",
    log:
        "logs/plan.log",
    conda:
        "../envs/thetascope.yaml"
    params:
        analysis=config["analysis"],
    script:
        "../workflow_scripts/plan.py"
