"""Rule plot_saliency: saliency.npz of a few angles → results/plots/saliency-{dataset}.*."""

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
    maps = {
        evaluation["theta"]: {k: m[item] for k, m in of_attribution(file, ATTRIBUTION).items()}
        for evaluation, file in zip(evaluations, files, strict=True)
    }
    arm = ", ".join(evaluations[0][key] for key in ARM)
    meaning = shown([cell(run["angle"], run["eval_angle"]) for run in evaluations]).meaning
    figure = saliency_figure(image, mask, maps, f"Saliency maps: {arm}\n{meaning}")
    save(figure, snakemake.output, record(snakemake))
