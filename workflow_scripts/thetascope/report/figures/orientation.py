"""Gradient orientations of a data set, and what they tell without any network."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from thetascope.report.figures.style import PALETTE, WIDTH, headline, in_style

HISTOGRAMS = {"hog": "HoG", "structure_tensor": "structure tensor"}
DASHES = ("-", "--", "-.", (0, (6, 2, 1, 2)))  # where one lies upon the other


@in_style
def orientation_figure(
    histogram: pd.DataFrame,
    autocorrelation: pd.DataFrame,
    svm: pd.DataFrame,
    dataset: str,
) -> Figure:
    """Draw which orientations a data set has, how they repeat, and whether they tell x from R_θ x.

    Parameters
    ----------
    histogram, autocorrelation : DataFrame
        As `gradient_orientation.orientation_tables` makes them.
    svm : DataFrame
        As `hog.hog_svm_table` makes it.
    dataset : str
        For the title.
    """
    figure = Figure((WIDTH, 3), layout="constrained")
    polar = figure.add_subplot(1, 3, 1, projection="polar")
    polar.set_title("Directions of gradients:\nshare of all")
    polar.set_yticklabels([])
    for (_, rows), colour in zip(histogram.groupby("histogram"), cycle(PALETTE), strict=False):
        # an orientation points both ways, and the line closes
        around = pd.concat([rows, rows.assign(direction=rows["direction"] + 180), rows[:1]])
        radians = np.deg2rad(around["direction"])
        polar.fill_between(radians, around["ci_low"], around["ci_high"], fc=colour, alpha=0.2)
        polar.plot(radians, around["value"], c=colour)
    polar.set_ylim(0)
    likeness, accuracy = figure.add_subplot(1, 3, 2), figure.add_subplot(1, 3, 3)
    for axes, table, by, column, name in (
        (likeness, autocorrelation, "histogram", "value", HISTOGRAMS.get),
        (accuracy, svm, "hog_cell", "accuracy", "HoG, cells of {} px".format),
    ):
        for i, (value, rows) in enumerate(table.groupby(by)):
            colour, dashes = PALETTE[i % len(PALETTE)], DASHES[i % len(DASHES)]
            axes.fill_between("theta", "ci_low", "ci_high", data=rows, fc=colour, alpha=0.2)
            look = {"c": colour, "ls": dashes, "marker": "o", "label": name(value)}
            axes.plot("theta", column, data=rows, **look)
    accuracy.axhline(0.5, c="0.4", ls=":", lw=1, label="chance")
    likeness.set_title("Correlation of the histogram\nwith itself turned by θ")
    accuracy.set_title("Support vector machine:\naccuracy of x against $R_θ x$")
    for axes in likeness, accuracy:
        axes.set(xlabel="θ (degrees)", xticks=range(0, 361, 90), xlim=(-5, 365))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.3))
    headline(
        figure,
        f"{dataset}: what the directions of gradients tell, without a network",
        f"Means and intervals over {svm['n_items'].max()} images.",
    )
    return figure
