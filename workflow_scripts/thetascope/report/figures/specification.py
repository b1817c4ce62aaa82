"""Specification curve: what each metric makes of the wave of a verdict."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thetascope.analysis import glance
from thetascope.analysis.settings import Analysis
from thetascope.analysis.together import OF_METRICS
from thetascope.report.figures.style import (
    METRICS,
    SUPPLEMENT,
    WIDTH,
    headline,
    in_style,
)

OF_WAVE = ["question", *OF_METRICS, "period"]
SHORT = (
    METRICS
    | SUPPLEMENT
    | {"dice_area": "Dice at the mask's area", "pointing_game": "Pointing game"}
)
ROW = 0.165  # inches, of a wave
LEFT, RIGHT = 2.9, 6.0  # inches, where the axes lie; on either side of them stand words
ABOVE, BELOW = 1.95, 0.75  # inches
NAME = 52  # characters that fit on the left
NOTHING = "No curve that a question declared has a second metric."


@in_style
def specification_figure(
    verdicts: pd.DataFrame, oscillation: pd.DataFrame, metrics: pd.DataFrame, analysis: Analysis
) -> Figure:
    """Draw, for the wave of every verdict, the share of each metric's curve that it holds.

    A row is a wave of a kind of curve, a column a metric. A dot is a metric whose own p is at most
    one minus `confidence`. Beside the row stands the test of the mean share over metrics
    (Simonsohn, Simmons & Nelson, 2020).

    Parameters
    ----------
    verdicts : DataFrame
        Of `verdict.verdict_table`.
    oscillation : DataFrame
        Of `oscillation.oscillation_table`.
    metrics : DataFrame
        Of `together.metrics_table`.
    analysis : Analysis
        The configuration's section.
    """
    title = "Is the wave there whatever the metric?"
    waves = _waves(verdicts, metrics)
    if waves.empty:
        figure = Figure((WIDTH, 1.2))
        headline(figure, title)
        figure.text(0.5, 0.3, NOTHING, ha="center", va="center")
        return figure
    row = ROW * (1 + waves["name"].str.count("\n").max())
    height = ABOVE + row * len(waves) + BELOW
    figure = Figure((WIDTH, height))
    place = (LEFT / WIDTH, BELOW / height, (RIGHT - LEFT) / WIDTH, row * len(waves) / height)
    axes = figure.add_axes(place)
    _draw(axes, waves, oscillation, analysis.level)
    bar = figure.add_axes((LEFT / WIDTH, 0.35 / height, (RIGHT - LEFT) / WIDTH, 0.1 / height))
    figure.colorbar(axes.collections[0], cax=bar, orientation="horizontal")
    bar.set_title("share of the curve's variance that the wave holds", fontsize=7.5, pad=3)
    headline(
        figure,
        title,
        "Each row is a curve over θ, with the wave that its verdict is about: its largest. "
        f"Dot: a metric whose own p is at most {analysis.level:g}.",
        "Right: p of the mean share over all metrics, and how many have a dot. No p is corrected "
        "for the choice of the wave.",
    )
    return figure


def _waves(verdicts: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """Name the waves of the verdicts that have several metrics, each once."""
    telling = glance.names(verdicts).drop(columns=["question", "metric"])
    verdicts = glance.in_order(verdicts)
    names = [
        fill(f"{question}: {', '.join(row)}, {period:g}°", NAME).replace("R_θ x", r"$R_θ\,x$")
        for question, row, period in zip(
            verdicts["question"], telling.to_numpy(), verdicts["period"], strict=True
        )
    ]
    waves = verdicts[OF_WAVE].assign(name=names).drop_duplicates(OF_WAVE)
    return waves.merge(metrics, on=OF_WAVE, validate="1:1")


def _draw(axes: Axes, waves: pd.DataFrame, oscillation: pd.DataFrame, level: float) -> None:
    """Draw one row per wave, the first on top, and one column per metric."""
    of_wave = [*OF_METRICS, "period"]
    numbered = waves[of_wave].assign(row=range(len(waves)))
    found = numbered.merge(oscillation, how="left", on=of_wave)
    shown = [*SHORT, *sorted({*found["metric"]} - {*SHORT})]
    shown = [name for name in shown if name in {*found["metric"]}]
    share, p = (
        found.pivot(index="row", columns="metric", values=column)[shown].to_numpy()
        for column in ("power_share", "p")
    )
    rows, columns = np.arange(len(waves)), np.arange(len(shown))
    axes.pcolormesh(columns, rows, np.ma.masked_invalid(share), vmin=0, vmax=1, cmap="Blues")
    small = np.argwhere(p <= level)
    axes.scatter(small[:, 1], small[:, 0], s=14, c="#D55E00", zorder=3)
    axes.set(ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(rows, waves["name"])
    axes.set_xticks(columns, [SHORT.get(name, name) for name in shown], rotation=35, ha="left")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for place, wave in enumerate(waves.itertuples()):
        said = f"p {wave.p:.3f}, {wave.n_small_p} of {wave.n_metrics}"
        axes.annotate(said, (1.03, place), xycoords=axes.get_yaxis_transform(), va="center")
