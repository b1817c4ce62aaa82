"""Rule explorer: tables, maps and scores at some angles, images → explorer.html."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

import torch

from thetascope.analysis import glance
from thetascope.analysis.settings import Analysis
from thetascope.engine.job import job
from thetascope.files import atomic, read_table, record
from thetascope.learning.rotation import View, rotate
from thetascope.learning.runtime import to_bytes, to_images
from thetascope.report import explorer, mapped


def turn(evaluation, images, masks):
    """Make x and R_θ x as the models saw them, and the masks of R_θ x."""
    view, theta = views[evaluation["view"]], float(evaluation["eval_angle"])
    x, mask = to_images(images, torch.device("cpu")), torch.from_numpy(masks).float()[:, None]
    turned = mask if view.sham else rotate(mask, theta, "nearest")
    return to_bytes(view.original(x, theta)), to_bytes(view.rotated(x, theta)), turned[:, 0].numpy()


with job(snakemake):
    given, params = snakemake.input, snakemake.params
    views = {name: View(**view) for name, view in params.views.items()}
    names = "scores", "verdicts", "reliability", "noise", "benchmarks"
    analysis = Analysis(**params.analysis)
    scores, verdicts, reliability, *beside = (read_table(given[name]) for name in names)
    dice = dict(zip(params.scored, given.dice, strict=True))  # sets without masks have none
    files = [(maps, dice.get(i)) for i, maps in enumerate(given.saliency)]
    images = zip(params.datasets, given.images, given.manifests, strict=True)
    by_set = {name: pair for name, *pair in images}
    opening = explorer.opening(verdicts, analysis, glance.next_step(verdicts, *beside, analysis))
    data = {"opening": opening, "panels": mapped.panels(params.evaluations, files, by_set, turn)}
    data["series"] = explorer.curves(scores, verdicts, reliability, analysis.level)
    with atomic(snakemake.output[0]) as temporary:
        temporary.write_text(explorer.page(data | {"record": record(snakemake)}), encoding="utf-8")
