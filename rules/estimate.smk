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
        stages=lambda wildcards: [
            ("pretrain", RUN_NAME, ["pretrain.csv", "pretrained.pt"], RUNS),
            (
                "finetune",
                RUN_NAME,
                ["finetune.csv", "finetuned.pt", "segmentation.csv"],
                RUNS,
            ),
            ("saliency", EVALUATION_NAME, ["saliency.npz"], EVALUATIONS),
            ("score", EVALUATION_NAME, ["dice.csv"], EVALUATIONS),
        ],
    script:
        "../workflow_scripts/estimate.py"
