# Whether curves over θ follow the gradient orientations of the images; no network has a part in it.
#
# inputs   a data set's images and manifest; dice_per_item.parquet for the correlation with curves
# outputs  results/orientation/{dataset}/…, results/tables/orientation*.csv, hog_svm.csv

# every θ of which the experiment makes a pair (x, R_θ x)
THETAS = sorted(
    {
        angles.degrees(label)
        for grid in (TRAIN_ANGLES, *EVAL_ANGLES.values())
        for label in grid
        if angles.is_fixed(label)
    }
)
HOG_ANGLES = config["orientation"]["hog_angles"]


rule orientation:
    """Histogram of gradient orientations, and its autocorrelation at every θ."""
    input:
        images="results/data/{dataset}/images.npy",
    output:
        histogram=f"{ORIENTATION}/histogram.csv",
        autocorrelation=f"{ORIENTATION}/autocorrelation.csv",
    log:
        "logs/orientation/{dataset}/orientation.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        bins=config["orientation"]["bins"],
        thetas=THETAS,
        intervals=INTERVALS,
        code=fingerprint("orientation.py"),
    script:
        "../workflow_scripts/orientation.py"


rule hog_svm:
    """Can histograms of oriented gradients tell x from R_θ x?"""
    input:
        images="results/data/{dataset}/images.npy",
        manifest="results/data/{dataset}/manifest.csv",
    output:
        f"{ORIENTATION}/hog_svm.csv",
    log:
        "logs/orientation/{dataset}/hog_svm.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        cells=config["orientation"]["hog_cells"],
        thetas=(
            THETAS
            if HOG_ANGLES == "all"
            else [angles.degrees(label) for label in angles.expand(HOG_ANGLES)]
        ),
        intervals=INTERVALS,
        code=fingerprint("hog_svm.py"),
    script:
        "../workflow_scripts/hog_svm.py"


rule orientation_tables:
    """Put the image sets' orientations into one table of each kind."""
    input:
        orientation=per_dataset("autocorrelation.csv"),
        histogram=per_dataset("histogram.csv"),
        hog_svm=per_dataset("hog_svm.csv"),
    output:
        orientation=table("orientation"),
        histogram=table("orientation_histogram"),
        hog_svm=table("hog_svm"),
    log:
        "logs/tables/orientation.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        wildcards=[{"dataset": name} for name in config["datasets"]],
        code=fingerprint("orientation_tables.py"),
    script:
        "../workflow_scripts/orientation_tables.py"


rule orientation_correlation:
    """Hold the autocorrelation of the orientations against every curve over θ."""
    input:
        scores="results/tables/dice_per_item.parquet",
        orientation="results/tables/orientation.csv",
    output:
        table("orientation_correlation"),
    log:
        "logs/tables/orientation_correlation.log",
    conda:
        "../envs/thetascope.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        analysis=config["analysis"],
        code=fingerprint("orientation_correlation.py"),
    script:
        "../workflow_scripts/orientation_correlation.py"
