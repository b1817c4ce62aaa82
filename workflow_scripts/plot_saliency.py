"""Rule plot_saliency: saliency.npz of a few angles → results/plots/saliency-{dataset}.*."""

from thetascope.datasets.arrays import read_array
from thetascope.engine.job import job
from thetascope.files import read_npz, record
from thetascope.report.figures.pictures import example, saliency_figure
from thetascope.report.figures.style import ARM, MAP, save

with job(snakemake):
    evaluations = snakemake.params.evaluations
    files = [read_npz(path) for path in snakemake.input.saliency]
    images, canvas = read_array(snakemake.input.images), snakemake.params.view["canvas"]
    shown, image, mask = example(files[0], images, canvas)
    maps = {
        evaluation["eval_angle"]: {
            key.removesuffix(f".{MAP}"): file[key][shown] for key in file if key.endswith(MAP)
        }
        for evaluation, file in zip(evaluations, files, strict=True)
    }
    arm = ", ".join(str(evaluations[0][key]) for key in ("dataset", *ARM))
    figure = saliency_figure(image, mask, maps, f"Saliency maps: {arm}")
    save(figure, snakemake.output, record(snakemake))
