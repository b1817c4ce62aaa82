# Configuration, wildcard constraints, paths, targets and code fingerprints.

import gc
import os
import re
import sys
from itertools import product

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import update_config
from thetascope import angles
from thetascope.analysis import sweeps
from thetascope.datasets import options
from thetascope.engine import config as configuration, hooks, own_files, prefork
from thetascope.engine.fingerprint import fingerprint
from thetascope.engine.patterns import one_of
from thetascope.engine.runs import (
    GPU_RULES,
    angles_and_seeds,
    eval_angles,
    masked,
    notes,
    weights_of,
)
from thetascope.errors import UserError
from thetascope.learning import gpus
from thetascope.vocabulary import ARM, RUN_WILDCARDS

# a plan is millions of objects that stay: to look for garbage among them took a tenth of the time
gc.set_threshold(100_000)
hooks.look_once_for_scripts()

try:
    if set("{}") & set(f"{workflow.basedir}{os.getcwd()}"):
        raise UserError(
            f"{os.getcwd()}: Snakemake takes braces in a folder's name for a wildcard; rename it"
        )
    configuration.check_files(hooks.configuration_files(workflow))
    if hooks.is_module_with_config(workflow):
        changes, config = config, configuration.default()
        update_config(config, changes)
    config = configuration.resolve(config)
    # what a study costs may be asked before its images are there
    if hooks.is_main_process(workflow) and "estimate" not in sys.argv:
        own_files.check(config["datasets"])
except UserError as error:
    raise WorkflowError(str(error)) from None


# -- wildcards: built from the configuration, so that a mistyped target fails at once --------------


EVAL_ANGLES = eval_angles(config)
TRAIN_ANGLES = list(EVAL_ANGLES)  # of all seeds together


# what has to be downloaded for each data set, if anything
ARCHIVES = {
    name: options.archive(dataset["adapter"], dataset)
    for name, dataset in config["datasets"].items()
}


MASKED = masked(config)  # image sets that can be fine-tuned on and scored against


wildcard_constraints:
    download=one_of(config["downloads"]),
    dataset=one_of(config["datasets"]),
    view=one_of(config["views"]),
    encoder=one_of(config["encoders"]),
    init=config["pretrain"]["init"],
    method=one_of(config["methods"]),
    angle=one_of(TRAIN_ANGLES),
    seed=one_of(config["seeds"]),
    eval_angle=one_of({e for grid in EVAL_ANGLES.values() for e in grid}),


# -- paths ------------------------------------------------------------------------------------------

# a run is one (data set, view, encoder, method, θ, seed); logs/ and benchmarks/ mirror its place
ARM_NAME = "runs/{dataset}/{view}/{encoder}/{method}"
RUN_NAME = f"{ARM_NAME}/angle-{{angle}}/seed-{{seed}}"
RUN = f"results/{RUN_NAME}"

ARMS = [
    dict(zip(ARM, names))
    for names in product(
        config["datasets"], config["views"], config["encoders"], config["methods"]
    )
]
RUNS = [
    dict(zip(RUN_WILDCARDS, (*arm.values(), *angle_and_seed)))
    for arm in ARMS
    for angle_and_seed in angles_and_seeds(config)
]
EVALUATIONS = [
    {**run, "eval_angle": e} for run in RUNS for e in EVAL_ANGLES[run["angle"]]
]


def is_tuned(run):
    """Whether a run has a fine-tuned model: its image set has masks to learn from."""
    return run.get("dataset") in MASKED


# said where the user sees it, not in one job's log
if hooks.is_main_process(workflow):
    for note in notes(config):
        logger.info(note)

TUNED = [run for run in RUNS if is_tuned(run)]
SCORED = [e for e in EVALUATIONS if e["dataset"] in MASKED]
WITH_PERCEPTRON = EVALUATIONS if config["probe"]["perceptron"] else []


EVALUATION_NAME = f"{RUN_NAME}/eval-{{eval_angle}}"
EVALUATION = f"results/{EVALUATION_NAME}"


# what costs most: rule, where its results and benchmarks lie, its results, its wildcards
STAGES = [
    (
        "pretrain",
        RUN_NAME,
        ["pretrain.csv", "pretrained.pt", "features.npz"],
        RUNS,
    ),
    ("finetune", RUN_NAME, ["finetune.csv", "finetuned.pt", "segmentation.csv"], TUNED),
    ("saliency", EVALUATION_NAME, ["saliency.npz", "probe.csv"], EVALUATIONS),
    ("score", EVALUATION_NAME, ["dice.csv", "reliability.csv"], SCORED),
    ("perceptron", EVALUATION_NAME, ["perceptron.csv"], WITH_PERCEPTRON),
]


# What saliency reads of fine-tuning. A set without masks has none; only then a function says so, since
# Snakemake asks it for every job.
FINETUNED = f"{RUN}/finetuned.pt"
if len(MASKED) < len(config["datasets"]):
    FINETUNED = lambda run: (
        f"{RUN}/finetuned.pt".format(**run) if is_tuned(run) else []
    )


def per_run(name, runs=RUNS):
    """The file of this name in each of these runs."""
    return [f"{RUN}/{name}".format(**run) for run in runs]


def per_evaluation(name, evaluations=EVALUATIONS):
    """The file of this name in each of these evaluations."""
    return [f"{EVALUATION}/{name}".format(**e) for e in evaluations]


def fixed_runs(wildcards):
    """The runs of an arm that were trained at an angle in degrees."""
    return [
        {**{column: wildcards[column] for column in ARM}, "angle": angle, "seed": seed}
        for angle, seed in angles_and_seeds(config)
        if angles.is_fixed(angle)
    ]


def checkpoint_of_run(name):
    """A file that Snakemake deletes after the last job that needs it, unless all are kept."""
    path = f"{RUN}/{name}"
    return temp(path) if config["keep"] == "results" else path


ORIENTATION = "results/orientation/{dataset}"


def per_dataset(name):
    """The orientation file of this name of every image set."""
    return expand(f"{ORIENTATION}/{name}", dataset=config["datasets"])


def first_evaluations(dataset):
    """Evaluations of the data set's first arm."""
    of_dataset = [e for e in EVALUATIONS if e["dataset"] == dataset]
    return [e for e in of_dataset if all(e[k] == of_dataset[0][k] for k in ARM)]


def over_theta(dataset):
    """Those of the first seed on the curve that figures and explorer show, with their `theta`."""
    first = sweeps.of_curve(first_evaluations(dataset))
    return [e for e in first if e["seed"] == config["seeds"][0]]


def evenly(evaluations, count):
    """So many of them, or all, evenly spread."""
    step = max(1, len(evaluations) / count)
    return [evaluations[int(i * step)] for i in range(min(count, len(evaluations)))]


def shown_evaluations(wildcards):
    """Four of them: nearest to 0 and 90, where nothing is resampled, and to two angles between."""
    left = over_theta(wildcards.dataset)
    near = []
    for theta in (0, 90, 45, 225)[: len(left)]:
        near.append(min(left, key=lambda e: abs(e["theta"] - theta)))
        left.remove(near[-1])
    return sorted(near, key=lambda e: e["theta"])


def per_shown_evaluation(name):
    """The file of this name in each of them, for a rule."""
    return lambda wildcards: [
        f"{EVALUATION}/{name}".format(**e) for e in shown_evaluations(wildcards)
    ]


def pair_evaluation(wildcards):
    """The one at this θ, of the run trained at it if there, of the first seed that has it."""
    of_arm = first_evaluations(wildcards.dataset)
    here = [e for e in of_arm if e["eval_angle"] == wildcards.eval_angle]
    return next((e for e in here if e["angle"] == e["eval_angle"]), here[0])


def table(name):
    """A table for people and, beside it, what made it: both are outputs of one rule."""
    return [f"results/tables/{name}.csv", f"results/tables/{name}.json"]


PLAIN_TABLES = [
    "datasets",
    "dice",
    "oscillation",
    "levels",
    "peaks",
    "verdict",
    "contrasts",
    "phases",
    "pooled",
    "metrics",
    "questions",
    "signatures",
    "noise",
    "reliability",
    "periodogram",
    "downstream",
    "orientation",
    "orientation_histogram",
    "orientation_correlation",
    "hog_svm",
    "benchmarks",
]
if TUNED:
    PLAIN_TABLES += ["segmentation"]
TABLES = [
    *sum(map(table, PLAIN_TABLES), []),
    "results/tables/dice_per_item.parquet",
    "results/tables/training.parquet",
]
KINDS = ["samples", "training", "probe", "similarity", "orientation"]
WITH_MASKS = ["oscillation", "supplement", "peaks", "periodogram", "saliency"]
if angles.SAME not in config["eval_angles"] and any(map(angles.is_fixed, TRAIN_ANGLES)):
    WITH_MASKS += ["factorial"]  # a run is evaluated at other angles than its own
OF_ALL_SETS = ["forest", "specification"] + (["patterns"] if WITH_PERCEPTRON else [])
PLOTS = expand("results/plots/{kind}.{suffix}", kind=OF_ALL_SETS, suffix=["svg", "png"])
PLOTS += [
    f"results/plots/{kind}-{dataset}.{suffix}"
    for dataset in config["datasets"]
    for kind in KINDS + (WITH_MASKS if dataset in MASKED else [])
    for suffix in ("svg", "png")
]

READABLE = ["datasets", "oscillation", "contrasts", "hog_svm"]
if TUNED:
    READABLE += ["segmentation"]
PAGES = expand("results/pages/{table}.html", table=["verdict", *READABLE])

# -- report -----------------------------------------------------------------------------------------

# the report sorts its categories by name
VERDICT, CURVES, PICTURES = "1 Verdict", "2 Curves over θ", "3 What the models look at"
TRAINING, NUMBERS = "4 Training", "5 Tables"


def shown(path, category, name):
    """Mark a file for `snakemake --report`."""
    labels = {"shows": "{table}" if "{table}" in path else name}
    if "{dataset}" in path:
        labels["data set"] = "{dataset}"
    labels |= {key: ", ".join(config[f"{key}s"]) for key in ("encoder", "method")}
    return report(
        path, caption=f"../report/{name}.rst", category=category, labels=labels
    )


# -- settings: what each stage reads of the configuration, so that no other change runs it again -----

SETTINGS = {
    "pretrain": {
        k: v for k, v in config["pretrain"].items() if k not in ("init", "weights")
    },
    "finetune": config["finetune"],
    "saliency": {
        k: v
        for k, v in config["saliency"].items()
        if k not in ("quantile", "extra_metrics")
    },
    "score": {k: config["saliency"][k] for k in ("quantile", "extra_metrics")},
    "perceptron": {k: v for k, v in config["probe"].items() if k != "perceptron"},
}


# what intervals need of the section `analysis`
INTERVALS = {
    "draws": config["analysis"]["bootstrap"],
    "confidence": config["analysis"]["confidence"],
    "seed": config["analysis"]["seed"],
}


# -- scheduling -------------------------------------------------------------------------------------


onstart:
    hooks.lift_rate_limit(workflow)
    to_do = hooks.jobs_to_do(workflow)
    hooks.look_again(workflow, "data", own_files.as_before, to_do)
    here = hooks.runs_locally(workflow)
    of_networks = sum(map(to_do.__getitem__, GPU_RULES))
    if here and of_networks:
        try:
            gpus.check(config["device"])
        except UserError as error:
            raise WorkflowError(str(error)) from None
    if here and sys.platform == "linux" and not hooks.deploys_software(workflow):
        if of_networks > 1:
            prefork.start()
    hooks.follow_progress(to_do, show_logs=not here)


# The priority of what follows pre-training: a run is finished and scored before the next begins. So with
# `keep: results` few checkpoints lie there at a time, and what was done before a stop can be looked at;
# without it Snakemake's scheduler let half of the checkpoints pile up, and scored all maps at the end.
UNDER_WAY = 1


# -- resources --------------------------------------------------------------------------------------


CORES = hooks.cores(workflow)  # None where a cluster schedules

ONE_AT_A_TIME = False  # torch jobs, where nothing else keeps them from sharing a GPU

# a resource without a limit has none: on a workstation, as many jobs at a time as GPUs have slots
if CORES and config["device"] != "cpu" and not hooks.is_limited(workflow, "gpu"):
    if count := len(gpus.visible()):
        if config["device"] not in ("auto", "cuda"):  # it is pinned to one
            count = 1
        jobs = count * gpus.slots(config, CORES)
        ONE_AT_A_TIME = not hooks.limit(workflow, "gpu", jobs)


# Cores that a torch job claims, so that no more of them run at once than the machine holds. `--cores 8`
# on two real cores would start eight processes with 0.7 GB each and gain nothing; a job then claims four,
# and computes with `threads` all the same.
PER_CORE = max(1, (CORES or 1) // os.cpu_count())
TORCH_THREADS = CORES if ONE_AT_A_TIME else config["threads"] * PER_CORE


def growing(amount):
    """What a job asks of a cluster: when it is tried again twice as much, then three times.

    On one machine it stays as it is: asking a function for every job takes longer to plan.
    """
    return amount if CORES else lambda wildcards, attempt: amount * attempt
