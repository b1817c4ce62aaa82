# What both models look at, and how well that meets the mask; without masks, the pretrained one alone.
#
# inputs   {RUN}/pretrained.pt, finetuned.pt, a data set's images, masks and manifest
# outputs  {RUN}/eval-{eval_angle}/saliency.npz, probe.csv and, on request, perceptron.csv (per item),
#          dice.csv, reliability.csv (per item × model × input × attribution)


rule saliency:
    """Map x and R_θ x for the pretrained and the fine-tuned model; probe the encoder's features."""
    input:
        images="results/data/{dataset}/images.npy",
        masks="results/data/{dataset}/masks.npy",
        manifest="results/data/{dataset}/manifest.csv",
        pretrained=f"{RUN}/pretrained.pt",
        finetuned=FINETUNED,
    output:
        maps=f"{EVALUATION}/saliency.npz",
        probe=f"{EVALUATION}/probe.csv",
    log:
        f"logs/{EVALUATION_NAME}/saliency.log",
    priority: UNDER_WAY
    conda:
        "../envs/thetascope.yaml"
    threads: TORCH_THREADS
    resources:
        gpu=1,
        mem_mb=growing(8000),
        runtime=growing(60),
    params:
        settings=SETTINGS["saliency"],
        threads=config["threads"],  # the last digits depend on it
        precision=config["precision"],
        view=lambda wildcards: config["views"][wildcards.view],
        code=fingerprint("saliency.py"),
    script:
        "../workflow_scripts/saliency.py"


rule score:
    """Score every map against the mask, beside chance; and how well its halves agree."""
    input:
        saliency=f"{EVALUATION}/saliency.npz",
        manifest="results/data/{dataset}/manifest.csv",
    output:
        scores=f"{EVALUATION}/dice.csv",
        reliability=f"{EVALUATION}/reliability.csv",
    log:
        f"logs/{EVALUATION_NAME}/score.log",
    wildcard_constraints:
        dataset=one_of(MASKED),
    priority: UNDER_WAY
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        settings=SETTINGS["score"],
        code=fingerprint("score.py"),
    script:
        "../workflow_scripts/score.py"


rule perceptron:
    """Train a perceptron to tell pairs apart by the encoder's features, and judge it."""
    input:
        images="results/data/{dataset}/images.npy",
        manifest="results/data/{dataset}/manifest.csv",
        pretrained=f"{RUN}/pretrained.pt",
    output:
        f"{EVALUATION}/perceptron.csv",
    log:
        f"logs/{EVALUATION_NAME}/perceptron.log",
    priority: UNDER_WAY
    conda:
        "../envs/thetascope.yaml"
    threads: TORCH_THREADS
    resources:
        gpu=1,
        mem_mb=growing(8000),
        runtime=growing(60),
    params:
        settings=SETTINGS["perceptron"],
        threads=config["threads"],  # the last digits depend on it
        precision=config["precision"],
        view=lambda wildcards: config["views"][wildcards.view],
        code=fingerprint("perceptron.py"),
    script:
        "../workflow_scripts/perceptron.py"
