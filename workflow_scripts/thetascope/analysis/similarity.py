"""How alike encoders are that were trained at different angles, without any map.

Linear CKA (Kornblith et al. 2019, arXiv 1905.00414) asks whether two encoders place the same images
alike to one another, whatever the axes of their features. Its plain estimator is near 1 for any two
encoders where images are few and features many. So HSIC is estimated without bias here (Song et al.
2012), as Nguyen et al. (2021, arXiv 2010.15327) and Murphy et al. (2024, arXiv 2405.01012) do.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thetascope.analysis.scores import COLUMNS, Array
from thetascope.angles import FIXED
from thetascope.files import read_npz

Run = tuple[float, int]  # θ of training in degrees, seed

FEWEST = 5  # items: HSIC takes four, and one is left out
SAME = 1e-6  # spread of features, of their size, below which they are rounding
LOADED = 256  # runs whose features are held at a time

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Features:
    """Features of some items, and what similarities need of them.

    Attributes
    ----------
    unit : ndarray
        Features of length 1, float64 [N, D].
    gram : ndarray
        Products of centred features, those of an item with itself left out: float64 [N, N]. All 0
        where all items have the same features.
    """

    unit: Array
    gram: Array

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> Features:
        """Prepare features [N, D]."""
        values = features.astype(np.float64)
        size = np.linalg.norm(values, axis=1, keepdims=True)
        centred = values - values.mean(axis=0)
        gram = centred @ centred.T
        if np.sqrt(gram.diagonal().max()) <= SAME * size.max():
            gram[:] = 0
        np.fill_diagonal(gram, 0)
        with np.errstate(invalid="ignore"):
            return cls(values / size, gram)

    @cached_property
    def own(self) -> Array:
        """HSIC with themselves, see `_hsic`."""
        return _hsic(self.gram, self.gram)

    @cached_property
    def total(self) -> Array:
        """Sum of the features of length 1, float64 [D]."""
        total: Array = self.unit.sum(axis=0)
        return total


def _hsic(first: Array, second: Array) -> Array:
    """Unbiased HSIC of two Gram matrices [N, N] without diagonals: of all items, of all but each.

    Song et al. (2012), equation 5. What an item adds to each of its sums is known, so to leave out
    each in turn costs no more than the whole: float [1 + N].
    """
    n = len(first)
    k, m = first.sum(axis=1), second.sum(axis=1)
    both = (first * second).sum(axis=1)
    trace = np.append(both.sum(), both.sum() - 2 * both)
    sums = np.append(k.sum() * m.sum(), (k.sum() - 2 * k) * (m.sum() - 2 * m))
    cross = np.append(k @ m, k @ m - k * m - first @ m - second @ k + both)
    items = np.append(n, np.full(n, n - 1))
    found = trace + sums / ((items - 1) * (items - 2)) - 2 * cross / (items - 2)
    hsic: Array = found / (items * (items - 3))
    return hsic


def cka(first: Features, second: Features) -> Array:
    """Debiased linear CKA of two encoders, shared out among the items.

    Returns
    -------
    ndarray
        Float [N], whose mean is the CKA of all items: 1 where one's features are the other's,
        turned and scaled; about 0 where they have nothing in common, and now and then below.
        About that mean each item has the deviation of its jackknife pseudo-value, so that the
        spread of items (and of cases) tells what other items would do. NaN with fewer than
        `FEWEST` items, or where all items have the same features.
    """
    n = len(first.gram)
    if n < FEWEST:
        return np.full(n, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        whole, *left = _hsic(first.gram, second.gram) / np.sqrt(first.own * second.own)
    values: Array = whole + (n - 1) * (np.mean(left) - left)
    return values


def cosine(first: Features, second: Features) -> tuple[Array, Array]:
    """Cosine of the two features of every item, and the mean cosine with those of other items.

    Features of a ReLU network are positive and have a common mean, so that those of any two images
    are alike: the second number is what the first has to be held against. Float [N] each.
    """
    own = np.einsum("nd,nd->n", first.unit, second.unit)
    # sums of products with all items, for which no product has to be made
    of_first, of_second = first.unit @ second.total, second.unit @ first.total
    return own, (of_first + of_second - 2 * own) / (2 * (len(own) - 1))


def by_angle(runs: Iterable[Run]) -> Mapping[float, list[Run]]:
    """Runs of every θ below 360; 0 and 360 are the same."""
    found = defaultdict(list)
    for run in runs:
        found[run[0] % 360].append(run)
    return found


def references(run: Run, runs: Mapping[float, Sequence[Run]]) -> dict[str, list[Run]]:
    """Which of the runs `by_angle` a run is held against: similarity → the runs, if there are any.

    - `similarity_zero`: that at θ = 0 with the same seed, which of staggered seeds the first one
      has. Not the run itself.
    - `similarity_quarter`: that at θ + 90 with the same seed.
    - `similarity_replicate`: the others at the same θ; 0 and 360 are the same.
    """
    angle, seed = run
    zero = 0.0, seed
    quarter = round((angle + 90) % 360, 1), seed
    found = {
        "similarity_zero": [zero] * (zero in runs.get(0, ()) and zero != run),
        "similarity_quarter": [quarter] * (quarter in runs.get(quarter[0], ())),
        "similarity_replicate": [one for one in runs[angle % 360] if one != run],
    }
    return {name: others for name, others in found.items() if others}


def _compared(first: Features, second: Features) -> Array:
    """CKA, cosine and that of other items, the same whichever comes first: float [3, N]."""
    return np.stack([cka(first, second), *cosine(first, second)])


def _parts(compared: Sequence[Array], items: NDArray[np.integer]) -> Iterator[dict[str, Any]]:
    """Yield CKA and cosine of an encoder and others, the mean over these."""
    alike, own, of_others = np.mean(compared, axis=0)
    yield {"items": items, "metric": "cka", "value": alike, "chance": np.zeros(len(items))}
    yield {"items": items, "metric": "cosine", "value": own, "chance": of_others}


def _rows(parts: Sequence[Mapping[str, Any]], manifest: pd.DataFrame) -> pd.DataFrame:
    """One row per item of every part; all but `items`, `value` and `chance` are one for all."""
    if not parts:
        return pd.DataFrame(columns=["value"])
    sizes = [len(part["items"]) for part in parts]
    columns: dict[str, Any] = {}
    for name in parts[0]:
        values = [part[name] for part in parts]
        if name in ("items", "value", "chance"):
            columns[name] = np.concatenate(values)
        elif isinstance(values[0], str):  # as numbers: text would fill the memory
            columns[name] = pd.Categorical(values).repeat(sizes)
        else:
            columns[name] = np.repeat(values, sizes)
    of_items = manifest.loc[columns.pop("items"), ["id", "case"]].astype("category")
    item, case = (of_items[name].array for name in of_items)
    return pd.DataFrame(columns).assign(item=item, case=case, eval_angle=columns["angle"])


def similarity_scores(
    files: Mapping[Run, str | Path], manifest: pd.DataFrame, arm: Mapping[str, str]
) -> pd.DataFrame:
    """How alike the encoders of one arm are, as scores like those of maps.

    Parameters
    ----------
    files : mapping
        Angle and seed of a run at a fixed angle → its `features.npz`: `items` (rows of the
        manifest), `encoder` and `backbone` (float [N, D], after training and before). Items and
        backbone of the first run are taken for all: they are the same in every run of an arm.
    manifest : DataFrame
        Of the image set, with `id` and `case`.
    arm : mapping
        Its wildcards, which become columns.

    Returns
    -------
    DataFrame
        Long format, with the columns of merged `dice.csv` files: `model` pretrained, `input`
        original; `attribution` what the encoder is held against: `similarity_backbone`, that its
        training began with, or the runs of `references`, over which values are means; `metric`
        `cka` (see `cka`; `chance` is 0) or `cosine` (see `cosine`).
    """
    runs = by_angle(files)

    @lru_cache(maxsize=LOADED)
    def read(run: Run) -> Features:
        return Features.of(read_npz(files[run], "encoder")["encoder"])

    @lru_cache(maxsize=LOADED)
    def alike(pair: frozenset[Run]) -> Array:
        return _compared(*(read(run) for run in sorted(pair)))

    if files:
        first = read_npz(next(iter(files.values())), "items", "backbone")
        items, start = first["items"], Features.of(first["backbone"])
    constants = {**arm, "training": FIXED, "model": "pretrained", "input": "original"}
    found: dict[Run, list[dict[str, Any]]] = {}
    # angles a quarter turn apart one after the other, so that hardly any file is read twice
    for run in sorted(files, key=lambda one: (one[0] % 90, one)):
        against = {"similarity_backbone": [_compared(read(run), start)]}
        for name, others in references(run, runs).items():
            against[name] = [alike(frozenset([run, one])) for one in others]
        found[run] = [
            {"angle": run[0], "seed": run[1], **constants, "attribution": name, **one}
            for name, compared in against.items()
            for one in _parts(compared, items)
        ]
    scores = _rows([part for run in files for part in found[run]], manifest)
    scores = scores.reindex(columns=COLUMNS)
    if lost := int(scores["value"].isna().sum()):
        log.warning(
            "%d similarities are not known: CKA takes %d test items that an encoder tells apart",
            *(lost, FEWEST),
        )
    return scores
