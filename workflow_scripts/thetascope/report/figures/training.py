"""How training went: losses and what they are worth, epoch by epoch."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from thetascope.angles import FIXED
from thetascope.report.figures.style import IN_SET, in_style, legend

# stage and column of the table → what it is
CURVES = {
    ("pretrain", "loss"): "Pre-training\nInfoNCE (nats)",
    ("pretrain", "top1"): "Pre-training\npartner found first (share)",
    ("pretrain", "spread"): "Pre-training\nspread (0: collapsed)",
    ("finetune", "loss"): "Fine-tuning\nsoft Dice loss",
    ("finetune", "validation_dice"): "Fine-tuning\nDice of validation items",
}
# as a circle has no ends, neither have the colours; darker, since the lightest is lost on white
CIRCLE = ListedColormap(0.8 * colormaps["twilight"](np.linspace(0, 1, 256))[:, :3])


@in_style
def training_figure(table: pd.DataFrame) -> Figure:
    """Draw every quantity of training over epochs, a line per θ, the mean over θ in black.

    Parameters
    ----------
    table : DataFrame
        Rows of `training.parquet` (see `tables.training_table`), of one data set; lines are means
        over seeds.
    """
    arms = list(table.groupby(IN_SET))
    figure = Figure((11, 1.2 + 2.4 * len(arms)), layout="constrained")
    grid = figure.subplots(len(arms), len(CURVES), squeeze=False)
    shade = ScalarMappable(Normalize(0, 360), CIRCLE)
    for row, (arm, rows) in zip(grid, arms, strict=True):
        for axes, ((stage, column), title) in zip(row, CURVES.items(), strict=True):
            of_stage = rows[rows["stage"] == stage]
            lines = []
            for _, runs in of_stage.groupby(["training", "angle"], dropna=False, observed=True):
                lines.append(runs.groupby("epoch")[column].mean())
                training, angle = runs[["training", "angle"]].iloc[0]
                if training == FIXED:
                    axes.plot(lines[-1], ".-", c=shade.to_rgba(angle), lw=0.8)
                else:
                    axes.plot(lines[-1], ".:", c="0.3", lw=0.8, label=f"θ: {training}")
            mean = pd.concat(lines).groupby(level="epoch").mean()
            axes.plot(mean, c="k", lw=1.6, label="mean of all")
            axes.set(title=title, xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        row[0].set_ylabel("\n".join(arm))
    figure.colorbar(shade, ax=grid, label="θ (degrees)", ticks=range(0, 361, 90), aspect=40)
    legend(figure, columns=3)
    runs = table[[*IN_SET, "training", "angle", "seed"]].drop_duplicates()
    figure.suptitle(f"{table['dataset'].iloc[0]}: {len(runs)} training runs")
    return figure
