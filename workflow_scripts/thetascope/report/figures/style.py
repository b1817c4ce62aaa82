"""What all figures share: their look, their files, and what things are called in them.

Figures are drawn without pyplot, so without a display and without state; the same data give the
same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from textwrap import fill
from typing import Any, ParamSpec

import matplotlib.style
from matplotlib.artist import Artist
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from thetascope.analysis.verdict import CANVAS, NO_WAVE, OPEN, RESAMPLING, UNTESTED, WAVE
from thetascope.files import atomic
from thetascope.vocabulary import ARM

P = ParamSpec("P")
WIDTH = 7.0  # inches, of every figure: a page's
LINE = 95  # characters that fit
GREY = "#444444"
STYLE = {
    "svg.hashsalt": "thetascope",  # the same ids, so the same bytes, for the same data
    "svg.fonttype": "none",  # text stays text: to search, to copy, to edit
    "image.interpolation": "none",  # pixels as they are; SVG holds them at their own resolution
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "savefig.facecolor": "white",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "figure.titlesize": 9,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 3,
}
METRICS = {"dice_area": "Dice, binarised to the mask's area", "auroc": "AUROC"}
SUPPLEMENT = {
    "dice_otsu": "Dice, binarised by Otsu",
    "dice_quantile": "Dice, binarised at a quantile",
    "auprc": "Average precision (AUPRC)",
    "relevance_mass": "Share of the map in the mask",
}
SIMILARITY = {"cka": "Linear CKA, debiased", "cosine": "Cosine of features"}
SIMILAR_TO = {
    "similarity_backbone": "with the backbone, before training",
    "similarity_zero": "with the encoder of θ = 0",
    "similarity_quarter": "with the encoder of θ + 90",
    "similarity_replicate": "with other runs of the same θ",
}
MODELS = {"pretrained": "Pretrained encoder", "finetuned": "Fine-tuned model"}
INPUTS = {"original": "map of x", "rotated": r"map of $R_θ x$, turned back"}
# Okabe & Ito (2008): told apart by the colour-blind, and in grey print
COLOURS = {"original": "#0072B2", "rotated": "#D55E00", "pair": GREY}
OUTLINE = "#56B4E9"  # of masks, in every picture
MASK = LinearSegmentedColormap.from_list("mask", ["black", OUTLINE])
# of verdicts; always beside the words
VERDICTS = {
    **{WAVE: "#009E73", CANVAS: "#CC79A7", RESAMPLING: "#CC79A7"},
    **{NO_WAVE: "#0072B2", OPEN: "#E69F00", UNTESTED: "#999999"},
}
IN_SET = ARM[1:]  # what tells the arms of one image set apart
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")


def in_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw a figure in the look of the house."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.style.context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def legend(figure: Figure, columns: int = 2) -> None:
    """Explain below the figure, once, what is labelled in any of its panels."""
    entries: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        entries = entries | dict(zip(labels, handles, strict=True))
    figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=columns)


def headline(figure: Figure, title: str, *sentences: str) -> None:
    """Put a title over the figure and below it what has to be known, in lines that fit."""
    figure.suptitle("\n".join([title, *(fill(said, LINE) for said in sentences)]))


def save(figure: Figure, paths: Iterable[str | Path], made_by: Mapping[str, Any]) -> None:
    """Write a figure, what made it inside (`Description` in the metadata of SVG and PNG).

    Parameters
    ----------
    figure : Figure
        Drawn `in_style`.
    paths : iterable of path
        For example `x.svg` and `x.png`; the suffix is the format.
    made_by : mapping
        As `files.record` makes it.
    """
    metadata = {"Description": json.dumps(made_by, sort_keys=True)}
    with matplotlib.style.context(STYLE):
        if layout := figure.get_layout_engine():
            layout.execute(figure)
            figure.set_layout_engine("none")  # once, not again for every file
        for path in paths:
            undated = {"Date": None} if Path(path).suffix == ".svg" else {}
            with atomic(path) as temporary:
                figure.savefig(temporary, metadata=metadata | undated)
