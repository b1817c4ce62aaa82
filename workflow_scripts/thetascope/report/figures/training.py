"""How training went: losses and what they are worth, epoch by epoch."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from thetascope.angles import FIXED
from thetascope.report.figures.panels import arms_of, row_label, rows_of, title_of
from thetascope.report.figures.style import IN_SET, PALETTE, WIDTH, headline, in_style, legend

# stage and column of the table → what it is
CURVES = {
    ("pretrain", "loss"): "Pre-training\nInfoNCE (nats)",
    ("pretrain", "top1"): "Pre-training\npartner found first (share)",
    ("pretrain", "spread"): "Pre-training\nspread (0: collapsed)",
    ("finetune", "loss"): "Fine-tuning\nsoft Dice loss",
    ("finetune", "validation_dice"): "Fine-tuning\nDice of validation items",
}
COLUMNS = 3
NO_TURN = "θ = 0: both pictures are the same"


@in_style
def training_figure(table: pd.DataFrame) -> Figure:
    """Draw every quantity of training over epochs: mean and range over θ, and θ = 0 apart.

    What no run has, such as fine-tuning without masks, is left out.

    Parameters
    ----------
    table : DataFrame
        Rows of `training.parquet` (see `tables.training_table`), of one data set; lines are means
        over seeds.
    """
    arms = arms_of(table)
    stages = set(table["stage"])
    curves = {(stage, c): title for (stage, c), title in CURVES.items() if stage in stages}
    rows = -(-len(curves) // COLUMNS)
    figure = Figure((WIDTH, 1 + 1.7 * rows * len(arms)), layout="constrained")
    grid = figure.subplots(rows * len(arms), COLUMNS, squeeze=False)
    for of_arm, arm in zip(grid.reshape(len(arms), -1), arms, strict=True):
        runs = rows_of(table, **dict(zip(IN_SET, arm, strict=True)))
        for axes, ((stage, column), title) in zip(of_arm, curves.items(), strict=False):
            _draw(axes, runs[runs["stage"] == stage], column)
            axes.set_title(title, loc="left")
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        for axes in of_arm[len(curves) :]:
            axes.set_visible(False)
        of_arm[0].set_ylabel(row_label("", arm, arms))
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    legend(figure)
    runs = table[[*IN_SET, "training", "angle", "seed"]].drop_duplicates()
    early = "Fine-tuning may stop early: means are over the runs that still go on."
    said = [early] if "finetune" in stages else []
    headline(figure, f"{title_of(table, arms)}: {len(runs)} training runs", *said)
    return figure


def _draw(axes: Axes, runs: pd.DataFrame, column: str) -> None:
    """Draw a quantity: other angles together, by mean and range, and each other kind apart."""
    angle = np.where(runs["training"] == FIXED, runs["angle"] % 360, np.nan)
    turned = runs[angle > 0]
    if len(turned):
        per_angle = turned.pivot_table(column, "epoch", "angle", dropna=False)
        low, high = per_angle.min(axis=1), per_angle.max(axis=1)
        axes.fill_between(per_angle.index, low, high, fc="0.8", label="other θ: range")
        axes.plot(per_angle.mean(axis=1), ".-", c="k", label="other θ: mean")
    apart = {NO_TURN: runs[angle == 0]}
    apart |= {f"θ: {how}": rows for how, rows in runs[np.isnan(angle)].groupby("training")}
    for (name, rows), colour in zip(apart.items(), PALETTE, strict=False):
        if len(rows):
            axes.plot(rows.groupby("epoch")[column].mean(), ".-", c=colour, label=name)
