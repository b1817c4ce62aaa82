# Self-supervised pre-training at one θ, and how alike the encoders are that it gives.
#
# inputs   a data set's images and manifest, a backbone
# outputs  {RUN}/pretrained.pt, pretrain.csv (one row per epoch), features.npz (of the test items);
#          similarity.parquet of every arm (per item × what an encoder is held against)


rule pretrain:
    """Train the encoder on pairs (x, R_θ x); `angle-none` passes the backbone through."""
    input:
        images="results/data/{dataset}/images.npy",
        manifest="results/data/{dataset}/manifest.csv",
        backbone=f"results/backbones/{{encoder}}-{config['pretrain']['init']}.pt",
    output:
        checkpoint=checkpoint_of_run("pretrained.pt"),
        epochs=f"{RUN}/pretrain.csv",
        features=f"{RUN}/features.npz",
    log:
        f"logs/{RUN_NAME}/pretrain.log",
    conda:
        "../envs/thetascope.yaml"
    threads: TORCH_THREADS
    resources:
        gpu=1,
        mem_mb=growing(8000),
        runtime=growing(240),
    params:
        settings=SETTINGS["pretrain"],
        threads=config["threads"],  # the last digits depend on it
        precision=config["precision"],
        state=f"results/state/{RUN_NAME}/pretrain.pt",
        view=lambda wildcards: config["views"][wildcards.view],
        code=fingerprint("pretrain.py"),
    script:
        "../workflow_scripts/pretrain.py"


rule similarity:
    """Hold the encoders of an arm against one another and against their backbone, without a map."""
    input:
        features=lambda wildcards: [
            f"{RUN}/features.npz".format(**run) for run in fixed_runs(wildcards)
        ],
        manifest="results/data/{dataset}/manifest.csv",
    output:
        f"results/{ARM_NAME}/similarity.parquet",
    log:
        f"logs/{ARM_NAME}/similarity.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(3000),
        runtime=growing(30),
    params:
        runs=lambda wildcards: [
            (run["angle"], run["seed"]) for run in fixed_runs(wildcards)
        ],
        code=fingerprint("similarity.py"),
    script:
        "../workflow_scripts/similarity.py"
