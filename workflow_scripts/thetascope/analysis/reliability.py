"""Whether maps come out again with other noise, and whether they differ between pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from thetascope.analysis.bootstrap import bootstrap_means, interval, mean
from thetascope.analysis.scores import Array
from thetascope.analysis.settings import Bootstrap
from thetascope.vocabulary import ARM

KIND = [*ARM, "model", "input", "attribution"]
MEASURES = ["split_half", "split_half_ci_low", "split_half_ci_high"]
MEASURES += ["reliability", "reliability_ci_low", "reliability_ci_high"]
MEASURES += ["sameness", "sameness_ci_low", "sameness_ci_high", "mask_sameness"]
COUNTS = ["n_maps", "n_no_foreground", "n_items"]

NOISE = 0.5  # a map of a lower reliability is mostly noise
SAME = 0.7  # maps of a higher sameness share half of their variance with those of other cases


def spearman_brown(split_half: Array) -> Array:
    """Reliability of a whole from the correlation of its halves: 2 r / (1 + r).

    The correlation that two wholes would have (Spearman 1910, Brown 1910).
    """
    return 2 * split_half / (1 + split_half)


def reliability_table(per_item: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """Reliability and sameness of the maps of every model, over all angles and seeds.

    Parameters
    ----------
    per_item : DataFrame
        All rows, as `scores.per_item` merges them from `reliability.csv` files; none where no set
        has masks.
    bootstrap : Bootstrap
        Of the intervals, over items.

    Returns
    -------
    DataFrame
        One row per data set, view, encoder, method, model, input and attribution, sorted by these:
        `split_half` (mean correlation of the maps of either half of the noise), `reliability` of
        the whole map, `sameness` (mean correlation of a map with the mean map of other cases of its
        evaluation), each with `_ci_low` and `_ci_high`; `mask_sameness`, that of the masks;
        `n_maps` whose halves have a correlation, `n_no_foreground` (maps of the fine-tuned model
        that are of all pixels, since it finds no foreground) and `n_items`.
    """
    rows = []
    # as text: categories come in the order in which they were read; as numbers: a column without
    # any, such as that of maps of one sample, was read as objects
    numbers = ["split_half", "sameness", "mask_sameness", "predicted"]
    types = dict.fromkeys([*KIND, "item"], str) | dict.fromkeys(numbers, float)
    for key, maps in per_item.reindex(columns=list(types)).astype(types).groupby(KIND):
        of_items = maps.groupby("item")[numbers].mean()
        split_half, same = (_with_interval(of_items[name], bootstrap) for name in numbers[:2])
        measures = *split_half, *spearman_brown(split_half), *same, of_items["mask_sameness"].mean()
        counts = maps["split_half"].count(), (maps["predicted"] == 0).sum(), len(of_items)
        rows.append([*key, *measures, *counts])
    return pd.DataFrame(rows, columns=[*KIND, *MEASURES, *COUNTS])


def _with_interval(of_items: pd.Series, bootstrap: Bootstrap) -> Array:
    """Mean over items, and the ends of its interval: [3]."""
    values = of_items.to_numpy()[None, None]
    ends = interval(bootstrap_means(values, bootstrap), bootstrap.confidence)
    return np.array([mean(values, axis=(1, 2))[0], *(end[0] for end in ends)])
