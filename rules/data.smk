# What every run starts from: image sets as arrays, and backbone weights.
#
# inputs   a data set's own files, or pictures that come with the dependencies
# outputs  results/data/{dataset}/…, results/backbones/{encoder}-{init}.pt


rule data:
    """Decode, resize and split one data set, once."""
    output:
        images="results/data/{dataset}/images.npy",
        masks="results/data/{dataset}/masks.npy",
        manifest="results/data/{dataset}/manifest.csv",
    log:
        "logs/data/{dataset}.log",
    benchmark:
        "benchmarks/data/{dataset}.tsv"
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        options=lambda wildcards: config["datasets"][wildcards.dataset],
        image_size=config["image_size"],
        split=config["split"],
        code=lambda wildcards: fingerprint(
            "prepare_data.py",
            f"thetascope/datasets/{config['datasets'][wildcards.dataset]['adapter']}.py",
        ),
    script:
        "../workflow_scripts/prepare_data.py"


rule backbone:
    """Write the weights that every θ starts afresh from."""
    input:
        weights=lambda wildcards: (
            config["pretrain"]["weights"] if wildcards.init == "file" else []
        ),
    output:
        "results/backbones/{encoder}-{init}.pt",
    log:
        "logs/backbones/{encoder}-{init}.log",
    benchmark:
        "benchmarks/backbones/{encoder}-{init}.tsv"
    conda:
        "../envs/thetascope.yaml"
    threads: torch_threads
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=fingerprint("backbone.py"),
    script:
        "../workflow_scripts/backbone.py"
