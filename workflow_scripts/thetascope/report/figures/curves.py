"""Curves over θ: a metric beside chance, own cut, noise and maps that need no network."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thetascope.analysis.glance import answer
from thetascope.analysis.sweeps import Sweep
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
    COLOURS,
    GREY,
    IN_SET,
    INPUTS,
    METRICS,
    MODELS,
    SUPPLEMENT,
    WIDTH,
    headline,
    in_style,
    legend,
)
from thetascope.vocabulary import ATTRIBUTION

LINE_FROM = 3  # angles; through two points goes a line, whatever they are
PROBED = "probe_accuracy"
TITLES = 84  # characters that fit above the panels of a row
# told apart without colour too, and where one lies upon the other
LOOKS = {
    "original": {"c": COLOURS["original"], "marker": "o", "lw": 1.8, "ms": 3.5},
    "rotated": {"c": COLOURS["rotated"], "marker": "s", "lw": 1.4, "ms": 3},
    "pair": {"c": COLOURS["pair"], "marker": "D", "lw": 1.8, "ms": 3.5},
}
DASHES = {"original": (0, (4, 4)), "rotated": (4, (4, 4)), "pair": (0, (4, 4))}
FLOOR, GROUND = "noise floor: noise alone keeps most points here", {"fc": "0.93", "zorder": 0}
# maps that need no network: name, colour, and mark where there is no line
BASELINES = {
    "sobel": ("no network: edges (Sobel)", "#009E73", "^"),
    "hog": ("no network: energy of gradients (HoG)", "#CC79A7", "v"),
    "centre": ("no network: Gaussian about the centre", "#8C6D1F", "d"),
}


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


def _line(axes: Axes, rows: pd.DataFrame, column: str, mark: str, **look: object) -> None:
    """Draw a column over θ as a line, or as marks where there are too few for one."""
    if rows["theta"].nunique() < LINE_FROM:
        look |= {"ls": "none", "marker": mark, "ms": 10 if mark == "_" else 5}
    axes.plot("theta", column, data=rows, **look)


def draw_curves(axes: Axes, curves: pd.DataFrame, untrained: pd.DataFrame | None = None) -> None:
    """Draw one metric of one model over θ, for each input: value, interval, chance, own cut.

    Parameters
    ----------
    axes : Axes
        Where.
    curves, untrained : DataFrame
        Rows of `dice.csv` with their `theta`: of the curve, and of the encoder that was not trained
        by itself.
    """
    untrained = curves[:0] if untrained is None else untrained
    several = curves["input"].nunique() > 1
    for input_ in [name for name in LOOKS if (curves["input"] == name).any()]:
        name = INPUTS.get(input_, "both pictures")
        curve, reference = (
            rows_of(rows, input=input_).sort_values("theta") for rows in (curves, untrained)
        )
        of, colour = (f"{name}: ", COLOURS[input_]) if several else ("", GREY)
        look = {"c": colour, "lw": 1}
        _line(axes, curve, "chance", "_", label=f"{of}chance", ls=DASHES[input_], **look)
        if curve["own_cut"].notna().any():
            label = "own cut: map of x, cut to the same pixels"
            _line(axes, curve, "own_cut", "x", label=label, ls=(0, (6, 2, 1, 2)), **look)
        if len(reference):
            _line(axes, reference, "value", "+", label=f"{of}no self-supervision", ls=":", **look)
        if curve["theta"].nunique() < LINE_FROM:
            look = {"color": COLOURS[input_], "alpha": 0.5, "label": "_"}  # "_": not in the legend
            axes.vlines("theta", "ci_low", "ci_high", data=curve, **look)
        else:  # the edge shows the interval of an angle that has no neighbour
            band = {"color": COLOURS[input_], "alpha": 0.2, "lw": 0.8}
            axes.fill_between("theta", "ci_low", "ci_high", data=curve, **band)
        looks = LOOKS[input_]
        _line(axes, curve, "value", str(looks["marker"]), label=name, **looks)


@in_style
def probe_figure(tables: Mapping[str, pd.DataFrame], confidence: float) -> Figure:
    """Draw over θ how well a linear probe tells pairs (x, R_θ x) apart, which takes no mask.

    One panel for each arm. Parameters are those of `oscillation_figure`.
    """
    of_probe = {"attribution": "probe", "metric": PROBED}
    table = rows_of(tables["dice"], **of_probe)
    curves, swept = sweep(table)
    floors = _floors(tables["noise"], curves, swept, confidence)
    verdicts = rows_of(tables["verdict"], **of_probe, **key_of(swept))
    arms = arms_of(curves)
    figure = Figure((WIDTH, 1.7 + 1.9 * len(arms)), layout="constrained")
    grid = figure.subplots(len(arms), sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, arm in zip(grid, arms, strict=True):
        here = dict(zip(IN_SET, arm, strict=True))
        curve, floor, found = (
            rows_of(part, **here) for part in (curves, rows_of(floors, **of_probe), verdicts)
        )
        draw_curves(axes, curve)
        for half in floor["half"]:
            middle = curve["value"].mean()
            axes.axhspan(middle - half, middle + half, label=FLOOR, **GROUND)
        axes.set_ylabel(row_label("accuracy", arm, arms))
        if len(verdicts):
            axes.set_title(fill(_answers(found), TITLES), loc="left")
    grid[-1].set(xlabel="θ (degrees)", xticks=range(0, 361, 90), xlim=(-5, 365))
    said = [f"{swept.meaning}. {counts_of(curves, confidence)}."]
    if verdicts.empty:
        said.append("No question was declared about these curves.")
    asked = "can a linear probe tell x and $R_θ x$ from two pictures?"
    headline(figure, f"{title_of(table, arms)}: {asked}", *said)
    legend(figure)
    return figure


@in_style
def oscillation_figure(
    tables: Mapping[str, pd.DataFrame], confidence: float, metrics: Mapping[str, str] = METRICS
) -> Figure:
    """Draw metrics of one data set over θ, each curve beside all that it has to be held against.

    Columns: the metrics, each on one scale. Rows: both models in every arm (view, encoder, method)
    of the experiment, the map of x above that of R_θ x. Bands are the intervals of the table. Where
    seeds or replicates tell the noise, of a curve that is noise alone a share `confidence` of the
    points lies on the grey ground. Over each panel stands the verdict.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Rows of one data set of `dice` (see `tables.dice_table`), `noise` (`planner.noise_table`),
        `reliability` (`reliability.reliability_table`) and `verdict` (`verdict.verdict_table`).
    confidence : float
        Of the intervals in the table, for example 0.95.
    metrics : mapping
        Name in the tables → title.
    """
    table = tables["dice"]
    table = table[table["metric"].isin(list(metrics)) & table["input"].isin(list(INPUTS))]
    table = table[table["attribution"].isin([ATTRIBUTION, *BASELINES])]
    curves, swept = sweep(table)
    floors = _floors(tables["noise"], curves, swept, confidence)
    verdicts = rows_of(tables["verdict"], attribution=ATTRIBUTION, **key_of(swept))
    verdicts = verdicts[verdicts["metric"].isin(list(metrics))]
    # what the untrained encoder gives at the angle at which each point was evaluated
    untrained = table[(table["training"] == NONE) & (swept.training != NONE)].merge(
        curves[["eval_angle", "theta"]].drop_duplicates(), on="eval_angle"
    )
    arms = arms_of(curves)
    tuned = [model for model in MODELS if model in set(curves["model"])]
    rows = [(arm, model, input_) for arm in arms for model in tuned for input_ in INPUTS]
    figure = Figure((WIDTH, 1.5 + 1.55 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(metrics), sharex=True, sharey="col", squeeze=False)
    for row, (arm, model, input_) in zip(grid, rows, strict=True):
        here = dict(zip(IN_SET, arm, strict=True)) | {"input": input_}
        baselines = rows_of(curves, model="baseline", **here)
        here |= {"model": model, "attribution": ATTRIBUTION}
        of_row = [rows_of(part, **here) for part in (curves, untrained, floors, verdicts)]
        label = _reliability(rows_of(tables["reliability"], **here))
        label = f"{MODELS[model]}\n{INPUTS[input_]}{label}"
        row[0].set_ylabel(row_label(label, arm, arms))
        for axes, metric in zip(row, metrics, strict=True):
            curve, reference, floor, found = (rows_of(part, metric=metric) for part in of_row)
            draw_curves(axes, curve, reference)
            for half in floor["half"]:
                middle = curve["value"].mean()
                axes.axhspan(middle - half, middle + half, label=FLOOR, **GROUND)
            for name, (text, colour, mark) in BASELINES.items():
                thin = rows_of(baselines, attribution=name, metric=metric).sort_values("theta")
                look = {"c": colour, "lw": 0.8, "zorder": 1.8, "label": text}
                _line(axes, thin, "value", mark, **look)
            lines = [metrics[metric], ""] if axes in grid[0] else [""]
            if len(verdicts):
                lines[-1] = _answers(found)
            lines = [fill(line, TITLES // len(metrics)) for line in lines if line]
            axes.set_title("\n".join(lines), loc="left")
    for axes in grid[-1]:
        axes.set(xlabel="θ (degrees)", xticks=range(0, 361, 90), xlim=(-5, 365))
    of_all = ", by other metrics" if metrics is SUPPLEMENT else ""
    headline(
        figure,
        f"{title_of(table, arms)}: do saliency maps find the foreground{of_all}?",
        f"{swept.meaning}. {counts_of(curves, confidence)}.",
        _what_is_above(curves, verdicts),
    )
    legend(figure)
    return figure


def _what_is_above(curves: pd.DataFrame, verdicts: pd.DataFrame) -> str:
    """Explain the titles of the panels, or why they say nothing."""
    count = curves["theta"].nunique()
    if count < LINE_FROM:
        angles = "one angle" if count == 1 else f"{count} angles"
        return f"With {angles} there is no curve over θ: marks are scores, lines their intervals."
    if verdicts.empty:
        return "No question was declared about these curves: they are there to look at."
    return (
        "Above each panel: the verdict on its score over chance, or over own cut if there is one."
    )


def _answers(verdicts: pd.DataFrame) -> str:
    """Say what each question found of a curve."""
    answers = {row["question"]: answer(row) for _, row in verdicts.iterrows()}
    if len(answers) > 1:
        return "; ".join(f"{question}: {said}" for question, said in answers.items())
    return "".join(answers.values()) or "no question was declared"


def _reliability(rows: pd.DataFrame) -> str:
    """Say how reliable maps are, on a line of its own; nothing if unknown."""
    return "".join(f"\nreliability {value:.2f}" for value in rows["reliability"].dropna())
