# Self-supervised pre-training at one θ.
#
# inputs   a data set's images and manifest, a backbone
# outputs  {RUN}/pretrained.pt, pretrain.csv (one row per epoch)


rule pretrain:
    """Train the encoder on pairs (x, R_θ x); `angle-none` passes the backbone through."""
    input:
        images="results/data/{dataset}/images.npy",
        manifest="results/data/{dataset}/manifest.csv",
        backbone=f"results/backbones/{{encoder}}-{config['pretrain']['init']}.pt",
    output:
        checkpoint=checkpoint_of_run("pretrained.pt"),
        epochs=f"{RUN}/pretrain.csv",
    log:
        f"logs/{RUN_NAME}/pretrain.log",
    conda:
        "../envs/thetascope.yaml"
    threads: torch_threads
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
