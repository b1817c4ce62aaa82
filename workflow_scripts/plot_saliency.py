"""Rule plot_saliency: maps and scores at a few angles → results/plots/saliency-{dataset}.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

import torch

from thetascope.analysis.sweeps import cell, shown
from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_csv, read_npz, read_table, record
from thetascope.learning import runtime
from thetascope.learning.rotation import View, rotate
from thetascope.report.figures import pictures as figures
from thetascope.report.figures.style import save
from thetascope.vocabulary import ARM, ATTRIBUTION

with job(snakemake):
    evaluations, view = snakemake.params.evaluations, View(**snakemake.params.view)
    images, of_angle = read_array(snakemake.input.images), {}
    paths = zip(snakemake.input.saliency, snakemake.input.scores, strict=True)
    for run, (maps, scores) in zip(evaluations, paths, strict=True):
        theta, file = float(run["eval_angle"]), read_npz(maps)
        x = runtime.to_images(figures.mapped_images(file, images), torch.device("cpu"))
        pictures = {"original": view.original(x, theta), "rotated": view.rotated(x, theta)}
        mask = torch.from_numpy(file["masks"]).float()[:, None]
        turned = mask if view.sham else rotate(mask, theta, "nearest")
        masks = {"original": file["masks"], "rotated": turned[:, 0].numpy()}
        scores = read_csv(scores).query("attribution == @ATTRIBUTION and metric == 'dice_area'")
        pictures = {name: of_input.numpy() for name, of_input in pictures.items()}
        maps = figures.of_attribution(file, ATTRIBUTION)
        of_angle[run["theta"]] = figures.Mapped(pictures, masks, maps, scores)
    arm = {key: evaluations[0][key] for key in ARM}
    table = read_table(snakemake.input.reliability)
    of_maps = (table[[*ARM, "attribution"]] == [*arm.values(), ATTRIBUTION]).all(axis=1)
    meaning = shown([cell(run["angle"], run["eval_angle"]) for run in evaluations]).meaning
    title = f"{arm.pop('dataset')} ({', '.join(arm.values())}): what do the models look at?"
    figure = figures.saliency_figure(of_angle, table[of_maps], title, meaning)
    save(figure, snakemake.output, record(snakemake))
