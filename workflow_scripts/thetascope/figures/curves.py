"""Curves over θ: a metric beside its null, its periods, and training against evaluation."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thetascope.angles import NONE, RANDOM, degrees, is_fixed
from thetascope.figures.style import ARM, COLOURS, MAP, METRICS, MODELS, VIEWS, in_style
from thetascope.oscillation import MIN_ANGLES

POLAR = ["dice_area", "auroc"]
CURVES = {(model, MAP): name for model, name in MODELS.items()} | {
    ("baseline", "sobel"): "No network: Sobel",
    ("baseline", "centre"): "No network: centre",
}

NO_PERIOD = (
    f"These angles resolve no period. A curve over θ takes scores at {MIN_ANGLES} angles or more,\n"
    "and a period has to be longer than twice the largest step between neighbours round the circle."
)


def sweep(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, str], str]:
    """Rows that make the curves, with their `theta`; their `sweep` and `at`; what θ is.

    All training angles, each at its own angle of evaluation if there, else all at the first one;
    where nothing was trained at a fixed angle, all angles of evaluation.
    """
    fixed = table[table["angle"].map(is_fixed)]
    diagonal = fixed[fixed["angle"] == fixed["eval_angle"]]
    if fixed.empty:
        angle = table["angle"].max()  # `random` if it is there, else `none`
        rows, axis = table[table["angle"] == angle], "eval_angle"
        trained = {RANDOM: "Trained at random angles", NONE: "No self-supervision"}
        kind, meaning = ("eval", angle), f"{trained[angle]}, evaluated at θ"
    elif diagonal["angle"].nunique() == fixed["angle"].nunique():
        rows, axis, kind = diagonal, "angle", ("diagonal", "same")
        meaning = "Trained and evaluated at θ"
    else:
        at = fixed["eval_angle"].min()
        rows, axis = fixed[fixed["eval_angle"] == at], "angle"
        kind, meaning = ("train", at), f"Trained at θ, evaluated at {degrees(at):g}°"
    return rows.assign(theta=rows[axis].map(degrees)), kind, meaning


def _of(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Rows in which the columns have these values."""
    return table[(table[list(values)] == list(values.values())).all(axis=1)]


def _arms(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Every combination of view, encoder and method, sorted."""
    return sorted(set(map(tuple, table[ARM].to_numpy())))


def _row_label(text: str, arm: tuple[str, ...], arms: list[tuple[str, ...]]) -> str:
    """Name the arm too where there are several."""
    return text if len(arms) == 1 else f"{text}\n{' · '.join(arm)}"


def _counts(table: pd.DataFrame) -> str:
    """Over how much the means go."""
    seeds = table["n_seeds"].max()
    return f"{table['n_items'].max()} test items" + (f" × {seeds} seeds" if seeds > 1 else "")


def _draw_curves(
    axes: Axes, curves: pd.DataFrame, untrained: pd.DataFrame, noise: pd.DataFrame
) -> None:
    """Draw one metric of one model over θ, in both orientations."""
    for orientation, name in VIEWS.items():
        colour = COLOURS[orientation]
        curve, reference = (
            _of(rows, orientation=orientation).sort_values("theta") for rows in (curves, untrained)
        )
        for _, floor in _of(noise, orientation=orientation).iterrows():
            # without an effect, 19 of 20 points would lie here
            middle, half = curve["mean"].mean(), 1.96 * floor["sd"] / np.sqrt(floor["n_seeds"])
            label = f"{name}: noise floor"
            axes.axhspan(middle - half, middle + half, fc="none", ec=colour, lw=0.6, ls=":")
            axes.patches[-1].set_label(label)
        axes.fill_between("theta", "ci_low", "ci_high", data=curve, fc=colour, alpha=0.2)
        axes.plot("theta", "mean", "o-", data=curve, c=colour, label=name)
        null = f"{name}: footprint null"
        axes.plot("theta", "null_mean", "--", data=curve, c=colour, lw=1, label=null)
        if len(reference):
            axes.fill_between("theta", "ci_low", "ci_high", data=reference, fc="0.5", alpha=0.15)
            without = f"{name}: no self-supervision"
            axes.plot("theta", "mean", ":", data=reference, c=colour, label=without)


@in_style
def oscillation_figure(table: pd.DataFrame, noise: pd.DataFrame) -> Figure:
    """Draw the metrics of one data set over θ, each beside its footprint null and noise floor.

    Small multiples: a column for each of `METRICS`; a row for each model and baseline map, in every
    arm (view, encoder, method) of the experiment. Bands are the intervals of the table. Where seeds
    or replicates tell the noise, dotted lines hold 19 of 20 points of a curve that is noise alone.

    Parameters
    ----------
    table : DataFrame
        Rows of `dice.csv` (see `tables.dice_table`), of one data set.
    noise : DataFrame
        Rows of `noise.csv` (see `periodicity.noise_table`), of the same data set.
    """
    table = table[table["metric"].isin(list(METRICS))]
    curves, (kind, at), meaning = sweep(table)
    noise = _of(noise, sweep=kind, at=at, series="value").drop_duplicates(
        [*ARM, "model", "map", "metric", "orientation"]
    )
    noise = noise.assign(sd=noise["seed_sd"].fillna(noise["replicate_sd"])).query("sd > 0")
    # what the untrained encoder gives at the angle at which each point was evaluated
    untrained = table[(table["angle"] == NONE) & (curves["angle"].iloc[0] != NONE)].merge(
        curves[["eval_angle", "theta"]].drop_duplicates(), on="eval_angle"
    )
    arms = _arms(curves)
    rows = [(arm, maps) for arm in arms for maps in CURVES]
    figure = Figure((11, 1.2 + 2.3 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(METRICS), sharex=True, squeeze=False)
    for row, (arm, (model, name)) in zip(grid, rows, strict=True):
        for axes, metric in zip(row, METRICS, strict=True):
            key = dict(zip(ARM, arm, strict=True), model=model, map=name, metric=metric)
            _draw_curves(axes, *(_of(part, **key) for part in (curves, untrained, noise)))
        row[0].set_ylabel(_row_label(CURVES[model, name], arm, arms))
    for axes, title in zip(grid[0], METRICS.values(), strict=True):
        axes.set_title(title)
    for axes in grid[-1]:
        axes.set(xlabel="θ (degrees)", xticks=range(0, 361, 90), xlim=(-5, 365))
    figure.suptitle(
        f"{table['dataset'].iloc[0]}: do saliency maps find the foreground? {meaning}\n"
        f"Means and bootstrap intervals over {_counts(table)}"
    )
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


@in_style
def polar_figure(table: pd.DataFrame) -> Figure:
    """Draw Dice and AUROC of one data set round the circle, each beside its footprint null.

    Parameters
    ----------
    table : DataFrame
        Rows of `dice.csv` (see `tables.dice_table`), of one data set.
    """
    table = table[table["metric"].isin(POLAR)]
    curves, _, meaning = sweep(table)
    arms = _arms(curves)
    rows = [(arm, model) for arm in arms for model in MODELS]
    figure = Figure((8, 1 + 3.6 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(POLAR), squeeze=False, subplot_kw={"projection": "polar"})
    for row, (arm, model) in zip(grid, rows, strict=True):
        for axes, metric in zip(row, POLAR, strict=True):
            key = dict(zip(ARM, arm, strict=True), model=model, map=MAP, metric=metric)
            panel = _of(curves, **key)
            for orientation, name in VIEWS.items():
                curve = _of(panel, orientation=orientation).sort_values("theta")
                # round the circle there is no first angle: the line closes
                curve = pd.concat([curve, curve[:1]])
                at, colour = np.deg2rad(curve["theta"]), COLOURS[orientation]
                axes.fill_between(at, curve["ci_low"], curve["ci_high"], fc=colour, alpha=0.2)
                axes.plot(at, curve["mean"], "o-", c=colour, label=name)
                null = f"{name}: footprint null"
                axes.plot(at, curve["null_mean"], "--", c=colour, lw=1, label=null)
            axes.set_ylim(0)
            axes.set_title(_row_label(f"{MODELS[model]}: {METRICS[metric]}", arm, arms))
    figure.suptitle(
        f"{table['dataset'].iloc[0]}: {meaning.lower()}\n"
        f"Means and bootstrap intervals over {_counts(table)}"
    )
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


@in_style
def periodogram_figure(table: pd.DataFrame, dataset: str) -> Figure:
    """Draw how much of a curve's power lies at each period, after subtracting the footprint null.

    Parameters
    ----------
    table : DataFrame
        Rows of `periodogram.csv` (see `periodicity.periodogram_table`), of one data set. Of several
        sweeps the first is drawn; where there is none, the figure says so.
    dataset : str
        For the title.
    """
    title = f"{dataset}: at which periods? Dice and AUROC above the footprint null"
    table = _of(table, map=MAP, series="excess")
    table = table[table["metric"].isin(list(METRICS)) & table["model"].isin(list(MODELS))]
    if table.empty:
        figure = Figure((11, 2.2))
        figure.suptitle(title)
        figure.text(0.5, 0.4, NO_PERIOD, ha="center", va="center", fontsize=10)
        return figure
    first = table.iloc[0]
    table = _of(table, sweep=first["sweep"], at=first["at"])
    arms = _arms(table)
    rows = [(arm, model) for arm in arms for model in MODELS]
    figure = Figure((11, 1.2 + 2.3 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(METRICS), sharex=True, sharey=True, squeeze=False)
    for row, (arm, model) in zip(grid, rows, strict=True):
        for axes, metric in zip(row, METRICS, strict=True):
            key = dict(zip(ARM, arm, strict=True), model=model, metric=metric)
            for orientation, shift in zip(VIEWS, (-0.15, 0.15), strict=True):
                curve = _of(table, orientation=orientation, **key)
                x, colour = curve["cycles"] + shift, COLOURS[orientation]
                axes.bar(x, curve["power"], width=0.28, fc=colour, label=VIEWS[orientation])
                label = f"{VIEWS[orientation]}: what noise exceeds in 1 of 20 curves"
                axes.plot(x, curve["threshold"], "_", c=colour, ms=7, label=label)
        row[0].set_ylabel(_row_label(f"{MODELS[model]}\nshare of the power", arm, arms))
    for axes, title in zip(grid[0], METRICS.values(), strict=True):
        axes.set_title(title)
    for axes in grid[-1]:
        axes.set_xlabel("cycles per turn (4: a period of 90°)")
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
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
        For example `auroc`.
    """
    table = _of(table, map=MAP, metric=metric)
    table = table[table["angle"].map(is_fixed)]
    rows = list(table.groupby([*ARM, "model"]))
    figure = Figure((11, 1 + 3 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 3, squeeze=False, width_ratios=(1, 1, 1.2))
    for panels, (names, part) in zip(grid, rows, strict=True):
        low, high = part["mean"].min(), part["mean"].max()
        for axes, orientation in zip(panels, VIEWS, strict=False):
            cells = _of(part, orientation=orientation).pivot(
                index="angle", columns="eval_angle", values="mean"
            )
            ticks = [[degrees(label) for label in labels] for labels in cells.axes]
            shown = axes.pcolormesh(*ticks[::-1], cells, vmin=low, vmax=high, shading="nearest")
            marks = [t for t in range(0, 361, 90) if ticks[0][0] <= t <= ticks[0][-1]]
            axes.set(aspect="equal", xlabel="evaluated at θ (degrees)")
            axes.set(xticks=marks, yticks=marks)
            axes.set_title(VIEWS[orientation])
            axes.grid(False)
            for margin, style in (cells.mean(axis=1), "o-"), (cells.mean(axis=0), "s--"):
                what = "trained" if style == "o-" else "evaluated"
                theta = [degrees(label) for label in margin.index]
                name = f"{VIEWS[orientation]}: {what} at θ"
                panels[2].plot(theta, margin, style, c=COLOURS[orientation], label=name)
        panels[0].set_ylabel(f"{' · '.join(map(str, names))}\ntrained at θ (degrees)")
        panels[2].set(xlabel="θ (degrees)", xticks=range(0, 361, 90))
        panels[2].set_title("means over the other angle")
        figure.colorbar(shown, ax=panels[1], label=metric)
    handles, labels = grid[0, 2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    figure.suptitle(f"{table['dataset'].iloc[0]}: {metric} by angle of training and evaluation")
    return figure
