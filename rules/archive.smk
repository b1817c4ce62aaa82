# `snakemake archive`: what the study found, with its configuration and checksums, to keep or to pass on.
#
# inputs   results/tables/…, results/plots/…, results/pages/…, the data sets' manifests
# outputs  results/archive.zip


rule archive:
    """Pack tables, figures, pages and manifests; images, checkpoints and maps stay where they are."""
    input:
        TABLES,
        "results/tables/verdict.md",
        PLOTS,
        PAGES,
        "results/explorer.html",
        expand("results/data/{dataset}/manifest.csv", dataset=config["datasets"]),
    output:
        "results/archive.zip",
    log:
        "logs/archive.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        config=config,
        code=fingerprint("archive.py"),
    script:
        "../workflow_scripts/archive.py"
