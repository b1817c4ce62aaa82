# What every run starts from: image sets as arrays, and backbone weights.
#
# inputs   a data set's own files, pictures that come with the dependencies, or downloads
# outputs  results/data/{dataset}/…, results/backbones/{encoder}-{init}.pt, results/downloads/…


# compute nodes often have no access to the internet: these rules run where Snakemake does
localrules:
    download,
    fetch,
    backbone,


rule download:
    """Fetch a file that the configuration asks for by name; a cut connection is taken up again."""
    output:
        "results/downloads/{download}",
    log:
        "logs/downloads/{download}.log",
    conda:
        "../envs/thetascope.yaml"
    params:
        source=lambda wildcards: config["downloads"][wildcards.download],
        code=fingerprint("download.py"),
    script:
        "../workflow_scripts/download.py"


rule fetch:
    """Have torchvision download an image set whose options say `download: true`."""
    output:
        directory("results/downloads/sets/{dataset}"),
    log:
        "logs/downloads/sets/{dataset}.log",
    conda:
        "../envs/thetascope.yaml"
    params:
        options=lambda wildcards: {
            key: config["datasets"][wildcards.dataset].get(key)
            for key in ("adapter", "name", "part")
        },
        code=fingerprint("fetch.py"),
    script:
        "../workflow_scripts/fetch.py"


rule data:
    """Decode, resize and split one data set, once."""
    input:
        archive=lambda wildcards: (
            f"results/downloads/{ARCHIVES[wildcards.dataset][0]}"
            if ARCHIVES[wildcards.dataset]
            else []
        ),
        fetched=lambda wildcards: (
            f"results/downloads/sets/{wildcards.dataset}"
            if options.is_fetched(config["datasets"][wildcards.dataset])
            else []
        ),
    output:
        images="results/data/{dataset}/images.npy",
        masks="results/data/{dataset}/masks.npy",
        manifest="results/data/{dataset}/manifest.csv",
    log:
        "logs/data/{dataset}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        options=lambda wildcards: config["datasets"][wildcards.dataset],
        archive=lambda wildcards: ARCHIVES[wildcards.dataset],
        files=lambda wildcards: own_files.digest(
            wildcards.dataset, config["datasets"][wildcards.dataset]
        ),
        image_size=config["image_size"],
        split=config["split"],
        code=lambda wildcards: fingerprint(
            "data.py",
            f"thetascope/datasets/adapters/{config['datasets'][wildcards.dataset]['adapter']}.py",
        ),
    script:
        "../workflow_scripts/data.py"


rule backbone:
    """Write the weights that every θ starts afresh from."""
    input:
        weights=lambda wildcards: (
            weights_of(config["pretrain"], wildcards.encoder)
            or (
                "results/downloads/moco_v2"
                if config["pretrain"]["init"] == "moco_v2"
                else []
            )
        ),
    output:
        "results/backbones/{encoder}-{init}.pt",
    log:
        "logs/backbones/{encoder}-{init}.log",
    conda:
        "../envs/thetascope.yaml"
    threads: TORCH_THREADS
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        image_size=config["image_size"],  # which not every encoder takes
        code=fingerprint("backbone.py"),
    script:
        "../workflow_scripts/backbone.py"
