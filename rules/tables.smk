# From scores per item to tables over θ.
#
# inputs   every dice.csv and segmentation.csv, benchmark files
# outputs  results/tables/*.csv, dice_per_item.parquet, training.parquet


rule dice_per_item:
    """Put the scores of all evaluations into one columnar file."""
    input:
        maps=per_evaluation("dice.csv", SCORED),
        probes=per_evaluation("probe.csv"),
        perceptrons=per_evaluation("perceptron.csv", WITH_PERCEPTRON),
        segmentations=per_run("segmentation.csv", TUNED),
        similarities=[
            f"results/{ARM_NAME}/similarity.parquet".format(**arm) for arm in ARMS
        ],
    output:
        "results/tables/dice_per_item.parquet",
    log:
        "logs/tables/dice_per_item.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        scored=SCORED,
        evaluations=EVALUATIONS,
        perceptrons=WITH_PERCEPTRON,
        tuned=TUNED,
        code=fingerprint("dice_per_item.py"),
    script:
        "../workflow_scripts/dice_per_item.py"


rule dice_table:
    """Mean and bootstrap interval per data set, θ, model and metric, chance beside it."""
    input:
        "results/tables/dice_per_item.parquet",
    output:
        table("dice"),
    log:
        "logs/tables/dice.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        intervals=INTERVALS,
        code=fingerprint("dice_table.py"),
    script:
        "../workflow_scripts/dice_table.py"


rule oscillation_tables:
    """Waves at the declared periods, level and peaks of every curve over θ."""
    input:
        "results/tables/dice_per_item.parquet",
    output:
        oscillation=table("oscillation"),
        levels=table("levels"),
        peaks=table("peaks"),
    log:
        "logs/tables/oscillation.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        analysis=config["analysis"],
        views=config["views"],
        code=fingerprint("oscillation_tables.py"),
    script:
        "../workflow_scripts/oscillation_tables.py"


rule comparison_tables:
    """Do curves differ between data sets, views, inputs, encoders, methods; do they agree?"""
    input:
        scores="results/tables/dice_per_item.parquet",
        oscillation="results/tables/oscillation.csv",
    output:
        contrasts=table("contrasts"),
        phases=table("phases"),
        pooled=table("pooled"),
        metrics=table("metrics"),
        questions=table("questions"),
        signatures=table("signatures"),
    log:
        "logs/tables/comparison.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        analysis=config["analysis"],
        datasets=config["datasets"],
        code=fingerprint("comparison_tables.py"),
    script:
        "../workflow_scripts/comparison_tables.py"


rule periodicity_tables:
    """What is noise, what else is periodic, what correlates with the maps?"""
    input:
        "results/tables/dice_per_item.parquet",
    output:
        noise=table("noise"),
        periodogram=table("periodogram"),
        downstream=table("downstream"),
    log:
        "logs/tables/periodicity.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        analysis=config["analysis"],
        code=fingerprint("periodicity_tables.py"),
    script:
        "../workflow_scripts/periodicity_tables.py"


rule verdict:
    """Answer the declared question, in a table and in plain words."""
    input:
        oscillation="results/tables/oscillation.csv",
        levels="results/tables/levels.csv",
        noise="results/tables/noise.csv",
        contrasts="results/tables/contrasts.csv",
        phases="results/tables/phases.csv",
        questions="results/tables/questions.csv",
        reliability="results/tables/reliability.csv",
        benchmarks="results/tables/benchmarks.csv",
    output:
        table=table("verdict"),
        page="results/tables/verdict.md",
    log:
        "logs/tables/verdict.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        analysis=config["analysis"],
        views=config["views"],
        code=fingerprint("verdict.py"),
    script:
        "../workflow_scripts/verdict.py"


rule segmentation_table:
    """Test Dice of the fine-tuned models per θ, beside chance."""
    input:
        per_run("segmentation.csv", TUNED),
    output:
        table("segmentation"),
    log:
        "logs/tables/segmentation.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        wildcards=TUNED,
        intervals=INTERVALS,
        code=fingerprint("segmentation_table.py"),
    script:
        "../workflow_scripts/segmentation_table.py"


rule reliability_table:
    """How much of the maps of each model would come out again with other noise."""
    input:
        per_evaluation("reliability.csv", SCORED),
    output:
        table("reliability"),
    log:
        "logs/tables/reliability.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        wildcards=SCORED,
        intervals=INTERVALS,
        code=fingerprint("reliability_table.py"),
    script:
        "../workflow_scripts/reliability_table.py"


rule datasets_table:
    """Describe what was read of each image set."""
    input:
        expand("results/data/{dataset}/manifest.csv", dataset=config["datasets"]),
    output:
        table("datasets"),
    log:
        "logs/tables/datasets.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        datasets=list(config["datasets"]),
        code=fingerprint("datasets_table.py"),
    script:
        "../workflow_scripts/datasets_table.py"


rule training_table:
    """Put every epoch of every run into one columnar file."""
    input:
        pretrain=per_run("pretrain.csv"),
        finetune=per_run("finetune.csv", TUNED),
    output:
        "results/tables/training.parquet",
    log:
        "logs/tables/training.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        runs=RUNS,
        tuned=TUNED,
        code=fingerprint("training_table.py"),
    script:
        "../workflow_scripts/training_table.py"


rule benchmarks_table:
    """Merge what every job measured of itself, once all of them are done."""
    input:
        # benchmark files are no outputs that a rule could ask for; the last table comes after them
        "results/tables/dice_per_item.parquet",
    output:
        table("benchmarks"),
    log:
        "logs/tables/benchmarks.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        stages=lambda wildcards: STAGES,
        code=fingerprint("benchmarks_table.py"),
    script:
        "../workflow_scripts/benchmarks_table.py"
