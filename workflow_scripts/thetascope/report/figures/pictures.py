"""Pictures: samples with their masks, and what the models look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from thetascope.datasets.arrays import central_crop
from thetascope.report.figures.style import INPUTS, MODELS, OUTLINE, in_style
from thetascope.saliency.metrics import binarise_area, dice


def _frame(axes: Axes) -> None:
    """Take away what a picture does not need."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _picture(image: NDArray) -> NDArray:
    """Three channels as colour, of others the first as grey."""
    return image.transpose(1, 2, 0) if len(image) == 3 else image[0]


@in_style
def samples_figure(
    images: NDArray[np.uint8], masks: NDArray[np.integer], names: Sequence[str], title: str
) -> Figure:
    """Show items of a data set above their masks.

    Parameters
    ----------
    images : ndarray
        uint8 [N, C, S, S].
    masks : ndarray
        Labels [N, S, S]; each class has its own shade.
    names : sequence of str
        Of the items.
    title : str
        Of the figure.
    """
    figure = Figure((1.6 * len(images) + 0.4, 4), layout="constrained")
    grid = figure.subplots(2, len(images), squeeze=False)
    for (above, below), image, mask, name in zip(grid.T, images, masks, names, strict=True):
        _frame(above)
        _frame(below)
        above.imshow(_picture(image), "gray", vmin=0, vmax=255)
        below.imshow(mask, "viridis", vmin=0, vmax=masks.max())
        above.set_title(fill(name, 22), fontsize=7)
        below.set_xlabel(f"{100 * (mask > 0).mean():.0f} % foreground")
    grid[0, 0].set_ylabel("image")
    grid[1, 0].set_ylabel("mask")
    figure.suptitle(title)
    return figure


@in_style
def pairs_figure(
    images: Mapping[str, NDArray[np.floating]],
    masks: Mapping[str, NDArray[np.integer]],
    maps: Mapping[str, NDArray[np.floating]],
    title: str,
) -> Figure:
    """Show items above the same items turned by θ, as the models saw them: as the papers do.

    Columns: picture, mask, and for each model the map and the pixels that it marks, as many as the
    mask has.

    Parameters
    ----------
    images : mapping
        Input → float [N, C, S, S] in [0, 1].
    masks : mapping
        Input → labels [N, S, S], foreground > 0.
    maps : mapping
        {model}.{input} → float [N, S, S] ≥ 0, turned like the images.
    title : str
        Of the figure.
    """
    count = len(images["original"])
    figure = Figure((8.2, 1 + 1.45 * 2 * count), layout="constrained")
    grid = figure.subplots(2 * count, 2 + 2 * len(MODELS))
    for (i, input_), row in zip(product(range(count), INPUTS), grid, strict=True):
        for axes in row:
            _frame(axes)
        foreground = masks[input_][i] > 0
        row[0].imshow(_picture(images[input_][i]), "gray", vmin=0, vmax=1)
        row[1].imshow(foreground, "gray", vmin=0, vmax=1)
        row[0].set_ylabel("x" if input_ == "original" else r"$R_θ x$")
        for j, model in enumerate(MODELS):
            saliency = maps[f"{model}.{input_}"][i]
            shown, marked = row[2 + 2 * j : 4 + 2 * j]
            shown.imshow(saliency, "magma", vmin=0, vmax=np.quantile(saliency, 0.99))
            marked.imshow(binarise_area(saliency, int(foreground.sum())), "gray", vmin=0, vmax=1)
    titles = ["image", "mask", *(t for name in MODELS.values() for t in (name, "marked pixels"))]
    for axes, text in zip(grid[0], titles, strict=True):
        axes.set_title(text)
    figure.suptitle(title)
    return figure


def marked_pixels(
    saliency: NDArray[np.floating], mask: NDArray[np.bool_], shown: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], float]:
    """Highest pixels of a map, as many as the mask has, and their Dice; of the shown pixels alone.

    All [S, S].
    """
    inside = mask[shown]
    highest = binarise_area(saliency[shown], int(inside.sum()))
    marked = np.zeros_like(mask)
    marked[shown] = highest
    return marked, dice(highest, inside)


def of_attribution(saliency: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    """Maps of one attribution among the arrays of a `saliency.npz`: {model}.{input} → maps."""
    ending = f".{name}"
    return {key.removesuffix(ending): saliency[key] for key in saliency if key.endswith(ending)}


def mapped_images(
    saliency: Mapping[str, NDArray[Any]], images: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Pictures that the maps are of, uint8 [n, C, S, S]; pre-rotated ones lie beside the maps."""
    return saliency["images"] if "images" in saliency else images[saliency["items"]]


def example(
    saliency: Mapping[str, NDArray[Any]], images: NDArray[np.uint8], canvas: str
) -> tuple[int, NDArray[np.uint8], NDArray[np.bool_]]:
    """Choose the item that stands for its data set, by the middle size of its mask.

    Parameters
    ----------
    saliency : mapping
        Arrays of a `saliency.npz`.
    images : ndarray
        All images of the data set, uint8 [N, C, S, S].
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
    image = mapped_images(saliency, images)[shown]
    return shown, central_crop(image) if canvas == "crop" else image, masks[shown]


@in_style
def saliency_figure(
    image: NDArray[np.uint8],
    mask: NDArray[np.integer],
    maps: Mapping[float, Mapping[str, NDArray[Any]]],
    reliability: Mapping[str, float],
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
        θ in degrees → {model}.{input} → float [S, S] ≥ 0, and valid.{input} → bool [S, S].
    reliability : mapping
        {model}.{input} → reliability of these maps.
    title : str
        Of the figure: what is shown.
    """
    foreground = mask > 0
    rows = [(model, input_) for model in MODELS for input_ in INPUTS]
    columns = 1 + 2 * len(maps)
    figure = Figure((1.2 * columns + 0.2, 1.6 * len(rows) + 0.5), layout="constrained")
    grid = figure.subplots(len(rows), columns)
    for axes in grid.flat:
        _frame(axes)
    for (model, input_), row in zip(rows, grid, strict=True):
        row[0].imshow(_picture(image), "gray", vmin=0, vmax=255)
        label = f"{MODELS[model]}\n{INPUTS[input_]}"
        row[0].set_ylabel(f"{label}\nreliability {reliability[f'{model}.{input_}']:.2f}")
        for i, of_angle in enumerate(maps.values()):
            saliency = of_angle[f"{model}.{input_}"]
            marked, score = marked_pixels(saliency, foreground, of_angle[f"valid.{input_}"])
            row[2 * i + 1].imshow(saliency, "magma", vmin=0, vmax=np.quantile(saliency, 0.99))
            row[2 * i + 2].imshow(marked, "gray", vmin=0, vmax=1.5)
            row[2 * i + 2].set_xlabel(f"Dice {score:.2f}", labelpad=2)
        for axes in row[::2]:
            axes.contour(foreground, [0.5], colors=OUTLINE, linewidths=1)
    grid[0, 0].set_title("image and mask")
    for i, theta in enumerate(maps):
        grid[0, 2 * i + 1].set_title(f"θ = {theta:g}°: map")
        grid[0, 2 * i + 2].set_title("marked pixels")
    figure.suptitle(title)
    return figure
