# The results on one page, to look at in a browser.
#
# inputs   results/tables/dice.csv, verdict.csv, reliability.csv, saliency.npz of some angles, every data set's images
# outputs  results/explorer.html

# with maps of more angles the page of many data sets would be too large to open
EXPLORED = [e for name in config["datasets"] for e in evenly(over_theta(name), 24)]


rule explorer:
    """Put all curves over θ, and maps behind them, into one page that needs nothing beside it."""
    input:
        scores="results/tables/dice.csv",
        verdicts="results/tables/verdict.csv",
        reliability="results/tables/reliability.csv",
        images=expand("results/data/{dataset}/images.npy", dataset=config["datasets"]),
        saliency=[f"{EVALUATION}/saliency.npz".format(**e) for e in EXPLORED],
    output:
        "results/explorer.html",
    log:
        "logs/explorer.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        evaluations=EXPLORED,
        datasets=list(config["datasets"]),
        canvases={name: view["canvas"] for name, view in config["views"].items()},
        code=fingerprint("explorer.py", "thetascope/report/explorer.html"),
    script:
        "../workflow_scripts/explorer.py"
