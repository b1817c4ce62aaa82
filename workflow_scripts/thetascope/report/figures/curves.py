"""Curves over θ: a metric beside its null, its periods, and training against evaluation."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from thetascope.analysis.curves import MIN_ANGLES
from thetascope.analysis.sweeps import Sweep, shown, sweeps
from thetascope.analysis.waves import resolved
from thetascope.angles import FIXED, NONE, RANDOM
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
from thetascope.vocabulary import ANGLES

POLAR = ["dice_area", "auroc"]
CURVES = {(model, ATTRIBUTION): name for model, name in MODELS.items()} | {
    ("baseline", "sobel"): "No network: Sobel",
    ("baseline", "centre"): "No network: centre",
}

NO_PERIOD = (
    f"These angles resolve no period. A curve over θ takes scores at {MIN_ANGLES} angles or more,\n"
    "and a period has to be longer than twice the largest step between neighbours round the circle."
)
# told apart without colour too, and where one lies upon the other
LOOKS = {
    "original": {"c": COLOURS["original"], "marker": "o", "lw": 2.2, "ms": 4},
    "rotated": {"c": COLOURS["rotated"], "marker": "s", "lw": 1.2, "ms": 2.5},
}
DASHES = {"original": (0, (4, 4)), "rotated": (4, (4, 4))}


def sweep(table: pd.DataFrame) -> tuple[pd.DataFrame, Sweep, str]:
    """Rows of the sweep that is shown (`sweeps.shown`), with their `theta`; it; what θ is."""
    # NaN equals nothing, None itself
    angles = table[ANGLES].astype(object).where(table[ANGLES].notna(), None)
    cells = list(angles.itertuples(index=False, name=None))
    chosen = shown(cells)
    places = sweeps(cells)[chosen]
    theta = [chosen.theta(cells[place]) for place in places]
    if chosen.kind == "train":
        meaning = f"Trained at θ, evaluated at {chosen.held_angle:g}°"
    elif chosen.kind == "eval":
        trained = {RANDOM: "Trained at random angles", NONE: "No self-supervision"}
        meaning = f"{trained[chosen.training]}, evaluated at θ"
    else:
        meaning = "Trained and evaluated at θ"
    return table.iloc[places].assign(theta=theta), chosen, meaning


def of_rows(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Rows in which the columns have these values; None stands for an empty cell."""
    found = np.ones(len(table), dtype=bool)
    for column, value in values.items():
        found &= table[column].isna() if value is None else table[column] == value
    return table[found]


def key_of(swept: Sweep) -> dict[str, object]:
    """Columns of the tables of curves that tell a sweep from others."""
    return {"sweep": swept.kind, "training": swept.training, "held_angle": swept.held_angle}


def _arms(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Every combination of view, encoder and method, sorted."""
    return sorted(set(map(tuple, table[IN_SET].to_numpy())))


def _title(table: pd.DataFrame, arms: list[tuple[str, ...]]) -> str:
    """Name the data set, and what all arms have in common."""
    common = [names[0] for names in zip(*arms, strict=True) if len(set(names)) == 1]
    return (
        f"{table['dataset'].iloc[0]} ({', '.join(common)})" if common else table["dataset"].iloc[0]
    )


def _row_label(text: str, arm: tuple[str, ...], arms: list[tuple[str, ...]]) -> str:
    """Name what tells the arm from the others."""
    columns = zip(arm, zip(*arms, strict=True), strict=True)
    return "\n".join([text, *(name for name, others in columns if len(set(others)) > 1)])


def _counts(table: pd.DataFrame, confidence: float) -> str:
    """Say over how much the means go, and how far the bands."""
    least, most, seeds = table["n_items"].min(), table["n_items"].max(), table["n_seeds"].max()
    items = f"{most}" if least == most else f"{least} to {most}"
    over = f"{items} test items" + (f" × {seeds} seeds" if seeds > 1 else "")
    return f"Means and {100 * confidence:g} % bootstrap intervals over {over}"


def _floors(noise: pd.DataFrame, swept: Sweep, confidence: float) -> pd.DataFrame:
    """Rows of curves whose noise is known: `half` is how far noise alone takes a point, mostly."""
    rows = of_rows(noise, series="value", **key_of(swept))
    rows = rows.drop_duplicates([*IN_SET, "model", "attribution", "metric", "input"])
    sd = rows["seed_sd"].fillna(rows["replicate_sd"])
    beyond = NormalDist().inv_cdf((1 + confidence) / 2)
    return rows.assign(half=beyond * sd / np.sqrt(rows["n_seeds"])).query("half > 0")


def _draw_curves(
    axes: Axes, curves: pd.DataFrame, untrained: pd.DataFrame, floors: pd.DataFrame
) -> None:
    """Draw one metric of one model over θ, for both inputs."""
    for input_, name in INPUTS.items():
        colour, look = COLOURS[input_], LOOKS[input_]
        curve, reference = (
            of_rows(rows, input=input_).sort_values("theta") for rows in (curves, untrained)
        )
        for half in of_rows(floors, input=input_)["half"]:
            middle, label = curve["value"].mean(), f"{name}: noise floor"
            edge = {"fc": "none", "ec": colour, "lw": 0.6, "ls": ":"}
            axes.axhspan(middle - half, middle + half, label=label, **edge)
        # the edge shows the interval of an angle that has no neighbour
        axes.fill_between("theta", "ci_low", "ci_high", data=curve, color=colour, alpha=0.2, lw=0.8)
        axes.plot("theta", "value", data=curve, label=name, **look)
        null = {"c": colour, "lw": 1, "ls": DASHES[input_], "marker": "_"}
        axes.plot("theta", "null", data=curve, label=f"{name}: footprint null", **null)
        if len(reference):
            axes.fill_between("theta", "ci_low", "ci_high", data=reference, fc="0.5", alpha=0.15)
            without = f"{name}: no self-supervision"
            axes.plot("theta", "value", ":", data=reference, c=colour, label=without)


@in_style
def oscillation_figure(table: pd.DataFrame, noise: pd.DataFrame, confidence: float) -> Figure:
    """Draw the metrics of one data set over θ, each beside its footprint null and noise floor.

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
    confidence : float
        Of the intervals in the table, for example 0.95.
    """
    maps = [name for _, name in CURVES]
    table = table[table["metric"].isin(list(METRICS)) & table["attribution"].isin(maps)]
    curves, swept, meaning = sweep(table)
    floors = _floors(noise, swept, confidence)
    # what the untrained encoder gives at the angle at which each point was evaluated
    untrained = table[(table["training"] == NONE) & (swept.training != NONE)].merge(
        curves[["eval_angle", "theta"]].drop_duplicates(), on="eval_angle"
    )
    arms = _arms(curves)
    rows = [(arm, curve) for arm in arms for curve in CURVES]
    figure = Figure((11, 1.2 + 2.3 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(METRICS), sharex=True, sharey="col", squeeze=False)
    for row, (arm, (model, name)) in zip(grid, rows, strict=True):
        for axes, metric in zip(row, METRICS, strict=True):
            key = dict(zip(IN_SET, arm, strict=True), model=model, attribution=name, metric=metric)
            _draw_curves(axes, *(of_rows(part, **key) for part in (curves, untrained, floors)))
        row[0].set_ylabel(_row_label(CURVES[model, name], arm, arms))
    for axes, title in zip(grid[0], METRICS.values(), strict=True):
        axes.set_title(title)
    for axes in grid[-1]:
        axes.set(xlabel="θ (degrees)", xticks=range(0, 361, 90), xlim=(-5, 365))
    figure.suptitle(
        f"{_title(table, arms)}: do saliency maps find the foreground?\n"
        f"{meaning}. {_counts(curves, confidence)}"
    )
    legend(figure)
    return figure


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
    columns = ("value", "ci_low", "ci_high", "null")
    fine = pd.DataFrame({name: np.interp(steps, theta, curve[name]) for name in columns})
    return fine.assign(theta=np.deg2rad(steps)), np.searchsorted(steps, theta)


@in_style
def polar_figure(table: pd.DataFrame, noise: pd.DataFrame, confidence: float) -> Figure:
    """Draw Dice and AUROC of one data set round the circle, each beside its null and noise floor.

    Parameters
    ----------
    table, noise, confidence
        As for `oscillation_figure`.
    """
    table = table[table["metric"].isin(POLAR) & (table["attribution"] == ATTRIBUTION)]
    curves, swept, meaning = sweep(table)
    floors = of_rows(_floors(noise, swept, confidence), attribution=ATTRIBUTION)
    arms = _arms(curves)
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
                panel = of_rows(curves, input=input_, **key)
                curve, marks = _round_the_circle(panel)
                for half in of_rows(floors, input=input_, **key)["half"]:
                    label = f"{name}: noise floor"
                    for radius in panel["value"].mean() + np.array([-half, half]):
                        axes.plot(circle, 0 * circle + radius, ":", c=colour, lw=0.8, label=label)
                axes.fill_between(
                    "theta", "ci_low", "ci_high", data=curve, color=colour, alpha=0.2, lw=0.8
                )
                axes.plot("theta", "value", data=curve, label=name, markevery=marks, **look)
                null = {"c": colour, "lw": 1, "ls": DASHES[input_]}
                axes.plot("theta", "null", data=curve, label=f"{name}: footprint null", **null)
            axes.set_ylim(0)
            axes.yaxis.set_major_locator(MaxNLocator(4))
            for text in axes.get_yticklabels():
                text.set(bbox={"fc": "white", "ec": "none", "alpha": 0.7, "pad": 0.5})
            axes.set_title(_row_label(f"{MODELS[model]}: {METRICS[metric]}", arm, arms))
    figure.suptitle(f"{_title(table, arms)}: {meaning.lower()}\n{_counts(curves, confidence)}")
    legend(figure)
    return figure


@in_style
def periodogram_figure(table: pd.DataFrame, scores: pd.DataFrame, confidence: float) -> Figure:
    """Draw how much of a curve's power lies at each period, after subtracting the footprint null.

    Parameters
    ----------
    table : DataFrame
        Rows of `periodogram.csv` (see `periodogram.periodogram_table`), of one data set. Where the
        curves that `oscillation_figure` shows are not among them, the figure says so.
    scores : DataFrame
        Rows of `dice.csv` (see `tables.dice_table`), of the same data set.
    confidence : float
        Of the thresholds in the table, for example 0.95.
    """
    curves, swept, meaning = sweep(scores)
    table = of_rows(table, attribution=ATTRIBUTION, series="excess", **key_of(swept))
    table = table[table["metric"].isin(list(METRICS)) & table["model"].isin(list(MODELS))]
    arms = _arms(curves)
    title = f"{_title(scores, arms)}: at which periods? Dice and AUROC less the footprint null"
    if table.empty:
        figure = Figure((11, 1.8))
        figure.suptitle(title)
        figure.text(0.5, 0.4, NO_PERIOD, ha="center", va="center", fontsize=10)
        return figure
    rows = [(arm, model) for arm in arms for model in MODELS]
    figure = Figure((11, 1.2 + 2.3 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(METRICS), sharex=True, sharey=True, squeeze=False)
    for row, (arm, model) in zip(grid, rows, strict=True):
        for axes, metric in zip(row, METRICS, strict=True):
            key = dict(zip(IN_SET, arm, strict=True), model=model, metric=metric)
            for input_, shift in zip(INPUTS, (-0.15, 0.15), strict=True):
                curve = of_rows(table, input=input_, **key)
                x, colour = curve["cycles"] + shift, COLOURS[input_]
                axes.bar(x, curve["power"], width=0.28, fc=colour, label=INPUTS[input_])
                if curve["threshold"].notna().any():
                    label = f"what noise exceeds in {100 * (1 - confidence):.3g} % of curves"
                    axes.plot(x, curve["threshold"], "_", c="k", ms=7, label=label)
        row[0].set_ylabel(_row_label(f"{MODELS[model]}\nshare of the power", arm, arms))
    for axes, name in zip(grid[0], METRICS.values(), strict=True):
        axes.set_title(name)
    for axes in grid[-1]:
        axes.set(xlabel="cycles per turn (4: a period of 90°)")
        axes.set_xlim(0.4, table["cycles"].max() + 0.6)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.suptitle(f"{title}\n{meaning}")
    legend(figure, columns=3)
    return figure


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
    table = of_rows(table, attribution=ATTRIBUTION, metric=metric)
    table = table[table["training"] == FIXED]
    arms = _arms(table)
    rows = [(arm, model) for arm in arms for model in sorted(set(table["model"]), reverse=True)]
    figure = Figure((11, 1 + 3 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 3, squeeze=False, width_ratios=(1, 1, 1.2))
    for panels, (arm, model) in zip(grid, rows, strict=True):
        part = of_rows(table, model=model, **dict(zip(IN_SET, arm, strict=True)))
        low, high = part["value"].min(), part["value"].max()
        for axes, input_ in zip(panels, INPUTS, strict=False):
            cells = of_rows(part, input=input_).pivot(
                index="angle", columns="eval_angle", values="value"
            )
            shown = axes.imshow(cells, vmin=low, vmax=high, origin="lower", aspect="auto")
            for axis, labels in zip((axes.yaxis, axes.xaxis), cells.axes, strict=True):
                step = -(-len(labels) // 8)  # as many as can be read
                named = [f"{label:g}" for label in labels[::step]]
                axis.set_ticks(range(0, len(labels), step), named)
            axes.set(xlabel="evaluated at θ (degrees)", title=INPUTS[input_])
            axes.grid(False)
            for margin, style in (cells.mean(axis=1), "o-"), (cells.mean(axis=0), "s--"):
                what = "trained" if style == "o-" else "evaluated"
                name = f"{INPUTS[input_]}: {what} at θ"
                panels[2].plot(margin.index, margin, style, c=COLOURS[input_], label=name)
        label = _row_label(MODELS.get(model, model), arm, arms)
        panels[0].set_ylabel(f"{label}\ntrained at θ (degrees)")
        panels[2].set(xlabel="θ (degrees)", xticks=range(0, 361, 90), xlim=(-5, 365))
        panels[2].set(title="means over the other angle", ylabel=METRICS[metric])
        figure.colorbar(shown, ax=panels[1], label=METRICS[metric])
    legend(figure)
    name = METRICS[metric]
    figure.suptitle(f"{_title(table, arms)}: {name} by angle of training and of evaluation")
    return figure
