"""Figures: curves over θ, saliency maps side by side, and gradient orientations.

Drawn without pyplot, so without a display and without state. The same data give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from thetascope.angles import NONE, RANDOM, degrees, is_fixed
from thetascope.datasets import central_crop
from thetascope.metrics import binarise_area, dice
from thetascope.provenance import atomic

STYLE = Path(__file__).with_name("thetascope.mplstyle")
MAP = "smoothgrad"
METRICS = {
    "dice_area": "Dice, binarised to the mask's area",
    "dice_otsu": "Dice, binarised by Otsu",
    "dice_quantile": "Dice, binarised at a quantile",
    "auroc": "AUROC",
}
MODELS = {"pretrained": "Pretrained encoder", "finetuned": "Fine-tuned model"}
CURVES = {(model, MAP): name for model, name in MODELS.items()} | {
    ("baseline", "sobel"): "No network: Sobel",
    ("baseline", "centre"): "No network: centre",
}
VIEWS = {"original": "map of x", "rotated": r"map of $R_θ x$, turned back"}
# Okabe & Ito (2008): told apart by the colour-blind, and in grey print
COLOURS = {"original": "#0072B2", "rotated": "#D55E00"}
OUTLINE = "#56B4E9"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")


@contextmanager
def _figure(path: str | Path, width: float, height: float) -> Iterator[Figure]:
    """Give a figure of this size in inches, in our style, and write it at the end."""
    with matplotlib.style.context(STYLE):
        figure = Figure((width, height), layout="constrained")
        yield figure
        with atomic(path) as temporary:
            figure.savefig(temporary, metadata={"Date": None})


def sweep(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Rows that make the curves, with their `theta`, and what θ is.

    All training angles, each at its own angle of evaluation if there, else all at the first one;
    where nothing was trained at a fixed angle, all angles of evaluation.
    """
    fixed = table[table["angle"].map(is_fixed)]
    diagonal = fixed[fixed["angle"] == fixed["eval_angle"]]
    if fixed.empty:
        angle = table["angle"].max()  # `random` if it is there, else `none`
        rows, axis = table[table["angle"] == angle], "eval_angle"
        trained = {RANDOM: "Trained at random angles", NONE: "No self-supervision"}
        meaning = f"{trained[angle]}, evaluated at θ"
    elif diagonal["angle"].nunique() == fixed["angle"].nunique():
        rows, axis, meaning = diagonal, "angle", "Trained and evaluated at θ"
    else:
        at = fixed["eval_angle"].min()
        rows, axis = fixed[fixed["eval_angle"] == at], "angle"
        meaning = f"Trained at θ, evaluated at {degrees(at):g}°"
    return rows.assign(theta=rows[axis].map(degrees)), meaning


def _draw_curves(axes: Axes, curves: pd.DataFrame, untrained: pd.DataFrame) -> None:
    """Draw one metric of one model over θ, in both orientations."""
    for orientation, name in VIEWS.items():
        colour = COLOURS[orientation]
        curve, reference = (
            rows[rows["orientation"] == orientation].sort_values("theta")
            for rows in (curves, untrained)
        )
        axes.fill_between("theta", "ci_low", "ci_high", data=curve, fc=colour, alpha=0.2)
        axes.plot("theta", "mean", "o-", data=curve, c=colour, label=name)
        null = f"{name}: footprint null"
        axes.plot("theta", "null_mean", "--", data=curve, c=colour, lw=1, label=null)
        if len(reference):
            axes.fill_between("theta", "ci_low", "ci_high", data=reference, fc="0.5", alpha=0.15)
            without = f"{name}: no self-supervision"
            axes.plot("theta", "mean", ":", data=reference, c=colour, label=without)


def oscillation_figure(table: pd.DataFrame, path: str | Path) -> Figure:
    """Draw the metrics of one data set over θ, each beside its footprint null.

    Small multiples: a column for each of `METRICS`; a row for each model and baseline map, in every
    arm (view, encoder, method) of the experiment. Bands are the intervals of the table.

    Parameters
    ----------
    table : DataFrame
        Rows of `dice.csv` (see `tables.dice_table`), of one data set.
    path : path
        Where to write, for example `oscillation-mni152.svg`; the suffix is the format.

    Returns
    -------
    Figure
        What was written.
    """
    table = table[table["metric"].isin(list(METRICS))]
    curves, meaning = sweep(table)
    # what the untrained encoder gives at the angle at which each point was evaluated
    untrained = table[(table["angle"] == NONE) & (curves["angle"].iloc[0] != NONE)].merge(
        curves[["eval_angle", "theta"]].drop_duplicates(), on="eval_angle"
    )
    arm = ["view", "encoder", "method"]
    arms = sorted(set(map(tuple, curves[arm].to_numpy())))
    rows = [(names, maps) for names in arms for maps in CURVES]
    with _figure(path, 11, 1 + 2.3 * len(rows)) as figure:
        grid = figure.subplots(len(rows), len(METRICS), sharex=True, squeeze=False)
        for row, (names, maps) in zip(grid, rows, strict=True):
            for axes, metric in zip(row, METRICS, strict=True):
                key = [*names, *maps, metric]
                panel = [
                    part[(part[[*arm, "model", "map", "metric"]] == key).all(axis=1)]
                    for part in (curves, untrained)
                ]
                _draw_curves(axes, *panel)
            label = CURVES[maps]
            row[0].set_ylabel(label if len(arms) == 1 else f"{label}\n{' · '.join(names)}")
        for axes, title in zip(grid[0], METRICS.values(), strict=True):
            axes.set_title(title)
        for axes in grid[-1]:
            axes.set_xlabel("θ (degrees)")
            axes.set_xticks(range(0, 361, 90))
            axes.set_xlim(-5, 365)
        counts = f"{table['n_items'].max()} test items"
        if (seeds := table["n_seeds"].max()) > 1:
            counts += f" × {seeds} seeds"
        figure.suptitle(
            f"{table['dataset'].iloc[0]}: do saliency maps find the foreground? {meaning}\n"
            f"Means and bootstrap intervals over {counts}"
        )
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def factorial_figure(table: pd.DataFrame, metric: str, path: str | Path) -> Figure:
    """Draw a metric over the angle of training and that of evaluation, with both margins.

    Rows: the models, in every arm. Columns: the map of x, the map of R_θ x, and the means over the
    other angle: what training at θ does, and what evaluating at θ does.

    Parameters
    ----------
    table : DataFrame
        Rows of `dice.csv` (see `tables.dice_table`), of one data set.
    metric : str
        For example `auroc`.
    path : path
        Where to write; the suffix is the format.

    Returns
    -------
    Figure
        What was written.
    """
    table = table[(table["map"] == MAP) & (table["metric"] == metric)]
    table = table[table["angle"].map(is_fixed)]
    arm = ["view", "encoder", "method", "model"]
    rows = list(table.groupby(arm))
    with _figure(path, 11, 1 + 3 * len(rows)) as figure:
        grid = figure.subplots(len(rows), 3, squeeze=False, width_ratios=(1, 1, 1.2))
        for panels, (names, part) in zip(grid, rows, strict=True):
            low, high = part["mean"].min(), part["mean"].max()
            for axes, orientation in zip(panels, VIEWS, strict=False):
                cells = part[part["orientation"] == orientation]
                cells = cells.pivot(index="angle", columns="eval_angle", values="mean")
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


def example(
    saliency: Mapping[str, NDArray[Any]], images: str | Path, canvas: str
) -> tuple[int, NDArray[np.uint8], NDArray[np.bool_]]:
    """Choose the item that stands for its data set, by the middle size of its mask.

    Parameters
    ----------
    saliency : mapping
        Arrays of a `saliency.npz`.
    images : path
        The data set's `images.npy`.
    canvas : str
        Of the view: `crop` shows the central square alone.

    Returns
    -------
    int
        Its place among the mapped items.
    ndarray
        The image, uint8 [C, S, S].
    ndarray
        The mask, bool [S, S].
    """
    masks = saliency["masks"] > 0
    shares = masks.mean(axis=(1, 2))
    shown = int(np.argsort(shares)[len(shares) // 2])
    image = np.load(images, mmap_mode="r")[saliency["items"][shown]]
    return shown, central_crop(image) if canvas == "crop" else image, masks[shown]


def saliency_figure(
    image: NDArray[np.uint8],
    mask: NDArray[np.integer],
    maps: Mapping[str, Mapping[str, NDArray[np.floating]]],
    path: str | Path,
    title: str,
) -> Figure:
    """Show one item's maps at a few angles: what the models look at, and what is scored.

    Rows: the models, the map of x above that of R_θ x. Columns: the image with the outline of its
    mask, then for each angle the map (black at 0, brightest from its 99th percentile) and the
    pixels that it marks, as many as the mask has, with their Dice.

    Parameters
    ----------
    image : ndarray
        uint8 [C, S, S]; three channels are shown in colour, of others the first in grey.
    mask : ndarray
        Labels [S, S], foreground > 0; neither empty nor full.
    maps : mapping
        Angle label → {model}.{orientation} → float [S, S] ≥ 0.
    path : path
        Where to write, for example `saliency-mni152.png`; the suffix is the format.
    title : str
        Of the figure: what is shown.

    Returns
    -------
    Figure
        What was written.
    """
    foreground = mask > 0
    picture = image.transpose(1, 2, 0) if len(image) == 3 else image[0]
    rows = [(model, orientation) for model in MODELS for orientation in VIEWS]
    columns = 1 + 2 * len(maps)
    with _figure(path, 1.3 * columns + 0.4, 1.45 * len(rows) + 0.5) as figure:
        grid = figure.subplots(len(rows), columns)
        for axes in grid.flat:
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
            axes.spines[:].set_visible(False)
        for (model, orientation), row in zip(rows, grid, strict=True):
            row[0].imshow(picture, "gray", vmin=0, vmax=255)
            row[0].set_ylabel(f"{MODELS[model]}\n{VIEWS[orientation]}")
            for i, of_angle in enumerate(maps.values()):
                saliency = of_angle[f"{model}.{orientation}"]
                marked = binarise_area(saliency, int(foreground.sum()))
                row[2 * i + 1].imshow(saliency, "magma", vmin=0, vmax=np.quantile(saliency, 0.99))
                row[2 * i + 2].imshow(marked, "gray", vmin=0, vmax=1.5)
                row[2 * i + 2].set_xlabel(f"Dice {dice(marked, foreground):.2f}", labelpad=2)
            for axes in row[::2]:
                axes.contour(foreground, [0.5], colors=OUTLINE, linewidths=1)
        grid[0, 0].set_title("image and mask")
        for i, angle in enumerate(maps):
            theta = f"θ = {degrees(angle):g}°" if is_fixed(angle) else angle
            grid[0, 2 * i + 1].set_title(f"{theta}: map")
            grid[0, 2 * i + 2].set_title("marked pixels")
        figure.suptitle(title)
    return figure


def orientation_figure(
    histogram: pd.DataFrame,
    autocorrelation: pd.DataFrame,
    svm: pd.DataFrame,
    path: str | Path,
    dataset: str,
) -> Figure:
    """Draw which orientations a data set has, how they repeat, and whether they tell x from R_θ x.

    Parameters
    ----------
    histogram, autocorrelation : DataFrame
        As `orientation.orientation_tables` makes them.
    svm : DataFrame
        As `orientation.hog_svm_table` makes it.
    path : path
        Where to write, for example `orientation-mni152.svg`; the suffix is the format.
    dataset : str
        For the title.

    Returns
    -------
    Figure
        What was written.
    """
    with _figure(path, 11, 3.6) as figure:
        polar = figure.add_subplot(1, 3, 1, projection="polar")
        polar.set_title("Gradient orientation, share of all")
        polar.set_yticklabels([])
        for (_, rows), colour in zip(histogram.groupby("histogram"), cycle(PALETTE), strict=False):
            # an orientation points both ways, and the line closes
            around = pd.concat([rows, rows.assign(direction=rows["direction"] + 180), rows[:1]])
            radians = np.deg2rad(around["direction"])
            polar.fill_between(radians, around["ci_low"], around["ci_high"], fc=colour, alpha=0.2)
            polar.plot(radians, around["mean"], c=colour)
        polar.set_ylim(0)
        likeness, accuracy = figure.add_subplot(1, 3, 2), figure.add_subplot(1, 3, 3)
        for axes, table, by, column in (
            (likeness, autocorrelation, "histogram", "mean"),
            (accuracy, svm, "cell", "accuracy"),
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
