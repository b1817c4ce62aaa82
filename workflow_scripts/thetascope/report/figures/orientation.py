"""Gradient orientations of a data set, and what they tell without any network."""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from thetascope.report.figures.style import PALETTE, in_style


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
    figure = Figure((11, 3.6), layout="constrained")
    polar = figure.add_subplot(1, 3, 1, projection="polar")
    polar.set_title("Gradient orientation, share of all")
    polar.set_yticklabels([])
    for (_, rows), colour in zip(histogram.groupby("histogram"), cycle(PALETTE), strict=False):
        # an orientation points both ways, and the line closes
        around = pd.concat([rows, rows.assign(direction=rows["direction"] + 180), rows[:1]])
        radians = np.deg2rad(around["direction"])
        polar.fill_between(radians, around["ci_low"], around["ci_high"], fc=colour, alpha=0.2)
        polar.plot(radians, around["value"], c=colour)
    polar.set_ylim(0)
    likeness, accuracy = figure.add_subplot(1, 3, 2), figure.add_subplot(1, 3, 3)
    for axes, table, by, column in (
        (likeness, autocorrelation, "histogram", "value"),
        (accuracy, svm, "hog_cell", "accuracy"),
    ):
        for (name, rows), colour in zip(table.groupby(by), cycle(PALETTE), strict=False):
            axes.fill_between("theta", "ci_low", "ci_high", data=rows, fc=colour, alpha=0.2)
            axes.plot("theta", column, "o-", data=rows, c=colour, label=f"{by}: {name}")
    accuracy.axhline(0.5, c="0.4", ls="--", lw=1, label="chance")
    likeness.set_title("Correlation with itself turned by θ")
    accuracy.set_title(r"HoG + SVM: accuracy of x against $R_θ x$")
    for axes in likeness, accuracy:
        axes.set(xlabel="θ (degrees)", xticks=range(0, 361, 90), xlim=(-5, 365))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)
    count = svm["n_items"].max()
    figure.suptitle(f"{dataset}: gradient orientation\nMeans and intervals over {count} images")
    return figure
