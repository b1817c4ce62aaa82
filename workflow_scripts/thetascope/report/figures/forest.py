"""Forest plot: how large the waves of the curves of all questions are, and how sure that is."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thetascope.analysis import glance
from thetascope.analysis.settings import Analysis
from thetascope.report.figures.style import (
    GREY,
    METRICS,
    SUPPLEMENT,
    VERDICTS,
    WIDTH,
    headline,
    in_style,
)

ROW = 0.165  # inches, of a curve
HEADLINE = 0.98  # where matplotlib puts it, as a share of the height
OF_PANEL, OF_FIGURE = 0.56, 1.15  # inches beside the rows: axis and title; headline and legend
LEFT, RIGHT = 2.5, 4.8  # inches, where the axes lie; on either side of them stand words
NAME = 45  # characters that fit on the left
SHORT = METRICS | SUPPLEMENT | {"dice_area": "Dice"}
NOTHING = "No curve is what a question declared: there are too few angles, or other names."


@in_style
def forest_figure(verdicts: pd.DataFrame, analysis: Analysis) -> Figure:
    """Draw the amplitude of every curve of every question, with interval, bound and verdict.

    One panel for each question, each with its own scale. A row is a curve: the amplitude of the
    wave that its verdict is about, the interval for other training runs, and the upper bound of
    waves of all periods. Dashed is the smallest amplitude that would matter.

    Parameters
    ----------
    verdicts : DataFrame
        Of `verdict.verdict_table`.
    analysis : Analysis
        The configuration's section.
    """
    title = "How large are the waves over θ?"
    if verdicts.empty:
        figure = Figure((WIDTH, 1.2))
        headline(figure, title)
        figure.text(0.5, 0.3, NOTHING, ha="center", va="center")
        return figure
    panels = list(verdicts.groupby("question", sort=False))
    words = _words(verdicts)
    row = ROW * (1 + words["name"].str.count("\n").max())
    heights = [len(rows) * row for _, rows in panels]
    height = (OF_FIGURE + sum(heights) + OF_PANEL * len(panels)) / HEADLINE
    figure = Figure((WIDTH, height))
    top = height * HEADLINE - 0.42
    for (question, rows), tall in zip(panels, heights, strict=True):
        top -= OF_PANEL / 2
        place = (LEFT / WIDTH, (top - tall) / height, (RIGHT - LEFT) / WIDTH, tall / height)
        axes = figure.add_axes(place)
        _draw(axes, rows, words.loc[rows.index], analysis.smallest_effect)
        axes.set_title(f"Question {question}", loc="left", x=(0.1 - LEFT) / (RIGHT - LEFT))
        top -= tall + OF_PANEL / 2
    axes.set_xlabel("amplitude, in units of the score")
    said = f"bar: {100 * analysis.confidence:g} % interval for other training runs"
    figure.legend(handles=_marks(said), loc="lower center", ncols=2)
    headline(figure, title, "Each row is a curve over θ; the wave is the one its verdict is about.")
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, words: pd.DataFrame, smallest: float) -> None:
    """Draw the curves of one question, the first on top."""
    places = np.arange(len(rows))
    colours = rows["verdict"].map(VERDICTS)
    look = {"colors": colours, "lw": 2.5, "alpha": 0.55}
    axes.hlines(places, rows["amplitude_ci_low"], rows["amplitude_ci_high"], **look)
    axes.scatter(rows["amplitude"], places, s=16, c=colours, zorder=3)
    axes.scatter(rows["amplitude_bound"], places, s=34, c=colours, marker="|", zorder=3)
    axes.axvline(smallest, ls="--", c=GREY, lw=1)
    axes.set_yticks(places, words["name"])
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0, None))
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)
    axes.grid(axis="y", visible=False)
    for place, colour, text in zip(places, colours, words["verdict"], strict=True):
        at = {"xycoords": axes.get_yaxis_transform(), "va": "center"}
        axes.annotate("■", (1.04, place), color=colour, **at)
        axes.annotate(text, (1.095, place), **at)


def _words(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Name every curve, and say its `verdict`; the amplitude is drawn already."""
    names = glance.names(verdicts).drop(columns="question")
    names["metric"] = names["metric"].replace(SHORT)
    named = [fill(", ".join(row), NAME) for row in names.to_numpy()]
    named = [name.replace("R_θ x", "$R_θ x$") for name in named]
    answers = [glance.answer(row) for _, row in glance.in_order(verdicts).iterrows()]
    said = [words.partition(", amplitude")[0] for words in answers]
    return pd.DataFrame({"name": named, "verdict": said}, index=names.index)


def _marks(interval: str) -> list[Line2D]:
    """Explain the marks; colours stand beside their words already."""
    return [
        Line2D([], [], color=GREY, marker="o", ls="none", ms=4, label="amplitude of the wave"),
        Line2D([], [], color=GREY, lw=2.5, alpha=0.55, label=interval),
        Line2D(
            [], [], color=GREY, marker="|", ls="none", ms=7, label="upper bound, over all periods"
        ),
        Line2D([], [], color=GREY, ls="--", lw=1, label="smallest effect that would matter"),
    ]
