# Figures, each from tables or maps by one rule.
#
# inputs   results/tables/dice.csv, saliency.npz of a few angles, results/orientation/{dataset}/…
# outputs  results/plots/oscillation-{dataset}.svg, factorial-{dataset}.svg, saliency-{dataset}.png,
#          orientation-{dataset}.svg


rule plot_oscillation:
    """Draw the metrics over θ, with intervals and the footprint null."""
    input:
        "results/tables/dice.csv",
    output:
        "results/plots/oscillation-{dataset}.svg",
    log:
        "logs/plots/oscillation-{dataset}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("plot_oscillation.py"),
    script:
        "../workflow_scripts/plot_oscillation.py"


rule plot_factorial:
    """Draw a metric over the angle of training and that of evaluation."""
    input:
        "results/tables/dice.csv",
    output:
        "results/plots/factorial-{dataset}.svg",
    log:
        "logs/plots/factorial-{dataset}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("plot_factorial.py"),
    script:
        "../workflow_scripts/plot_factorial.py"


rule plot_saliency:
    """Show image, mask, map and binarised map, the original above the rotated view."""
    input:
        images="results/data/{dataset}/images.npy",
        saliency=lambda wildcards: [
            f"{EVALUATION}/saliency.npz".format(**e)
            for e in shown_evaluations(wildcards)
        ],
    output:
        "results/plots/saliency-{dataset}.png",
    log:
        "logs/plots/saliency-{dataset}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        evaluations=shown_evaluations,
        view=lambda wildcards: config["views"][shown_evaluations(wildcards)[0]["view"]],
        code=fingerprint("plot_saliency.py"),
    script:
        "../workflow_scripts/plot_saliency.py"


rule plot_orientation:
    """Draw the gradient orientations, their autocorrelation, and how well HoG tells x from R_θ x."""
    input:
        histogram=f"{ORIENTATION}/histogram.csv",
        autocorrelation=f"{ORIENTATION}/autocorrelation.csv",
        hog_svm=f"{ORIENTATION}/hog_svm.csv",
    output:
        "results/plots/orientation-{dataset}.svg",
    log:
        "logs/plots/orientation-{dataset}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("plot_orientation.py"),
    script:
        "../workflow_scripts/plot_orientation.py"
