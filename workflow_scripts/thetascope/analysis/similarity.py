"""How alike encoders are that were trained at different angles, without any map.

Linear CKA (Kornblith et al. 2019, arXiv 1905.00414) asks whether two encoders place the same images
alike to one another, whatever the axes of their features. Its plain estimator is near 1 for any two
encoders where images are few and features many. So HSIC is estimated without bias here (Song et al.
2012), as Nguyen et al. (2021, arXiv 2010.15327) and Murphy et al. (2024, arXiv 2405.01012) do.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thetascope.analysis.scores import MEASURES, TURNED, Array
from thetascope.angles import FIXED
from thetascope.files import read_npz
from thetascope.vocabulary import ANGLES, SCORE

Run = tuple[float, int]  # θ of training in degrees, seed

FEWEST = 5  # items: HSIC takes four, and one is left out
SAME = 1e-6  # spread of features, of their size, below which they are rounding
LOADED = 256  # runs whose features are held at a time
COLUMNS = [*ANGLES, "seed", "item", "case", *SCORE, *MEASURES, TURNED]

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
        centred = values - values.mean(axis=0)
        size = np.abs(values).max()
        if np.abs(centred).max() <= SAME * size:
            centred[:] = 0
        gram = centred @ centred.T
        np.fill_diagonal(gram, 0)
        with np.errstate(invalid="ignore"):
            return cls(values / np.linalg.norm(values, axis=1, keepdims=True), gram)


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
    a, b, n = first.gram, second.gram, len(first.gram)
    if n < FEWEST:
        return np.full(n, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        whole, *left = _hsic(a, b) / np.sqrt(_hsic(a, a) * _hsic(b, b))
    values: Array = whole + (n - 1) * (np.mean(left) - left)
    return values


def cosine(first: Features, second: Features) -> tuple[Array, Array]:
    """Cosine of the two features of every item, and the mean cosine with those of other items.

    Features of a ReLU network are positive and have a common mean, so that those of any two images
    are alike: the second number is what the first has to be held against. Float [N] each.
    """
    products = first.unit @ second.unit.T
    own = np.diagonal(products)
    others = products.sum(axis=0) + products.sum(axis=1) - 2 * own
    return own.copy(), others / (2 * (len(own) - 1))


def references(run: Run, runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Which runs a run is held against: similarity → the runs, if there are any.

    - `similarity_zero`: that at θ = 0 with the same seed, which of staggered seeds the first one
      has. Not the run itself.
    - `similarity_quarter`: that at θ + 90 with the same seed.
    - `similarity_replicate`: the others at the same θ; 0 and 360 are the same.
    """
    angle, seed = run
    zero = 0.0, seed
    quarter = round((angle + 90) % 360, 1), seed
    same = [one for one in runs if one[0] % 360 == angle % 360 and one != run]
    found = {
        "similarity_zero": [zero] * (zero in runs and zero != run),
        "similarity_quarter": [quarter] * (quarter in runs),
        "similarity_replicate": same,
    }
    return {name: others for name, others in found.items() if others}


def similarity_scores(files: Mapping[Run, str | Path], manifest: pd.DataFrame) -> pd.DataFrame:
    """How alike the encoders of one arm are, as scores like those of maps.

    Parameters
    ----------
    files : mapping
        Angle and seed of a run at a fixed angle → its `features.npz`: `items` (rows of the
        manifest), `encoder` and `backbone` (float [N, D], after training and before).
    manifest : DataFrame
        Of the image set, with `id` and `case`.

    Returns
    -------
    DataFrame
        Long format, with the columns of merged `dice.csv` files but for the arm's: `model`
        pretrained, `input` original; `attribution` what the encoder is held against:
        `similarity_backbone`, that its training began with, or the runs of `references`, over which
        values are means; `metric` `cka` (see `cka`; `chance` is 0) or `cosine` (see `cosine`).
    """

    @lru_cache(maxsize=LOADED)
    def read(run: Run) -> tuple[Features, Features]:
        arrays = read_npz(files[run])
        return Features.of(arrays["encoder"]), Features.of(arrays["backbone"])

    runs = list(files)
    parts = []
    for run, path in files.items():
        items = manifest.loc[read_npz(path)["items"]]
        encoder, backbone = read(run)
        others = {name: [read(one)[0] for one in o] for name, o in references(run, runs).items()}
        for name, several in ({"similarity_backbone": [backbone]} | others).items():
            cosines = np.mean([cosine(encoder, one) for one in several], axis=0)
            alike = np.mean([cka(encoder, one) for one in several], axis=0)
            for metric, value, chance in ("cka", alike, 0.0), ("cosine", *cosines):
                rows = pd.DataFrame({"value": value, "chance": chance, "attribution": name})
                rows = rows.assign(metric=metric, angle=run[0], eval_angle=run[0], seed=run[1])
                parts.append(
                    rows.assign(item=items["id"].to_numpy(), case=items["case"].to_numpy())
                )
    scores = pd.concat(parts) if parts else pd.DataFrame(columns=["value"])
    scores = scores.assign(training=FIXED, model="pretrained", input="original")
    scores = scores.reindex(columns=COLUMNS)
    if lost := int(scores["value"].isna().sum()):
        log.warning(
            "%d similarities are not known: CKA takes %d test items that an encoder tells apart",
            *(lost, FEWEST),
        )
    return scores
