# Whether the results can be had again.
#
# inputs   finished cells, those that are there
# outputs  none: what differs, on the terminal


localrules:
    verify,


rule verify:
    """Compute a random sample of finished cells again, elsewhere, and compare every byte."""
    log:
        "logs/verify.log",
    conda:
        "../envs/thetascope.yaml"
    params:
        cells=config["verify"],
        scores=lambda wildcards: [
            *per_evaluation("dice.csv", SCORED),
            *per_evaluation(
                "probe.csv", [e for e in EVALUATIONS if e["dataset"] not in MASKED]
            ),
            *per_evaluation("perceptron.csv", WITH_PERCEPTRON),
        ],
        folders=["results/data", "results/backbones"],
        snakefile=f"{workflow.basedir}/{hooks.snakefile_name(workflow)}",
    script:
        "../workflow_scripts/verify.py"
