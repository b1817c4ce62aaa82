import sys

from snakemake.utils import min_version

min_version("9.27.1")

sys.path.insert(0, f"{workflow.basedir}/workflow_scripts")


configfile: "config.yaml"


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
