"""Draws answer.png: two curves of a finished default experiment, with their verdicts.

`python docs/images/answer.py`, in the development set-up and the folder of the experiment.
"""

from pathlib import Path

import matplotlib.pyplot as plt

import thetascope
from thetascope.analysis import glance

CURVE = {"model": "finetuned", "input": "rotated", "attribution": "smoothgrad", "metric": "auroc"}
SHOWN = {"gratings": "textures that differ by direction", "retina": "vessels"}

dice, verdict = (thetascope.read_table(name) for name in ("dice", "verdict"))
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
for (dataset, what), ax in zip(SHOWN.items(), axes, strict=True):
    thetascope.plot_curve(thetascope.select(dice, dataset=dataset, **CURVE), ax)
    (row,) = (row for _, row in thetascope.select(verdict, dataset=dataset, **CURVE).iterrows())
    ax.set_title(f"{dataset}, {what}\n{glance.answer(row)}", fontsize=10)
    ax.set(xlabel="θ (degrees)", ylabel="", ylim=(0, 1.02))
axes[0].set_ylabel("AUROC of maps of $R_θ x$")
axes[0].get_legend().remove()
figure.savefig(Path(__file__).with_suffix(".png"), dpi=150)
