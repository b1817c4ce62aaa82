"""Rule plot_saliency: saliency.npz of a few angles → results/plots/saliency-{dataset}.*."""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

import pandas as pd

from thetascope.analysis.reliability import spearman_brown
from thetascope.analysis.sweeps import cell, shown
from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_npz, record
from thetascope.report.figures.pictures import example, of_attribution, saliency_figure
from thetascope.report.figures.style import ATTRIBUTION, save
from thetascope.vocabulary import ARM

with job(snakemake):
    evaluations = snakemake.params.evaluations
    files = [read_npz(path) for path in snakemake.input.saliency]
    images, canvas = read_array(snakemake.input.images), snakemake.params.canvas
    item, image, mask = example(files[0], images, canvas)
    maps, halves = {}, []
    for evaluation, file in zip(evaluations, files, strict=True):
        maps[evaluation["theta"]] = {
            k: m[item] for k, m in of_attribution(file, ATTRIBUTION).items()
        }
        maps[evaluation["theta"]] |= {k: m for k, m in file.items() if k.startswith("valid.")}
        halves.append(of_attribution(file, f"{ATTRIBUTION}.split_half"))
    mean = pd.DataFrame([{k: r.mean() for k, r in one.items()} for one in halves]).mean()
    arm = ", ".join(evaluations[0][key] for key in ARM)
    meaning = shown([cell(run["angle"], run["eval_angle"]) for run in evaluations]).meaning
    title = f"Saliency maps: {arm}\n{meaning}"
    figure = saliency_figure(image, mask, maps, spearman_brown(mean), title)
    save(figure, snakemake.output, record(snakemake))
