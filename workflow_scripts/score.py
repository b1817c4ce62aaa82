"""Rule score: saliency.npz → dice.csv, per item × model × input × attribution × metric.

Beside it reliability.csv, how well the halves of every map agree.
"""

from thetascope.engine import prefork

prefork.hand_over()  # to a process that has imported what follows already

from thetascope.engine.job import job
from thetascope.files import read_csv, read_npz, record, write_csv
from thetascope.saliency.metrics import Scoring
from thetascope.saliency.scoring import reliability_rows, score_maps

with job(snakemake):
    manifest = read_csv(snakemake.input.manifest)
    maps = read_npz(snakemake.input.saliency)
    items = manifest.loc[maps["items"]]
    names = items["id"].tolist(), items["case"].tolist()
    settings, made_by = Scoring(**snakemake.params.settings), record(snakemake)
    write_csv(score_maps(maps, *names, settings), snakemake.output.scores, made_by)
    write_csv(reliability_rows(maps, *names), snakemake.output.reliability, made_by)
