# Figures as SVG and PNG, each from a table or from maps by one rule.
#
# inputs   results/tables/…, images and masks, saliency.npz of a few angles, results/orientation/{dataset}/…
# outputs  results/plots/…-{dataset}.svg and .png


# seconds of work: on a cluster they run where Snakemake does, without a wait in the queue for each
localrules:
    plot_samples,
    plot_training,
    plot_forest,
    plot_specification,
    plot_probe,
    plot_patterns,
    plot_peaks,
    plot_oscillation,
    plot_periodogram,
    plot_similarity,
    plot_factorial,
    plot_saliency,
    plot_pairs,
    plot_orientation,


rule plot_samples:
    """Show a few images above their masks."""
    input:
        images="results/data/{dataset}/images.npy",
        masks="results/data/{dataset}/masks.npy",
        manifest="results/data/{dataset}/manifest.csv",
    output:
        shown("results/plots/samples-{dataset}.png", PICTURES, "samples"),
        "results/plots/samples-{dataset}.svg",
    log:
        "logs/plots/samples-{dataset}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("plot_samples.py"),
    script:
        "../workflow_scripts/plot_samples.py"


rule plot_training:
    """Draw losses and what they are worth over epochs."""
    input:
        "results/tables/training.parquet",
    output:
        shown("results/plots/training-{dataset}.svg", TRAINING, "training"),
        "results/plots/training-{dataset}.png",
    log:
        "logs/plots/training-{dataset}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=fingerprint("plot_training.py"),
    script:
        "../workflow_scripts/plot_training.py"


rule plot_forest:
    """Draw the amplitudes of all curves of the questions, their intervals and bounds."""
    input:
        "results/tables/verdict.csv",
    output:
        multiext("results/plots/forest", ".svg", ".png"),
    log:
        "logs/plots/forest.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        analysis=config["analysis"],
        code=fingerprint("plot_forest.py"),
    script:
        "../workflow_scripts/plot_forest.py"


rule plot_specification:
    """Draw for the wave of every verdict how much of the curve it is, metric by metric."""
    input:
        verdict="results/tables/verdict.csv",
        oscillation="results/tables/oscillation.csv",
        metrics="results/tables/metrics.csv",
    output:
        shown("results/plots/specification.svg", CURVES, "specification"),
        "results/plots/specification.png",
    log:
        "logs/plots/specification.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        analysis=config["analysis"],
        code=fingerprint("plot_specification.py"),
    script:
        "../workflow_scripts/plot_specification.py"


rule plot_probe:
    """Draw over θ how well a linear probe tells pairs apart; it needs no mask."""
    input:
        dice="results/tables/dice.csv",
        noise="results/tables/noise.csv",
        verdict="results/tables/verdict.csv",
    output:
        shown("results/plots/probe-{dataset}.svg", CURVES, "probe"),
        "results/plots/probe-{dataset}.png",
    log:
        "logs/plots/probe-{dataset}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        confidence=config["analysis"]["confidence"],
        code=fingerprint("plot_probe.py"),
    script:
        "../workflow_scripts/plot_probe.py"


rule plot_patterns:
    """Draw over θ, for all image sets and encoders at once, how well pairs are told apart."""
    input:
        "results/tables/dice.csv",
    output:
        shown("results/plots/patterns.svg", CURVES, "patterns"),
        "results/plots/patterns.png",
    log:
        "logs/plots/patterns.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        confidence=config["analysis"]["confidence"],
        code=fingerprint("plot_patterns.py"),
    script:
        "../workflow_scripts/plot_patterns.py"


rule plot_peaks:
    """Draw the Dice of SmoothGrad and HoG maps over θ, with peaks and how sure their place is."""
    input:
        dice="results/tables/dice.csv",
        peaks="results/tables/peaks.csv",
        oscillation="results/tables/oscillation.csv",
    output:
        shown("results/plots/peaks-{dataset}.svg", CURVES, "peaks"),
        "results/plots/peaks-{dataset}.png",
    log:
        "logs/plots/peaks-{dataset}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        confidence=config["analysis"]["confidence"],
        code=fingerprint("plot_peaks.py"),
    script:
        "../workflow_scripts/plot_peaks.py"


rule plot_oscillation:
    """Draw metrics over θ beside all that they have to be held against, and the verdict in words."""
    input:
        dice="results/tables/dice.csv",
        noise="results/tables/noise.csv",
        reliability="results/tables/reliability.csv",
        verdict="results/tables/verdict.csv",
    output:
        curves=[
            shown("results/plots/oscillation-{dataset}.svg", CURVES, "oscillation"),
            "results/plots/oscillation-{dataset}.png",
        ],
        supplement=[
            shown("results/plots/supplement-{dataset}.svg", CURVES, "supplement"),
            "results/plots/supplement-{dataset}.png",
        ],
    log:
        "logs/plots/oscillation-{dataset}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        confidence=config["analysis"]["confidence"],
        code=fingerprint("plot_oscillation.py"),
    script:
        "../workflow_scripts/plot_oscillation.py"


rule plot_periodogram:
    """Draw the power at every period, and what noise would reach."""
    input:
        periodogram="results/tables/periodogram.csv",
        dice="results/tables/dice.csv",
    output:
        shown("results/plots/periodogram-{dataset}.svg", CURVES, "periodogram"),
        "results/plots/periodogram-{dataset}.png",
    log:
        "logs/plots/periodogram-{dataset}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        periods=config["analysis"]["periods"],
        confidence=config["analysis"]["confidence"],
        code=fingerprint("plot_periodogram.py"),
    script:
        "../workflow_scripts/plot_periodogram.py"


rule plot_similarity:
    """Draw how alike encoders are over the angle of training, without any map."""
    input:
        "results/tables/dice.csv",
    output:
        shown("results/plots/similarity-{dataset}.svg", CURVES, "similarity"),
        "results/plots/similarity-{dataset}.png",
    log:
        "logs/plots/similarity-{dataset}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        confidence=config["analysis"]["confidence"],
        code=fingerprint("plot_similarity.py"),
    script:
        "../workflow_scripts/plot_similarity.py"


rule plot_factorial:
    """Draw a metric over the angle of training and that of evaluation."""
    input:
        "results/tables/dice.csv",
    output:
        shown("results/plots/factorial-{dataset}.svg", CURVES, "factorial"),
        "results/plots/factorial-{dataset}.png",
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
    """Show what the models look at, at a few angles: best item, worst item, mean over items."""
    input:
        images="results/data/{dataset}/images.npy",
        saliency=per_shown_evaluation("saliency.npz"),
        scores=per_shown_evaluation("dice.csv"),
        reliability="results/tables/reliability.csv",
    output:
        shown("results/plots/saliency-{dataset}.png", PICTURES, "saliency"),
        "results/plots/saliency-{dataset}.svg",
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


rule plot_pairs:
    """Show a few items above themselves turned by θ, on request for any θ of the experiment."""
    input:
        images="results/data/{dataset}/images.npy",
        saliency=lambda wildcards: f"{EVALUATION}/saliency.npz".format(
            **pair_evaluation(wildcards)
        ),
    output:
        multiext("results/plots/pairs-{dataset}-{eval_angle}", ".svg", ".png"),
    log:
        "logs/plots/pairs-{dataset}-{eval_angle}.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        evaluation=pair_evaluation,
        view=lambda wildcards: config["views"][pair_evaluation(wildcards)["view"]],
        code=fingerprint("plot_pairs.py"),
    script:
        "../workflow_scripts/plot_pairs.py"


rule plot_orientation:
    """Draw the gradient orientations, their autocorrelation, and how well HoG tells x from R_θ x."""
    input:
        histogram=f"{ORIENTATION}/histogram.csv",
        autocorrelation=f"{ORIENTATION}/autocorrelation.csv",
        hog_svm=f"{ORIENTATION}/hog_svm.csv",
    output:
        shown("results/plots/orientation-{dataset}.svg", CURVES, "orientation"),
        "results/plots/orientation-{dataset}.png",
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
