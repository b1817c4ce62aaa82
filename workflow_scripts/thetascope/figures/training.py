"""How training went: losses and what they are worth, epoch by epoch."""

from __future__ import annotations

import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from thetascope.angles import degrees, is_fixed
from thetascope.figures.style import ARM, in_style

# stage and column of the table → what it is
CURVES = {
    ("pretrain", "loss"): "Pre-training: InfoNCE",
    ("pretrain", "top1"): "Pre-training: partner found first",
    ("pretrain", "spread"): "Pre-training: spread (0: collapsed)",
    ("finetune", "loss"): "Fine-tuning: loss",
    ("finetune", "validation_dice"): "Fine-tuning: Dice on validation items",
}


@in_style
def training_figure(table: pd.DataFrame) -> Figure:
    """Draw every quantity of training over epochs, a line per θ, the mean over θ in black.

    Parameters
    ----------
    table : DataFrame
        Rows of `training.parquet` (see `tables.training_table`), of one data set; lines are means
        over seeds.
    """
    arms = list(table.groupby(ARM))
    figure = Figure((13, 1 + 2.6 * len(arms)), layout="constrained")
    grid = figure.subplots(len(arms), len(CURVES), squeeze=False)
    shade = ScalarMappable(Normalize(0, 360), "twilight")
    for row, (arm, rows) in zip(grid, arms, strict=True):
        for axes, ((stage, column), title) in zip(row, CURVES.items(), strict=True):
            of_stage = rows[rows["stage"] == stage]
            lines = of_stage.pivot_table(column, "epoch", "angle")
            for angle, line in lines.items():
                colour = shade.to_rgba(degrees(angle)) if is_fixed(angle) else "0.5"
                axes.plot(line, c=colour, lw=0.8)
            axes.plot(lines.mean(axis=1), c="k", lw=1.6)
            axes.set(title=title, xlabel="epoch")
        row[0].set_ylabel(" · ".join(arm))
    figure.colorbar(shade, ax=grid, label="θ (degrees)", ticks=range(0, 361, 90), aspect=40)
    runs = table[[*ARM, "angle", "seed"]].drop_duplicates()
    figure.suptitle(f"{table['dataset'].iloc[0]}: {len(runs)} training runs")
    return figure
