"""Pictures: samples with their masks, and what the models look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from thetascope.report.figures.style import (
    INPUTS,
    MASK,
    MODELS,
    OUTLINE,
    WIDTH,
    headline,
    in_style,
)
from thetascope.saliency.metrics import binarise_area

PICTURES = {"original": "x", "rotated": "$R_θ x$"}
SHORT = {"pretrained": "pretrained", "finetuned": "fine-tuned"}


def _frame(axes: Axes) -> None:
    """Take away what a picture does not need."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def as_picture(image: NDArray) -> NDArray:
    """Three channels [3, S, S] as colour [S, S, 3], of others the first as grey [S, S]."""
    return image.transpose(1, 2, 0) if len(image) == 3 else image[0]


@in_style
def samples_figure(
    images: NDArray[np.uint8], masks: NDArray[np.integer] | None, names: Sequence[str], title: str
) -> Figure:
    """Show items of a data set above their masks, if there are masks.

    Parameters
    ----------
    images : ndarray
        uint8 [N, C, S, S].
    masks : ndarray or None
        Labels [N, S, S]; each class has its own shade.
    names : sequence of str
        Of the items.
    title : str
        Of the figure.
    """
    rows = 1 if masks is None else 2
    height = 0.9 + 0.925 * rows * WIDTH / max(len(images), 4)
    figure = Figure((WIDTH, height), layout="constrained")
    grid = figure.subplots(rows, len(images), squeeze=False)
    for axes, image, name in zip(grid[0], images, names, strict=True):
        _frame(axes)
        axes.imshow(as_picture(image), "gray", vmin=0, vmax=255)
        axes.set_title(fill(name, 100 // max(len(images), 4)), fontsize=7)
    grid[0, 0].set_ylabel("image")
    if masks is not None:
        for axes, mask in zip(grid[1], masks, strict=True):
            _frame(axes)
            axes.imshow(mask, MASK, vmin=0, vmax=max(masks.max(), 1))
            axes.set_xlabel(f"{100 * (mask > 0).mean():.0f} % foreground")
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
    mask has. Without any foreground, as of a set without masks: picture and maps.

    Parameters
    ----------
    images : mapping
        Input → float [N, C, S, S] in [0, 1].
    masks : mapping
        Input → labels [N, S, S], foreground > 0.
    maps : mapping
        {model}.{input} → float [N, S, S] ≥ 0, turned like the images; those of the model `baseline`
        are of HoG.
    title : str
        Of the figure.
    """
    count = len(images["original"])
    every = MODELS | {"baseline": "HoG, no network"}
    models = {model: name for model, name in every.items() if f"{model}.original" in maps}
    names = [name.replace(" ", "\n") for name in models.values()]
    masked = any(of_input.any() for of_input in masks.values())
    titles = ["image", *names]
    if masked:
        titles = ["image", "mask", *(t for name in names for t in (name, "marked\npixels"))]
    figure = Figure((WIDTH, 0.8 + 1.1 * 2 * count), layout="constrained")
    grid = figure.subplots(2 * count, len(titles))
    for (i, input_), row in zip(product(range(count), INPUTS), grid, strict=True):
        for axes in row:
            _frame(axes)
        left = iter(row)
        next(left).imshow(as_picture(images[input_][i]), "gray", vmin=0, vmax=1)
        row[0].set_ylabel(PICTURES[input_])
        if masked:
            foreground = masks[input_][i] > 0
            next(left).imshow(foreground, MASK, vmin=0, vmax=1)
        for model in models:
            saliency = maps[f"{model}.{input_}"][i]
            next(left).imshow(saliency, "magma", vmin=0, vmax=np.quantile(saliency, 0.99))
            if masked:
                marked = binarise_area(saliency, int(foreground.sum()))
                next(left).imshow(marked, "gray", vmin=0, vmax=1)
    for axes, text in zip(grid[0], titles, strict=True):
        axes.set_title(text)
    figure.suptitle(title)
    return figure


def marked_pixels(
    saliency: NDArray[np.floating], mask: NDArray[np.bool_], shown: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Highest pixels of a map, as many as the mask has, of the shown pixels alone; all [S, S]."""
    marked = np.zeros_like(mask)
    marked[shown] = binarise_area(saliency[shown], int(mask[shown].sum()))
    return marked


def of_attribution(saliency: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    """Maps of one attribution among the arrays of a `saliency.npz`: {model}.{input} → maps.

    Without those that were not turned back (`unaligned`): they are the same ones again.
    """
    of_kind = (key.removesuffix(f".{name}") for key in saliency if key.endswith(f".{name}"))
    return {key: saliency[f"{key}.{name}"] for key in of_kind if key.split(".")[1] in PICTURES}


def mapped_images(
    saliency: Mapping[str, NDArray[Any]], images: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Pictures that the maps are of, uint8 [n, C, S, S]; pre-rotated ones lie beside the maps."""
    return saliency["images"] if "images" in saliency else images[saliency["items"]]


@dataclass(frozen=True)
class Mapped:
    """What the models made of n items at one θ.

    Attributes
    ----------
    pictures : mapping
        Input → float [n, C, S, S] in [0, 1], as the models saw them.
    masks : mapping
        Input → labels [n, S, S], foreground > 0, turned like the pictures.
    maps : mapping
        {model}.{input} → float [n, S, S] ≥ 0, those of R_θ x turned back.
    scores : DataFrame
        One row per item, model and input, items in the order of the maps: `item`, `model`, `input`,
        `value` and `chance`, NaN where there is no score.
    """

    pictures: Mapping[str, NDArray[np.floating]]
    masks: Mapping[str, NDArray[np.integer]]
    maps: Mapping[str, NDArray[np.floating]]
    scores: pd.DataFrame


def extremes(scores: pd.DataFrame) -> list[int]:
    """Places of the items with the highest and the lowest score over chance, among all.

    Scores as in `Mapped`, of all θ together; items without any score come last, and a single item
    with a score is both.
    """
    over = (scores["value"] - scores["chance"]).groupby(scores["item"], sort=False).mean()
    order = np.argsort(-over.to_numpy(), kind="stable")  # NaN last
    return [int(order[0]), int(order[max(over.count() - 1, 0)])]


def _bright(saliency: NDArray[np.floating]) -> NDArray[np.floating]:
    """Maps [..., S, S] over their 99th percentiles."""
    most = np.quantile(saliency, 0.99, axis=(-2, -1), keepdims=True)
    return saliency / np.where(most > 0, most, 1)


@in_style
def saliency_figure(
    shown: Mapping[float, Mapped], reliability: pd.DataFrame, title: str, meaning: str
) -> Figure:
    """Show what the models look at, at a few angles: best item, worst item, and mean over items.

    Columns: x and R_θ x for each angle. Rows: of either item the pictures with the outline of its
    mask and both models' maps, with Dice and chance; then the mean maps of all items. Every map is
    black at 0 and brightest from its 99th percentile on.

    Parameters
    ----------
    shown : mapping
        θ in degrees → what there is to show.
    reliability : DataFrame
        Rows of `reliability.csv` (see `reliability.reliability_table`), of these maps.
    title, meaning : str
        What is shown, and what θ is.
    """
    places = extremes(pd.concat([one.scores for one in shown.values()]))
    items = dict(zip(("best item", "worst item"), places, strict=True))
    count, first = len(next(iter(shown.values())).masks["original"]), items["best item"]
    if first == items["worst item"]:
        items = {"item": first}
    mapped = next(iter(shown.values())).maps
    models = [model for model in MODELS if f"{model}.original" in mapped]
    rows = [(name, model) for name in items for model in ("", *models)]
    rows += [(f"mean of {count}", model) for model in models]
    columns = [(theta, input_) for theta in shown for input_ in INPUTS]
    figure, grid, bar = _grid_of_panels(len(rows), len(columns))
    for (name, model), row in zip(rows, grid, strict=True):
        row[0].set_ylabel(f"{SHORT[model]}\n{name}" if model else name)
        for (theta, input_), axes in zip(columns, row, strict=True):
            _frame(axes)
            _panel(axes, shown[theta], items.get(name), model, input_)
    for (theta, input_), axes in zip(columns, grid[0], strict=True):
        axes.set_title(f"θ = {theta:g}°\n{PICTURES[input_]}")
    shade = ScalarMappable(Normalize(0, 1), "magma")
    figure.colorbar(
        shade, bar, orientation="horizontal", label="saliency map over its 99th percentile"
    )
    headline(
        figure,
        title,
        f"{meaning}; maps of $R_θ x$ are turned back. Below each map: Dice (chance).",
        "Best and worst item: by Dice over chance, mean of these maps.",
        f"{_of_models(reliability, 'reliability')} {_of_models(reliability, 'sameness')}",
    )
    return figure


def _grid_of_panels(rows: int, columns: int) -> tuple[Figure, NDArray[Any], Axes]:
    """Make square panels in places that are known, and one for the colour bar.

    Where all is of one size, to find its places out would take as long as to draw it.
    """
    left, above, below, gap, text = 0.42, 1.3, 0.75, 0.08, 0.2  # inches
    side = min((WIDTH - left) / columns - gap, 1.5)
    height = above + rows * (side + text) + below
    places = {
        "left": left / WIDTH,
        "right": (left + columns * (side + gap) - gap) / WIDTH,
        "top": 1 - above / height,
        "bottom": (below + text) / height,
        "wspace": gap / side,
        "hspace": text / side,
    }
    figure = Figure((WIDTH, height))
    grid = figure.subplots(rows, columns, squeeze=False, gridspec_kw=places)
    return figure, grid, figure.add_axes((0.25, 0.45 / height, 0.5, 0.1 / height))


def _of_models(rows: pd.DataFrame, measure: str) -> str:
    """Say how reliable, or how much the same, the maps of each model are."""
    of_models = []
    for model in [model for model in MODELS if model in set(rows["model"])]:
        known = rows[rows["model"] == model].set_index("input")[measure].reindex(INPUTS)
        values = ", ".join(f"{value:.2f}" for value in known.dropna())
        of_models.append(f"{MODELS[model].lower()} {values or 'not known'}")  # of a single sample
    return f"{measure.capitalize()} of maps of x, $R_θ x$: {'; '.join(of_models)}."


def _panel(axes: Axes, of: Mapped, item: int | None, model: str, input_: str) -> None:
    """Show a picture, where there is no model, or a map and its score; the mean if no item."""
    if not model and item is not None:
        axes.imshow(as_picture(of.pictures[input_][item]), "gray", vmin=0, vmax=1)
        _outline(axes, of.masks[input_][item])
        return
    maps = _bright(of.maps[f"{model}.{input_}"])
    scores = of.scores[(of.scores["model"] == model) & (of.scores["input"] == input_)]
    if item is not None:
        maps, scores = maps[item : item + 1], scores.iloc[item : item + 1]
        _outline(axes, of.masks["original"][item])
    axes.imshow(_bright(maps.mean(axis=0)), "magma", vmin=0, vmax=1)
    value, chance = scores["value"].mean(), scores["chance"].mean()
    text = "no score" if np.isnan(value) else f"{value:.2f} ({chance:.2f})"
    axes.set_xlabel(text, labelpad=1.5)


def _outline(axes: Axes, mask: NDArray[np.integer]) -> None:
    """Draw where a mask ends, unless it is empty or full."""
    if (mask > 0).any() and (mask == 0).any():
        axes.contour(mask > 0, [0.5], colors=OUTLINE, linewidths=1)
