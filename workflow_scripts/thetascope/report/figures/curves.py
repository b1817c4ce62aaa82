"""Curves over θ: a metric beside chance, on a line and round the circle."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from thetascope.analysis.sweeps import Sweep
from thetascope.analysis.waves import resolved
from thetascope.angles import NONE
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
    ATTRIBUTION,
    COLOURS,
    IN_SET,
    INPUTS,
    METRICS,
    MODELS,
    in_style,
    legend,
)

POLAR = ["dice_area", "auroc"]
CURVES = {(model, ATTRIBUTION): name for model, name in MODELS.items()} | {
    ("baseline", "sobel"): "No network: Sobel",
    ("baseline", "hog"): "No network: HoG",
    ("baseline", "centre"): "No network: centre",
    ("baseline", "random"): "No network: random",
}
# told apart without colour too, and where one lies upon the other
LOOKS = {
    "original": {"c": COLOURS["original"], "marker": "o", "lw": 2.2, "ms": 4},
    "rotated": {"c": COLOURS["rotated"], "marker": "s", "lw": 1.2, "ms": 2.5},
    "pair": {"c": COLOURS["pair"], "marker": "D", "lw": 2.2, "ms": 4},
}
DASHES = {"original": (0, (4, 4)), "rotated": (4, (4, 4)), "pair": (0, (4, 4))}


def _floors(
    noise: pd.DataFrame, curves: pd.DataFrame, swept: Sweep, confidence: float
) -> pd.DataFrame:
    """Rows of curves whose noise is known: `half` is how far noise alone takes a point, mostly."""
    rows = rows_of(noise, series="value", **key_of(swept))
    rows = rows.drop_duplicates([*IN_SET, "model", "attribution", "metric", "input"])
    beyond = NormalDist().inv_cdf((1 + confidence) / 2)
    # of a point: of staggered seeds it has one, however many the curve has
    return rows.assign(half=beyond * rows["cell_sd"] / np.sqrt(curves["n_seeds"].max())).query(
        "half > 0"
    )


def draw_curves(
    axes: Axes,
    curves: pd.DataFrame,
    untrained: pd.DataFrame | None = None,
    floors: pd.DataFrame | None = None,
) -> None:
    """Draw one metric of one model over θ, for each input.

    Parameters
    ----------
    axes : Axes
        Where.
    curves, untrained : DataFrame
        Rows of `dice.csv` with their `theta`: of the curve, and of the encoder that was not trained
        by itself.
    floors : DataFrame or None
        `half` of the noise floor's width.
    """
    none = curves.iloc[:0].assign(half=0.0)
    untrained, floors = (none if rows is None else rows for rows in (untrained, floors))
    for input_ in [name for name in LOOKS if (curves["input"] == name).any()]:
        colour, look, name = COLOURS[input_], LOOKS[input_], INPUTS.get(input_, "both pictures")
        curve, reference = (
            rows_of(rows, input=input_).sort_values("theta") for rows in (curves, untrained)
        )
        for half in rows_of(floors, input=input_)["half"]:
            middle, label = curve["value"].mean(), f"{name}: noise floor"
            edge = {"fc": "none", "ec": colour, "lw": 0.6, "ls": ":"}
            axes.axhspan(middle - half, middle + half, label=label, **edge)
        # the edge shows the interval of an angle that has no neighbour
        axes.fill_between("theta", "ci_low", "ci_high", data=curve, color=colour, alpha=0.2, lw=0.8)
        axes.plot("theta", "value", data=curve, label=name, **look)
        _draw_references(axes, curve, input_, name)
        if len(reference):
            axes.fill_between("theta", "ci_low", "ci_high", data=reference, fc="0.5", alpha=0.15)
            without = f"{name}: no self-supervision"
            axes.plot("theta", "value", ":", data=reference, c=colour, label=without)


def _draw_references(axes: Axes, curve: pd.DataFrame, input_: str, name: str) -> None:
    """Draw what chance gives, and the own cut where there is one."""
    look = {"c": COLOURS[input_], "lw": 1}
    axes.plot("theta", "chance", data=curve, label=f"{name}: chance", ls=DASHES[input_], **look)
    if curve["own_cut"].notna().any():
        label = "map of x, cut to the same pixels"
        axes.plot("theta", "own_cut", data=curve, label=label, ls=(0, (6, 2, 1, 2)), **look)


@in_style
def oscillation_figure(
    table: pd.DataFrame, noise: pd.DataFrame, reliability: pd.DataFrame, confidence: float
) -> Figure:
    """Draw the metrics of one data set over θ, each beside chance, own cut and noise floor.

    Small multiples: a column for each of `METRICS`, on one scale; a row for each model and baseline
    map, in every arm (view, encoder, method) of the experiment. Bands are the intervals of the
    table. Where seeds or replicates tell the noise, of a curve that is noise alone a share
    `confidence` of the points lies between the dotted lines.

    Parameters
    ----------
    table : DataFrame
        Rows of `dice.csv` (see `tables.dice_table`), of one data set.
    noise : DataFrame
        Rows of `noise.csv` (see `planner.noise_table`), of the same data set.
    reliability : DataFrame
        Rows of `reliability.csv` (see `reliability.reliability_table`), likewise.
    confidence : float
        Of the intervals in the table, for example 0.95.
    """
    maps = [name for _, name in CURVES]
    table = table[table["metric"].isin(list(METRICS)) & table["attribution"].isin(maps)]
    curves, swept = sweep(table)
    floors = _floors(noise, curves, swept, confidence)
    # what the untrained encoder gives at the angle at which each point was evaluated
    untrained = table[(table["training"] == NONE) & (swept.training != NONE)].merge(
        curves[["eval_angle", "theta"]].drop_duplicates(), on="eval_angle"
    )
    arms = arms_of(curves)
    rows = [(arm, curve) for arm in arms for curve in CURVES]
    figure = Figure((11, 1.2 + 2.3 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(METRICS), sharex=True, sharey="col", squeeze=False)
    for row, (arm, (model, name)) in zip(grid, rows, strict=True):
        for axes, metric in zip(row, METRICS, strict=True):
            key = dict(zip(IN_SET, arm, strict=True), model=model, attribution=name, metric=metric)
            draw_curves(axes, *(rows_of(part, **key) for part in (curves, untrained, floors)))
        del key["metric"]
        label = CURVES[model, name] + _reliabilities(rows_of(reliability, **key))
        row[0].set_ylabel(row_label(label, arm, arms))
    for axes, title in zip(grid[0], METRICS.values(), strict=True):
        axes.set_title(title)
    for axes in grid[-1]:
        axes.set(xlabel="θ (degrees)", xticks=range(0, 361, 90), xlim=(-5, 365))
    figure.suptitle(
        f"{title_of(table, arms)}: do saliency maps find the foreground?\n"
        f"{swept.meaning}. {counts_of(curves, confidence)}"
    )
    legend(figure)
    return figure


def _reliabilities(rows: pd.DataFrame) -> str:
    """Say how reliable the maps of x and of R_θ x are, on a line of its own; nothing if unknown."""
    of_input = rows.set_index("input")["reliability"].reindex(list(INPUTS)).dropna()
    found = ", ".join(f"{value:.2f}" for value in of_input)
    return f"\nreliability {found}" if found else ""


def _round_the_circle(curve: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.integer]]:
    """Go from angle to angle in small steps, and on to the first one: `theta` in radians.

    A straight line in polar axes would cut the corner, and make a polygon of what is constant. The
    line closes unless half of the circle or more is left out. Also the places of the given angles.
    """
    curve = curve.sort_values("theta")
    first, last = curve["theta"].iloc[[0, -1]]
    if resolved(curve["theta"].to_numpy(), [360])[0] and last < first + 360:
        curve = pd.concat([curve, curve[:1].assign(theta=first + 360)])
    theta = curve["theta"].to_numpy()
    steps = np.union1d(np.arange(first, theta[-1]), theta)
    columns = ("value", "ci_low", "ci_high", "chance", "own_cut")
    fine = pd.DataFrame({name: np.interp(steps, theta, curve[name]) for name in columns})
    return fine.assign(theta=np.deg2rad(steps)), np.searchsorted(steps, theta)


@in_style
def polar_figure(table: pd.DataFrame, noise: pd.DataFrame, confidence: float) -> Figure:
    """Draw Dice and AUROC of one data set round the circle, beside chance, own cut, noise floor.

    Parameters
    ----------
    table, noise, confidence
        As for `oscillation_figure`.
    """
    table = table[table["metric"].isin(POLAR) & (table["attribution"] == ATTRIBUTION)]
    curves, swept = sweep(table)
    floors = rows_of(_floors(noise, curves, swept, confidence), attribution=ATTRIBUTION)
    arms = arms_of(curves)
    rows = [(arm, model) for arm in arms for model in MODELS]
    figure = Figure((8, 1 + 3.6 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(POLAR), squeeze=False, subplot_kw={"projection": "polar"})
    circle = np.linspace(0, 2 * np.pi, 361)
    for row, (arm, model) in zip(grid, rows, strict=True):
        for axes, metric in zip(row, POLAR, strict=True):
            key = dict(
                zip(IN_SET, arm, strict=True), model=model, attribution=ATTRIBUTION, metric=metric
            )
            for input_, name in INPUTS.items():
                colour, look = COLOURS[input_], LOOKS[input_]
                panel = rows_of(curves, input=input_, **key)
                curve, marks = _round_the_circle(panel)
                for half in rows_of(floors, input=input_, **key)["half"]:
                    label = f"{name}: noise floor"
                    for radius in panel["value"].mean() + np.array([-half, half]):
                        axes.plot(circle, 0 * circle + radius, ":", c=colour, lw=0.8, label=label)
                axes.fill_between(
                    "theta", "ci_low", "ci_high", data=curve, color=colour, alpha=0.2, lw=0.8
                )
                axes.plot("theta", "value", data=curve, label=name, markevery=marks, **look)
                _draw_references(axes, curve, input_, name)
            axes.set_ylim(0)
            axes.yaxis.set_major_locator(MaxNLocator(4))
            for text in axes.get_yticklabels():
                text.set(bbox={"fc": "white", "ec": "none", "alpha": 0.7, "pad": 0.5})
            axes.set_title(row_label(f"{MODELS[model]}: {METRICS[metric]}", arm, arms))
    figure.suptitle(
        f"{title_of(table, arms)}: {swept.meaning.lower()}\n{counts_of(curves, confidence)}"
    )
    legend(figure)
    return figure
