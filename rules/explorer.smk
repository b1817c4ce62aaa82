# The results on one page, to look at in a browser.
#
# inputs   results/tables/…, saliency.npz and dice.csv of some angles, every data set's images
# outputs  results/explorer.html

# with maps of more angles the page of many data sets would be too large to open
EXPLORED = [e for name in config["datasets"] for e in evenly(over_theta(name), 24)]


rule explorer:
    """Put verdict, curves over θ and the maps behind them into one page that needs nothing else."""
    input:
        scores="results/tables/dice.csv",
        verdicts="results/tables/verdict.csv",
        reliability="results/tables/reliability.csv",
        noise="results/tables/noise.csv",
        benchmarks="results/tables/benchmarks.csv",
        images=expand("results/data/{dataset}/images.npy", dataset=config["datasets"]),
        manifests=expand(
            "results/data/{dataset}/manifest.csv", dataset=config["datasets"]
        ),
        saliency=[f"{EVALUATION}/saliency.npz".format(**e) for e in EXPLORED],
        dice=[
            f"{EVALUATION}/dice.csv".format(**e)
            for e in EXPLORED
            if e["dataset"] in MASKED
        ],
    output:
        shown("results/explorer.html", VERDICT, "explorer"),
    log:
        "logs/explorer.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        evaluations=EXPLORED,
        scored=[i for i, e in enumerate(EXPLORED) if e["dataset"] in MASKED],
        datasets=list(config["datasets"]),
        views=config["views"],
        analysis=config["analysis"],
        code=fingerprint(
            "explorer.py",
            "thetascope/report/explorer.html",
            "thetascope/report/explorer.js",
        ),
    script:
        "../workflow_scripts/explorer.py"
