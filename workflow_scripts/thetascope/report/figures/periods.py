"""Periods of the curves over θ, and training against evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thetascope.analysis.curves import MIN_ANGLES
from thetascope.angles import FIXED
from thetascope.report.figures.panels import (
    arms_of,
    key_of,
    row_label,
    rows_of,
    sweep,
    title_of,
)
from thetascope.report.figures.style import (
    COLOURS,
    IN_SET,
    INPUTS,
    LINE,
    METRICS,
    MODELS,
    WIDTH,
    headline,
    in_style,
    legend,
)
from thetascope.vocabulary import ATTRIBUTION

SERIES = {"original": "excess", "rotated": "turning"}  # what is asked of the maps of an input
WIDE = 0.4  # of a bar; there are two at each period
FEW = 9  # periods that can all be named below an axis
NO_PERIOD = (
    f"These angles resolve no period. A curve over θ takes scores at {MIN_ANGLES} angles or more, "
    "and a period has to be longer than twice the largest step between neighbours round the circle."
)


@in_style
def periodogram_figure(
    table: pd.DataFrame, scores: pd.DataFrame, periods: Sequence[float], confidence: float
) -> Figure:
    """Draw how much of a curve's power lies at each period; pale where no test was declared.

    Of maps of x that is the score over chance, of maps of R_θ x the score over the own cut.

    Parameters
    ----------
    table : DataFrame
        Rows of `periodogram.csv` (see `periodogram.periodogram_table`), of one data set. Where the
        curves that `oscillation_figure` shows are not among them, the figure says so.
    scores : DataFrame
        Rows of `dice.csv` (see `tables.dice_table`), of the same data set.
    periods : sequence of float
        Those that were declared, degrees.
    confidence : float
        Of the thresholds in the table, for example 0.95.
    """
    curves, swept = sweep(scores)
    table = rows_of(table, attribution=ATTRIBUTION, **key_of(swept))
    table = table[table["series"] == table["input"].map(SERIES)]
    table = table[table["metric"].isin(list(METRICS)) & table["model"].isin(list(MODELS))]
    table = table.assign(declared=np.isin(table["period"].round(3), np.round(periods, 3)))
    arms = arms_of(curves)
    title = f"{title_of(scores, arms)}: at which periods?"
    said = f"{swept.meaning}. Scores of maps of x over chance, of maps turned back over own cut."
    if table.empty:
        figure = Figure((WIDTH, 1.6))
        headline(figure, title, said)
        figure.text(0.5, 0.3, fill(NO_PERIOD, LINE), ha="center", va="center")
        return figure
    rows = [(arm, model) for arm in arms for model in MODELS if model in set(table["model"])]
    figure = Figure((WIDTH, 1.5 + 1.7 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(METRICS), sharex=True, sharey=True, squeeze=False)
    for row, (arm, model) in zip(grid, rows, strict=True):
        for axes, metric in zip(row, METRICS, strict=True):
            key = dict(zip(IN_SET, arm, strict=True), model=model, metric=metric)
            for input_, shift in zip(INPUTS, (-WIDE / 2, WIDE / 2), strict=True):
                _draw_powers(axes, rows_of(table, input=input_, **key), input_, shift, confidence)
        row[0].set_ylabel(row_label(f"{MODELS[model]}\nshare of the power", arm, arms))
    for axes, name in zip(grid[0], METRICS.values(), strict=True):
        axes.set_title(name, loc="left")
    shown = table[["cycles", "period", "declared"]].drop_duplicates()
    named = shown[shown["declared"] | (len(shown) <= FEW)]
    for axes in grid[-1]:
        axes.set_xlabel("period (degrees)")
        axes.set_xticks(named["cycles"], [f"{period:.4g}°" for period in named["period"]])
    legend(figure)
    headline(figure, title, said)
    return figure


def _draw_powers(
    axes: Axes, curve: pd.DataFrame, input_: str, shift: float, confidence: float
) -> None:
    """Draw the powers of one curve as bars, and how high noise reaches at any period."""
    name, colour = INPUTS[input_], COLOURS[input_]
    for declared, label, alpha in (True, name, 1), (False, f"{name}: period not declared", 0.35):
        part = curve[curve["declared"] == declared]
        if len(part):
            look = {"width": 0.9 * WIDE, "fc": colour, "alpha": alpha, "label": label}
            axes.bar(part["cycles"] + shift, part["power"], **look)
    height = curve["threshold"].max()  # one for all periods of a curve
    if np.isfinite(height):
        name = f"dashed: noise reaches this in {100 * (1 - confidence):.3g} % of curves"
        ends = 0.5, curve["cycles"].max() + 0.5
        axes.plot(ends, (height, height), "--", c=colour, lw=1, label=name)


@in_style
def factorial_figure(table: pd.DataFrame, metric: str) -> Figure:
    """Draw a metric over the angle of training and that of evaluation, with both margins.

    Rows: the models, in every arm. Columns: the map of x, the map of R_θ x, and the means over the
    other angle: what training at θ does, and what evaluating at θ does.

    Parameters
    ----------
    table : DataFrame
        Rows of `dice.csv` (see `tables.dice_table`), of one data set.
    metric : str
        One of `METRICS`.
    """
    table = rows_of(table, attribution=ATTRIBUTION, metric=metric)
    table = table[table["training"] == FIXED]
    arms = arms_of(table)
    rows = [(arm, model) for arm in arms for model in sorted(set(table["model"]), reverse=True)]
    figure = Figure((WIDTH, 1.2 + 2.1 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 3, squeeze=False, width_ratios=(1, 1, 1.2))
    for panels, (arm, model) in zip(grid, rows, strict=True):
        part = rows_of(table, model=model, **dict(zip(IN_SET, arm, strict=True)))
        low, high = part["value"].min(), part["value"].max()
        for axes, input_ in zip(panels, INPUTS, strict=False):
            cells = rows_of(part, input=input_).pivot(
                index="angle", columns="eval_angle", values="value"
            )
            shown = axes.imshow(cells, vmin=low, vmax=high, origin="lower", aspect="auto")
            for axis, labels in zip((axes.yaxis, axes.xaxis), cells.axes, strict=True):
                step = -(-len(labels) // 5)  # as many as can be read
                named = [f"{label:g}" for label in labels[::step]]
                axis.set_ticks(range(0, len(labels), step), named)
            axes.set(xlabel="evaluated at θ (degrees)", title=INPUTS[input_].replace(", ", ",\n"))
            axes.grid(False)
            for margin, style in (cells.mean(axis=1), "o-"), (cells.mean(axis=0), "s--"):
                what = "trained" if style == "o-" else "evaluated"
                name = f"{INPUTS[input_]}: {what} at θ"
                panels[2].plot(margin.index, margin, style, c=COLOURS[input_], label=name)
        label = row_label(MODELS.get(model, model), arm, arms)
        panels[0].set_ylabel(f"{label}\ntrained at θ (degrees)")
        panels[2].set(xlabel="θ (degrees)", xticks=range(0, 361, 90), xlim=(-5, 365))
        panels[2].set(title="means over\nthe other angle", ylabel=METRICS[metric])
        figure.colorbar(shown, ax=panels[1], label=METRICS[metric])
    legend(figure)
    name = METRICS[metric]
    figure.suptitle(f"{title_of(table, arms)}: {name} by angle of training and of evaluation")
    return figure
