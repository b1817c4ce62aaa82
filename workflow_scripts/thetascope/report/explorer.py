"""The results explorer: one page with the verdict, all curves over θ and the maps behind them.

The page holds its script and all data, so that it opens from a file, without a network. Its look is
in `explorer.html`, its script in `explorer.js`; here is what it shows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from thetascope.analysis import glance
from thetascope.analysis.reliability import KIND
from thetascope.analysis.settings import Analysis
from thetascope.analysis.statements import finding
from thetascope.angles import FIXED
from thetascope.report.figures.panels import key_of, rows_of, sweep
from thetascope.report.figures.style import (
    COLOURS,
    METRICS,
    MODELS,
    OUTLINE,
    SIMILAR_TO,
    SIMILARITY,
    SUPPLEMENT,
    VERDICTS,
)
from thetascope.vocabulary import ARM

TEMPLATE, SCRIPT = (Path(__file__).with_name(f"explorer.{kind}") for kind in ("html", "js"))
CURVE = [*ARM, "model", "attribution", "metric"]
# what is offered first stands first
NAMES = {
    "model": MODELS | {"baseline": "No network"},
    "attribution": {
        "smoothgrad": "SmoothGrad",
        "others": "SmoothGrad of other cases, their mean",
        "sobel": "Edges of the image (Sobel)",
        "hog": "Energy of oriented gradients (HoG)",
        "centre": "Gaussian about the centre",
        "random": "Random, knows nothing",
        "footprint": "All pixels that the view shows",
        "segmentation": "Segmentation, no map",
        "probe": "Linear probe, no map",
        "perceptron": "Perceptron, no map",
        **{name: f"Features, no map: {said}" for name, said in SIMILAR_TO.items()},
    },
    "metric": METRICS
    | SUPPLEMENT
    | {
        "pointing_game": "Highest pixel in the mask",
        "equivariance": "Agreement of the two maps",
        "probe_accuracy": "Accuracy of telling pairs apart",
        "perceptron_accuracy": "The same, by a perceptron",
        **SIMILARITY,
        "dice_macro": "Dice, mean over labels",
        "deletion": "Deletion",
        "insertion": "Insertion",
    },
}


def curves(
    scores: pd.DataFrame, verdicts: pd.DataFrame, reliability: pd.DataFrame, level: float
) -> list[dict[str, Any]]:
    """Arrange the scores as curves over θ.

    Parameters
    ----------
    scores : DataFrame
        `tables.dice_table`, of all data sets.
    verdicts : DataFrame
        `verdict.verdict_table`.
    reliability : DataFrame
        `reliability.reliability_table`.
    level : float
        Of the tests.

    Returns
    -------
    list of dict
        One per curve and input, with its keys, the lists `theta`, `value`, `low`, `high`, `chance`,
        `own_cut`, `items`, `seeds` (None for NaN), its `meaning` (what θ is), the `reliability` of
        its maps and the `finding` of the verdict, if any, and `trained`: `theta`, or `none` or
        `random` for curves to compare with.
    """
    key = [*CURVE, "input"]
    series = []
    scores = scores[scores["input"].isin(COLOURS)]  # others have no look, as in the figures
    reliabilities = reliability.set_index(KIND)["reliability"].dropna().round(2).to_dict()
    # apart, since a segmentation has no angle of evaluation but its own
    for (dataset, _), rows in scores.groupby(["dataset", "attribution"]):
        shown, swept = sweep(rows)
        tested = rows_of(verdicts, dataset=dataset, **key_of(swept))
        findings: dict[tuple[Any, ...], list[str]] = defaultdict(list)
        for _, row in tested.iterrows():
            findings[tuple(row[key])].append(f"{row['question']}: {finding(row, level)}")
        # encoders that no θ was trained for, at the angle at which each point was evaluated
        others = rows[(rows["training"] != FIXED) & (rows["training"] != swept.training)]
        others = others.merge(shown[["eval_angle", "theta"]].drop_duplicates(), on="eval_angle")
        every = pd.concat(
            [shown.assign(trained="theta"), others.assign(trained=others["training"])]
        )
        for names, part in every.sort_values("theta").groupby([*key, "trained"]):
            one = dict(zip([*key, "trained"], names, strict=True))
            if one["trained"] == "theta":
                one["finding"] = " ".join(findings[names[:-1]]) or None
            one["reliability"] = reliabilities.get(tuple(one[column] for column in KIND))
            series.append(one | _columns(part) | {"meaning": swept.meaning})
    return sorted(series, key=_rank)


def _columns(part: pd.DataFrame) -> dict[str, list[Any]]:
    """Numbers of a curve as JSON can hold them."""
    names = {
        **{"theta": "theta", "value": "value", "ci_low": "low", "ci_high": "high"},
        **{"chance": "chance", "own_cut": "own_cut", "n_items": "items", "n_seeds": "seeds"},
    }
    # the page shows three digits: rounding to four before would round some of them wrongly
    numbers = part[list(names)].rename(columns=names).round(6).astype(object)
    numbers = numbers.where(numbers.notna(), None)
    return {str(name): column.tolist() for name, column in numbers.items()}


def _rank(series: Mapping[str, Any]) -> list[int]:
    """Place in the lists of `NAMES`; what is not there comes last, in the order of the table."""
    ranks = []
    for field, names in NAMES.items():
        ranks.append([*names, series[field]].index(series[field]))
    return ranks


def opening(verdicts: pd.DataFrame, analysis: Analysis, step: str) -> dict[str, Any]:
    """Arrange the verdict at a glance.

    Parameters
    ----------
    verdicts : DataFrame
        `verdict.verdict_table`.
    analysis : Analysis
        The configuration's section.
    step : str
        What `glance.next_step` says.

    Returns
    -------
    dict
        `sentence`, `words` and `next`, and `verdicts`: for each row of `glance.table` its `cells`,
        the `verdict` in one word and the `curve` that it is about, which an address of the page
        can hold.
    """
    cells = glance.table(verdicts)
    rows = [
        {"cells": shown, "verdict": row["verdict"], "curve": {key: str(row[key]) for key in CURVE}}
        for shown, (_, row) in zip(
            cells.to_dict("records"), glance.in_order(verdicts).iterrows(), strict=True
        )
    ]
    said = {
        "sentence": glance.sentence(verdicts),
        "words": glance.words(verdicts, analysis),
        "next": step,
    }
    return said | {"verdicts": rows}


def page(data: Mapping[str, Any]) -> str:
    """Write the page: the template with its script and the data in it.

    Parameters
    ----------
    data : mapping
        `series` (see `curves`), `panels` (`mapped.panels`) and `opening`.

    Returns
    -------
    str
        HTML that needs nothing beside it.

    Raises
    ------
    ValueError
        If there is a NaN in the data, which is no JSON.
    """
    colours = COLOURS | {"outline": OUTLINE}
    look = {"fields": CURVE, "names": NAMES, "colours": colours, "verdict_colours": VERDICTS}
    every = look | dict(data)
    # within a script, `</script>` or `<!--` in a name would end or hide what follows
    text = json.dumps(every, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    template, script = (path.read_text(encoding="utf-8") for path in (TEMPLATE, SCRIPT))
    return template.replace("@SCRIPT@", script).replace("@DATA@", text)
