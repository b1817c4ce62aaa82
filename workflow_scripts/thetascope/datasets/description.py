"""What was read of each image set: what a person looks at to believe it was read correctly."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from thetascope.files import read_csv, read_record

log = logging.getLogger(__name__)

PARTS = ("train", "validation", "test")
NAMED = 3  # reasons and files in a cell; the log of rule `data` has all


def datasets_table(manifests: Mapping[str, str | Path]) -> pd.DataFrame:
    """Describe image sets, one per row.

    Parameters
    ----------
    manifests : mapping of str to path
        Data set → what `arrays.prepare` wrote.

    Returns
    -------
    DataFrame
        `dataset`; `n_items`, `n_cases`; items of each part of the split, `n_train`, `n_validation`,
        `n_test`, and `n_test_cases`; pictures as they came, `width_min` to `height_max` in pixels;
        `foreground_min`, `_median`, `_max`: shares of the masks; `n_empty`: masks without any;
        `n_left_out` items and why (`left_out`), `n_unused` files that a pattern matches and no
        option uses, and which (`unused`).
    """
    return pd.DataFrame([_row(name, path) for name, path in manifests.items()])


def _row(name: str, path: str | Path) -> dict[str, object]:
    items, record = read_csv(path), read_record(path)
    row: dict[str, object] = {
        "dataset": name,
        "n_items": len(items),
        "n_cases": items["case"].nunique(),
    }
    row |= {f"n_{part}": (items["split"] == part).sum() for part in PARTS}
    row["n_test_cases"] = items.loc[items["split"] == "test", "case"].nunique()
    for side in ("width", "height"):
        row |= {f"{side}_min": items[side].min(), f"{side}_max": items[side].max()}
    share = items["foreground"]
    row |= {f"foreground_{how}": share.agg(how) for how in ("min", "median", "max")}
    row["n_empty"] = (share == 0).sum()
    for what in ("left_out", "unused"):
        row |= {f"n_{what}": len(record[what]), what: _first(record[what])}
    log.info("%s", ", ".join(f"{key} {value}" for key, value in row.items()))
    return row


def _first(reasons: list[str]) -> str:
    more = f"; and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
    return "; ".join(reasons[:NAMED]) + more
