"""Pictures and maps of the mapped items, as the explorer shows them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import find_contours

from thetascope.datasets.arrays import read_array, resize
from thetascope.files import read_csv, read_npz
from thetascope.report.figures.pictures import as_picture, mapped_images, marked_pixels
from thetascope.report.figures.style import INPUTS
from thetascope.vocabulary import ARM

SIDE = 128  # pixels of the largest picture
MOST = 600  # items × angles of all data sets: with more of them the page would take long to open
SCORED = ["model", "input", "attribution", "item"]
# pictures uint8 [n, C, S, S] and masks [n, S, S] → x and R_θ x, uint8, and the masks of R_θ x
Turn = Callable[
    [Mapping[str, Any], NDArray[np.uint8], NDArray[np.integer]],
    tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.integer]],
]


class Pictures:
    """Pictures as data URIs, each once: most maps that need no network are the same at every θ."""

    def __init__(self) -> None:
        self.uris: list[str] = []
        self._places: dict[tuple[bytes, bool], int] = {}

    def add(self, pixels: NDArray[np.uint8], lossless: bool = False) -> int:
        """Place of a picture uint8 [S, S, 3], or [S, S], in `uris`; it has at most `SIDE` pixels.

        As PNG if `lossless`, which suits black and white, else as WebP.
        """
        key = (pixels.tobytes(), lossless)
        if key not in self._places:
            self._places[key] = len(self.uris)
            if len(pixels) > SIDE:
                stack = pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]
                small = resize(stack, SIDE)
                pixels = small.transpose(1, 2, 0) if pixels.ndim == 3 else small[0]
            picture, file = Image.fromarray(pixels), io.BytesIO()
            if lossless:
                picture.convert("1", dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
            else:
                picture.save(file, "WebP", quality=80, method=4)
            kind = "png" if lossless else "webp"
            text = base64.b64encode(file.getvalue()).decode()
            self.uris.append(f"data:image/{kind};base64,{text}")
        return self._places[key]


def chosen(masks: NDArray[np.integer], count: int) -> tuple[list[int], int]:
    """Choose items by the size of their masks [n, S, S]: the middle one and those next to it.

    Returns the places of so many items, in order, and where the middle one is among these.
    """
    by_size = np.argsort((masks > 0).mean(axis=(1, 2)), kind="stable")
    middle = len(by_size) // 2
    nearest = sorted(range(len(by_size)), key=lambda rank: abs(rank - middle))[:count]
    places = sorted(int(by_size[rank]) for rank in nearest)
    return places, places.index(int(by_size[middle]))


def panels(
    evaluations: Iterable[Mapping[str, Any]],
    files: Iterable[tuple[str | Path, str | Path | None]],
    images: Mapping[str, tuple[str | Path, str | Path]],
    turn: Turn,
) -> dict[str, Any]:
    """Draw the mapped items of each data set at some angles.

    Parameters
    ----------
    evaluations : iterable of mapping
        Wildcards of what is shown, of one arm and seed per data set, and its `theta` on the curve.
    files : iterable of (path, path)
        Their `saliency.npz` and `dice.csv`, None for a set without masks, which has no scores.
    images : mapping
        Data set → `images.npy` and `manifest.csv`.
    turn : callable
        Makes x and R_θ x as the models saw them (see `Turn`).

    Returns
    -------
    dict
        `pictures` (data URIs; whatever is a picture below is a place in this list), and `sets`:
        data set → its `arm`, `seed`, `size` in pixels of the `outline`s, which are paths of an SVG,
        number of `mapped` items, `first` item to show, `angles`, and `items`: for each its `id`,
        `outline`, and for each angle `original`, `rotated` and `turned_outline`, and `maps`:
        {model}.{input}.{attribution} → `map`, `marked`, and `value`, `chance` and `own_cut` of the
        Dice of the marked pixels, as many as the mask has.
    """
    evaluations, pictures, sets = list(evaluations), Pictures(), {}
    count = max(1, MOST // max(1, len(evaluations)))
    for evaluation, (maps, scores) in zip(evaluations, files, strict=True):
        arrays, name = read_npz(maps), evaluation["dataset"]
        masks = arrays["masks"]
        pixels, manifest = images[name]
        x = mapped_images(arrays, read_array(pixels))
        shown = turn(evaluation, x, masks)
        if name not in sets:
            places, first = chosen(masks, count)
            ids = read_csv(manifest)["id"].astype(str)[arrays["items"]].tolist()
            sets[name] = {
                "arm": {column: evaluation[column] for column in ARM},
                "seed": evaluation["seed"],
                "size": masks.shape[-1],
                "mapped": len(masks),
                "first": first,
                "angles": [],
                "places": places,
                "items": [
                    {"id": ids[i], "outline": _outline(masks[i]), "angles": []} for i in places
                ],
            }
        of_set = sets[name]
        of_set["angles"].append(evaluation["theta"])
        by_map = _by_map(scores) if scores else {}
        for place, item in zip(of_set["places"], of_set["items"], strict=True):
            item["angles"].append(_at_angle(pictures, arrays, shown, by_map, place, item["id"]))
    for of_set in sets.values():
        del of_set["places"]
    return {"pictures": pictures.uris, "sets": sets}


def _by_map(scores: str | Path) -> dict[tuple[Any, ...], dict[Any, Any]]:
    """Read the Dice of the marked pixels from a `dice.csv`: model, input, … and item → its row."""
    found = read_csv(scores).query("metric == 'dice_area'").astype({"item": str})
    return {tuple(row[key] for key in SCORED): row for row in found.to_dict("records")}


def _at_angle(
    pictures: Pictures,
    arrays: Mapping[str, NDArray[Any]],
    shown: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.integer]],
    scores: Mapping[tuple[Any, ...], Mapping[Any, Any]],
    place: int,
    name: str,
) -> dict[str, Any]:
    """Draw one item at one angle."""
    original, rotated, turned = shown
    mask, maps = arrays["masks"][place] > 0, {}
    for key in arrays:
        parts = tuple(key.split("."))  # of maps: model, input, attribution
        if len(parts) == 3 and parts[1] in INPUTS:
            input_ = parts[1]
            marked = marked_pixels(arrays[key][place], mask, arrays[f"valid.{input_}"])
            row = scores.get((*parts, name), {})
            numbers = {
                column: round(row[column], 4) if np.isfinite(row.get(column, np.nan)) else None
                for column in ("value", "chance", "own_cut")
            }
            maps[key] = numbers | {
                "map": pictures.add(_map(arrays[key][place])),
                "marked": pictures.add(marked.astype(np.uint8) * 255, lossless=True),
            }
    return {
        "original": pictures.add(as_picture(original[place])),
        "rotated": pictures.add(as_picture(rotated[place])),
        "turned_outline": _outline(turned[place]),
        "maps": maps,
    }


def _map(saliency: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Colour a map [S, S], brightest from its 99th percentile on; uint8 [S, S, 3]."""
    brightest = np.quantile(saliency, 0.99) or 1
    levels = (255 * np.clip(saliency / brightest, 0, 1)).astype(np.uint8)
    return np.ascontiguousarray(colormaps["magma"](levels, bytes=True)[..., :3])


def _outline(mask: NDArray[np.integer]) -> str:
    """Outline of a mask [S, S], closed at the border too, as a path of an SVG in pixels."""
    padded = np.pad(mask > 0, 1).astype(float)
    lines = [line[:, ::-1] - 0.5 for line in find_contours(padded, 0.5)]
    return "".join("M" + "L".join(f"{x:g},{y:g}" for x, y in line) + "Z" for line in lines)
