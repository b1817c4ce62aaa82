# Supervised fine-tuning of the pretrained encoder.
#
# inputs   {RUN}/pretrained.pt, a data set's images, masks and manifest
# outputs  {RUN}/finetuned.pt, finetune.csv (per epoch), segmentation.csv (per test item and label)


rule finetune:
    """Train a U-Net on the pretrained encoder and score it on the test split."""
    input:
        images="results/data/{dataset}/images.npy",
        masks="results/data/{dataset}/masks.npy",
        manifest="results/data/{dataset}/manifest.csv",
        pretrained=f"{RUN}/pretrained.pt",
    output:
        checkpoint=checkpoint_of_run("finetuned.pt"),
        epochs=f"{RUN}/finetune.csv",
        segmentation=f"{RUN}/segmentation.csv",
    log:
        f"logs/{RUN_NAME}/finetune.log",
    wildcard_constraints:
        dataset=one_of(MASKED),
    priority: UNDER_WAY
    conda:
        "../envs/thetascope.yaml"
    threads: TORCH_THREADS
    resources:
        gpu=1,
        mem_mb=growing(8000),
        runtime=growing(120),
    params:
        settings=SETTINGS["finetune"],
        threads=config["threads"],  # the last digits depend on it
        precision=config["precision"],
        state=f"results/state/{RUN_NAME}/finetune.pt",
        view=lambda wildcards: config["views"][wildcards.view],
        code=fingerprint("finetune.py"),
    script:
        "../workflow_scripts/finetune.py"
