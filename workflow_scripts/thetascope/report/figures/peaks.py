"""Dice over θ, with the peaks of every curve and how sure their place is."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thetascope.report.figures.curves import draw_curves
from thetascope.report.figures.panels import (
    arms_of,
    counts_of,
    key_of,
    row_label,
    rows_of,
    sweep,
    title_of,
)
from thetascope.report.figures.style import (
    IN_SET,
    INPUTS,
    MODELS,
    PALETTE,
    WIDTH,
    headline,
    in_style,
    legend,
)
from thetascope.vocabulary import ATTRIBUTION

METRIC = "dice_area"
# model and attribution → its row
KINDS = {(model, ATTRIBUTION): f"{name}\nSmoothGrad" for model, name in MODELS.items()}
KINDS[("baseline", "hog")] = "No network\nHoG"
SET, GROUND = "where the wave's crest may lie", {"fc": PALETTE[2], "alpha": 0.25, "zorder": 0}
NO_PEAK = "no peak: the curve cannot be told from a flat one"


@in_style
def peaks_figure(tables: Mapping[str, pd.DataFrame], confidence: float) -> Figure:
    """Draw the Dice of SmoothGrad and HoG maps of one data set over θ, and mark peaks.

    Columns: maps of x, and of R_θ x turned back. Rows: both models and HoG, in every arm. A curve
    that can be told from a flat one has its highest point marked. The ground shows the confidence
    set of the crest of its clearest wave, once for every period.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Rows of one data set of `dice` (see `tables.dice_table`), `peaks`
        (`oscillation.peaks_table`) and `oscillation` (`oscillation.oscillation_table`).
    confidence : float
        Of intervals and tests, for example 0.95.
    """
    table = rows_of(tables["dice"], metric=METRIC)
    curves, swept = sweep(table[table["input"].isin(list(INPUTS))])
    of_curves = {"metric": METRIC, "series": "value", **key_of(swept)}
    peaks, waves = (rows_of(tables[name], **of_curves) for name in ("peaks", "oscillation"))
    arms = arms_of(curves)
    there = set(zip(curves["model"], curves["attribution"], strict=True))
    rows = [(arm, kind) for arm in arms for kind in KINDS if kind in there]
    figure = Figure((WIDTH, 1.6 + 1.6 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(INPUTS), sharex=True, sharey=True, squeeze=False)
    for row, (arm, kind) in zip(grid, rows, strict=True):
        row[0].set_ylabel(row_label(KINDS[kind], arm, arms))
        for axes, input_ in zip(row, INPUTS, strict=True):
            here = dict(zip(IN_SET, arm, strict=True)) | {"input": input_}
            here |= dict(zip(("model", "attribution"), kind, strict=True))
            draw_curves(axes, rows_of(curves, **here))
            peak, wave = (rows_of(part, **here) for part in (peaks, waves))
            said = _mark(axes, peak, wave, 1 - confidence)
            name = [INPUTS[input_]] if row is grid[0] else []
            axes.set_title("\n".join([*name, said]), loc="left")
    for axes in grid[-1]:
        axes.set(xlabel="θ (degrees)", xticks=range(0, 361, 90), xlim=(-5, 365))
    headline(
        figure,
        f"{title_of(table, arms)}: at which θ do maps meet the mask best?",
        f"{swept.meaning}. Dice, binarised to the mask's area. {counts_of(curves, confidence)}.",
        "Each curve by itself: the verdict corrects for their number.",
    )
    legend(figure)
    return figure


def _mark(axes: Axes, peaks: pd.DataFrame, waves: pd.DataFrame, level: float) -> str:
    """Mark the peak of one curve and the set of its crest; say what they are."""
    peaks = peaks.dropna(subset=["peak_angle"])
    if peaks.empty:
        return NO_PEAK
    angle, value = peaks.iloc[0][["peak_angle", "peak_value"]]
    axes.plot(angle, value, "v", c="k", ms=6, label="peak of the curve")
    told = waves[waves["p_max"] <= level].dropna(subset=["phase_ci_low", "phase_ci_high"])
    if told.empty:
        return f"peak at {angle:g}°"
    wave = told.sort_values("p_max").iloc[0]
    low, high, period = wave[["phase_ci_low", "phase_ci_high", "period"]]
    width = (high - low) % period
    for turn in range(-1, round(360 / period)):  # one may begin below 0
        start = low % period + turn * period
        axes.axvspan(start, start + width, label=SET, **GROUND)
    crest = f"crest at {wave['phase_deg']:.0f}° [{low:.0f}°, {high:.0f}°]"
    return f"peak at {angle:g}°; wave of {period:g}°, {crest}"
