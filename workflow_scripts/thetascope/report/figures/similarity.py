"""How alike encoders are, over the angle at which they were trained."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from thetascope.report.figures.panels import arms_of, counts_of, row_label, rows_of, title_of
from thetascope.report.figures.style import (
    GREY,
    IN_SET,
    PALETTE,
    SIMILAR_TO,
    SIMILARITY,
    WIDTH,
    headline,
    in_style,
    legend,
)

MARKS = dict(zip(SIMILAR_TO, "os^x", strict=True))  # told apart without colour too
HELD = (
    "If what is learnt did not depend on θ, curves would be flat but for noise, and encoders no "
    "more like another run of their own θ than like those of other angles."
)


@in_style
def similarity_figure(table: pd.DataFrame, confidence: float) -> Figure:
    """Draw the similarity of encoders over θ, each with its interval.

    Columns: CKA and cosine. Rows: arms. Lines: what an encoder is held against.

    Parameters
    ----------
    table : DataFrame
        Rows of `dice.csv` (see `tables.dice_table`), of one data set.
    confidence : float
        Of the intervals in the table, for example 0.95.
    """
    curves = table[table["attribution"].isin(list(SIMILAR_TO))]
    arms = arms_of(table)
    title = f"{title_of(table, arms)}: how alike is what encoders have learnt?"
    if curves.empty:
        figure = Figure((WIDTH, 1))
        headline(figure, title, "No encoder was trained at an angle in degrees.")
        return figure
    figure = Figure((WIDTH, 1.7 + 2 * len(arms)), layout="constrained")
    grid = figure.subplots(len(arms), len(SIMILARITY), sharex=True, sharey="col", squeeze=False)
    for row, arm in zip(grid, arms, strict=True):
        for axes, metric in zip(row, SIMILARITY, strict=True):
            key = dict(zip(IN_SET, arm, strict=True), metric=metric)
            for (name, said), colour in zip(SIMILAR_TO.items(), PALETTE, strict=True):
                curve = rows_of(curves, attribution=name, **key).sort_values("angle")
                if curve.empty:
                    continue
                band = {"color": colour, "alpha": 0.15, "lw": 0}
                axes.fill_between("angle", "ci_low", "ci_high", data=curve, **band)
                axes.plot("angle", "value", data=curve, c=colour, marker=MARKS[name], label=said)
                if name == "similarity_backbone":
                    look = {"c": GREY, "lw": 1, "ls": "--", "label": "backbone: another image"}
                    axes.plot("angle", "chance", data=curve, **look)
        row[0].set_ylabel(row_label("similarity", arm, arms))
    for axes, name in zip(grid[0], SIMILARITY.values(), strict=True):
        axes.set_title(name, loc="left")
    for axes in grid[-1]:
        axes.set(xlabel="θ of training (degrees)", xticks=range(0, 361, 90), xlim=(-5, 365))
    headline(figure, title, f"{counts_of(curves, confidence)}.", HELD)
    legend(figure)
    return figure
