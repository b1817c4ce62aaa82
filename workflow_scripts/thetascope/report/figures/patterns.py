"""Response patterns: how well pairs are told apart over θ, in all image sets by all encoders."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thetascope.report.figures.panels import arms_of, counts_of, row_label, rows_of, sweep
from thetascope.report.figures.style import (
    GREY,
    IN_SET,
    PALETTE,
    WIDTH,
    headline,
    in_style,
    legend,
)

PROBES = {"probe": ("linear probe", PALETTE[1]), "perceptron": ("perceptron", PALETTE[0])}
MANY = 5  # columns whose names no longer fit side by side
MARKED = 40  # angles of a panel; marks of more would hide the line
PANEL, SMALL = 1.1, 0.55  # inches, height of a row, and where there are many
TICKS = 28  # points that the numbers on the left take


@in_style
def patterns_figure(table: pd.DataFrame, confidence: float) -> Figure:
    """Draw the accuracy of both probes over θ, all on one scale, beside chance.

    Rows: image sets. Columns: arms (view, encoder, method), by what tells them apart. Bands are the
    perceptron's intervals.

    Parameters
    ----------
    table : DataFrame
        Of `tables.dice_table`, of all image sets.
    confidence : float
        Of the intervals in the table, for example 0.95.
    """
    curves, swept = sweep(table[table["attribution"].isin(list(PROBES))])
    sets, arms = sorted(curves["dataset"].unique()), arms_of(curves)
    many = len(arms) >= MANY
    height = (SMALL if len(sets) >= MANY else PANEL) * len(sets) + (2.9 if many else 1.6)
    figure = Figure((WIDTH, height), layout="constrained")
    # names on the left are a little wider when they are drawn than when they are laid out
    pads = {"w_pad": 0.01 if many else 0.04, "rect": (0.02, 0, 0.96, 1)}
    figure.get_layout_engine().set(**pads)  # type: ignore[union-attr]
    grid = figure.subplots(len(sets), len(arms), sharex=True, sharey=True, squeeze=False)
    for row, dataset in zip(grid, sets, strict=True):
        for axes, arm in zip(row, arms, strict=True):
            here = dict(zip(IN_SET, arm, strict=True), dataset=dataset)
            _draw(axes, rows_of(curves, **here).sort_values("theta"), small=many)
        place = {"xycoords": "axes fraction", "textcoords": "offset points"}
        row[0].annotate(dataset, (0, 0.5), (-TICKS, 0), ha="right", va="center", **place)
    for axes, arm in zip(grid[0], arms, strict=True):
        name = row_label("", arm, arms).strip()
        axes.set_title(name, loc="center" if many else "left", rotation=90 if many else 0)
    ticks = (0, 180) if many else range(0, 361, 90)
    for axes in grid[-1]:
        axes.set(xlabel="θ" if many else "θ (degrees)", xticks=ticks, xlim=(-5, 365))
        axes.tick_params("x", labelsize=6 if many else "medium")
    common = ", ".join(names[0] for names in zip(*arms, strict=True) if len(set(names)) == 1)
    headline(
        figure,
        "How well can pairs (x, $R_θ x$) be told from pairs of different pictures?",
        f"{swept.meaning}{f' ({common})' if common else ''}. {counts_of(curves, confidence)}.",
    )
    legend(figure, columns=3)
    return figure


def _draw(axes: Axes, curves: pd.DataFrame, *, small: bool) -> None:
    """Draw both probes of one image set and arm."""
    for name, (said, colour) in PROBES.items():
        curve = rows_of(curves, attribution=name)
        mark = "o" if len(curve) <= MARKED and not small else None
        look = {"c": colour, "lw": 0.8 if small else 1.2, "marker": mark, "ms": 2}
        axes.plot("theta", "value", data=curve, label=said, **look)
        if name == "perceptron":
            band = {"color": colour, "alpha": 0.2, "lw": 0}
            axes.fill_between("theta", "ci_low", "ci_high", data=curve, **band)
            axes.plot("theta", "chance", data=curve, c=GREY, lw=0.8, ls="--", label="chance")
