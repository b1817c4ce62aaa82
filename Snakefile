import os
import sys

from snakemake.utils import min_version

min_version("9.27.1")

# not `workflow.basedir`, which is another folder where this is a module of another workflow
HERE = workflow.current_basedir.get_path_or_uri(secret_free=True)
sys.path.insert(0, f"{HERE}/workflow_scripts")
# that of the folder that `--directory` names comes first
SETTINGS_FILE = (
    "config.yaml" if os.path.exists("config.yaml") else f"{HERE}/config.yaml"
)


configfile: SETTINGS_FILE


report: "report/workflow.rst"


container: "envs/thetascope.sif"  # with `--sdm apptainer`; built from envs/thetascope.def


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/pretrain.smk"
include: "rules/finetune.smk"
include: "rules/saliency.smk"
include: "rules/tables.smk"
include: "rules/orientation.smk"
include: "rules/plots.smk"
include: "rules/pages.smk"
include: "rules/explorer.smk"
include: "rules/estimate.smk"
include: "rules/plan.smk"
include: "rules/verify.smk"
include: "rules/archive.smk"


rule all:
    default_target: True
    input:
        TABLES,
        PLOTS,
        PAGES,
        "results/explorer.html",
