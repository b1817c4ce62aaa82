# One process that serves a block of θ, for packing.py: what would that save?
#
# It runs the scripts of the rules, one after another, so that torch is imported once. As one rule it
# has one state: a block that fails, or lacks one file, is computed again as a whole.

import os

from snakemake.iocontainers import Wildcards


include: "../Snakefile"


STAGES_OF_A_RUN = ("pretrain", "finetune", "saliency", "score")
PER_BLOCK = int(os.environ["ANGLES_PER_BLOCK"])


def filled(items, names):
    """Named paths or params of a rule, with a run's wildcards put in."""
    wildcards = Wildcards(fromdict=names)
    values = [
        (
            item(wildcards)
            if callable(item)
            else item.format(**names) if isinstance(item, str) else item
        )
        for item in items
    ]
    return values, {name: values[i] for name, (i, _) in items._get_names()}


for number in range(0, len(EVALUATIONS), PER_BLOCK):
    BLOCK = EVALUATIONS[number : number + PER_BLOCK]

    rule:
        name:
            f"block_{number}"
        input:
            rules.backbone.output[0].format(**BLOCK[0], init=config["pretrain"]["init"]),
            [path.format(**BLOCK[0]) for path in rules.data.output],
        output:
            [
                path.format(**names)
                for names in BLOCK
                for stage in STAGES_OF_A_RUN
                for path in getattr(rules, stage).output
            ],
        threads: TORCH_THREADS
        resources:
            gpu=1,
            mem_mb=8000,
            runtime=240,
        params:
            jobs=[
                (stage, names)
                + tuple(
                    filled(getattr(getattr(rules, stage), kind), names)
                    for kind in ("input", "output", "params", "log")
                )
                for names in BLOCK
                for stage in STAGES_OF_A_RUN
            ],
        script:
            "packing_block.py"

    for stage in STAGES_OF_A_RUN:
        workflow.ruleorder(f"block_{number}", stage)
