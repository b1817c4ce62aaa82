"""The results explorer: one page with all curves over θ and the maps behind them.

The page holds plotly's script and all data, so that it opens from a file, without a network. Its
look and its script are in `explorer.html`; here is what it shows.
"""

from __future__ import annotations

import base64
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.image import imsave
from numpy.typing import NDArray
from plotly.offline import get_plotlyjs
from skimage.measure import find_contours

from thetascope.analysis.reliability import KIND
from thetascope.analysis.statements import finding
from thetascope.angles import FIXED
from thetascope.datasets.arrays import read_array, resize
from thetascope.files import read_npz
from thetascope.report.figures.panels import key_of, rows_of, sweep
from thetascope.report.figures.pictures import example, marked_pixels
from thetascope.report.figures.style import COLOURS, INPUTS, METRICS, MODELS, OUTLINE, SUPPLEMENT
from thetascope.vocabulary import ARM

TEMPLATE = Path(__file__).with_name("explorer.html")
SIDE = 128  # pixels of the largest picture: a page of 300 maps stays below 3 MB
CURVE = [*ARM, "model", "attribution", "metric"]
# what is offered first stands first
NAMES = {
    "model": MODELS | {"baseline": "No network"},
    "attribution": {
        "smoothgrad": "SmoothGrad",
        "sobel": "Edges of the image (Sobel)",
        "hog": "Energy of oriented gradients (HoG)",
        "centre": "Gaussian about the centre",
        "random": "Random, knows nothing",
        "footprint": "All pixels that the view shows",
        "segmentation": "Segmentation, no map",
        "probe": "Linear probe, no map",
    },
    "metric": METRICS
    | SUPPLEMENT
    | {
        "pointing_game": "Highest pixel in the mask",
        "equivariance": "Agreement of the two maps",
        "probe_accuracy": "Accuracy of telling pairs apart",
        "dice_macro": "Dice, mean over labels",
        "deletion": "Deletion",
        "insertion": "Insertion",
    },
}


def curves(
    scores: pd.DataFrame, verdicts: pd.DataFrame, reliability: pd.DataFrame
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
    reliabilities = reliability.set_index(KIND)["reliability"].dropna().round(2).to_dict()
    # apart, since a segmentation has no angle of evaluation but its own
    for (dataset, _), rows in scores.groupby(["dataset", "attribution"]):
        shown, swept = sweep(rows)
        tested = rows_of(verdicts, dataset=dataset, **key_of(swept))
        findings: dict[tuple[Any, ...], list[str]] = defaultdict(list)
        for _, row in tested.iterrows():
            findings[tuple(row[key])].append(f"{row['question']}: {finding(row)}")
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


def panels(
    evaluations: Iterable[Mapping[str, Any]],
    files: Iterable[str | Path],
    images: Mapping[str, str | Path],
    canvases: Mapping[str, str],
) -> dict[str, Any]:
    """Draw one item's maps at some angles of each data set.

    Parameters
    ----------
    evaluations : iterable of mapping
        Wildcards of what is shown, of one arm and seed per data set, and its `theta` on the curve.
    files : iterable of path
        Their `saliency.npz`.
    images : mapping
        Data set → `images.npy`.
    canvases : mapping
        View → its canvas.

    Returns
    -------
    dict
        Data set → its `arm`, `seed`, `image` (data URI), `outline` of the mask (path of an SVG of
        `size` pixels) and `angles`: for each its `theta`, and `maps`:
        {model}.{input}.{attribution} → `map`, `marked` (data URIs) and `dice` of the marked pixels,
        as many as the mask has.
    """
    found: dict[str, Any] = {}
    for evaluation, file in zip(evaluations, files, strict=True):
        name, arrays = evaluation["dataset"], read_npz(file)
        canvas = canvases[evaluation["view"]]
        if name not in found:
            shown, image, mask = example(arrays, read_array(images[name]), canvas)
            found[name] = {
                "arm": {column: evaluation[column] for column in ARM},
                "seed": evaluation["seed"],
                "image": _data_uri(image if len(image) == 3 else image[:1], "gray"),
                "outline": _outline(mask),
                "size": len(mask),
                "angles": [],
            }
        maps = {
            key: _maps(arrays[key][shown], mask, arrays[f"valid.{key.split('.')[1]}"])
            for key in arrays
            if key.count(".") == 2 and key.split(".")[1] in INPUTS
        }
        found[name]["angles"].append({"theta": evaluation["theta"], "maps": maps})
    return found


def _maps(
    saliency: NDArray[np.floating], mask: NDArray[np.bool_], valid: NDArray[np.bool_]
) -> dict[str, Any]:
    """Draw one map, brightest from its 99th percentile, and the pixels that it marks."""
    marked, score = marked_pixels(saliency, mask, valid)
    brightest = np.quantile(saliency, 0.99) or 1
    levels = (255 * np.clip(saliency / brightest, 0, 1)).astype(np.uint8)
    return {
        "map": _data_uri(levels[None], "magma"),
        "marked": _data_uri(marked[None].astype(np.uint8) * 255, "gray"),
        "dice": round(score, 4) if np.isfinite(score) else None,  # of a set without masks
    }


def _data_uri(picture: NDArray[np.uint8], colours: str) -> str:
    """Encode uint8 [3, S, S], or [1, S, S] in these colours, as a WebP of at most `SIDE` pixels."""
    if picture.shape[-1] > SIDE:
        picture = resize(picture, SIDE)
    pixels = picture.transpose(1, 2, 0) if len(picture) == 3 else picture[0]
    file = io.BytesIO()
    quality = {"quality": 80, "method": 6}
    imsave(file, pixels, 0, 255, colours, format="webp", pil_kwargs=quality)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _outline(mask: NDArray[np.bool_]) -> str:
    """Outline of a mask [S, S], closed at the border too, as a path of an SVG in pixels."""
    lines = [line[:, ::-1] - 0.5 for line in find_contours(np.pad(mask, 1).astype(float), 0.5)]
    return "".join("M" + "L".join(f"{x:g},{y:g}" for x, y in line) + "Z" for line in lines)


def page(data: Mapping[str, Any]) -> str:
    """Write the page: the template with plotly's script and the data in it.

    Parameters
    ----------
    data : mapping
        `curves` and `panels`, and whatever else JSON can hold.

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
    every = {"fields": CURVE, "names": NAMES, "colours": colours, **data}
    # within a script, `</script>` or `<!--` in a name would end or hide what follows
    text = json.dumps(every, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    template = TEMPLATE.read_text(encoding="utf-8")
    return template.replace("@PLOTLY@", get_plotlyjs()).replace("@DATA@", text)
