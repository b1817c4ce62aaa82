"""Linear probe: telling pairs (x, R_θ x) from pairs of different images by their features."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from thetascope.learning.encoders import Encoder
from thetascope.learning.rotation import View
from thetascope.learning.stored import Images

RIDGE = 1.0  # per training pair, on features of unit variance


@torch.no_grad()
def pair_features(
    encoder: Encoder, images: Images, rows: Sequence[int], degrees: float, view: View, size: int
) -> tuple[Tensor, Tensor]:
    """Features of x and of R_θ x, each of length 1, float [N, D].

    Parameters
    ----------
    encoder : Encoder
        In evaluation mode.
    images : Images
        Float [N, C, S, S] in [0, 1], on the encoder's device.
    rows : sequence of int
        Of which images.
    degrees : float
        θ of the pair.
    view : View
        Canvas and interpolation.
    size : int
        Images per pass.
    """
    features: tuple[list[Tensor], list[Tensor]] = [], []
    for part in torch.as_tensor(rows, device=images.device).split(size):
        x = images[part]
        for of_view, turned in zip(features, (view.original, view.rotated), strict=True):
            of_view.append(encoder(turned(x, degrees)))
    f, g = (F.normalize(torch.cat(of_view), dim=1) for of_view in features)
    return f, g


def partners(count: int) -> Tensor:
    """Whose R_θ x makes each item's false pair: of the item one half away, seldom a neighbour."""
    return torch.arange(count).roll(count // 2)


def pair_scores(claims: Tensor, items: pd.DataFrame, attribution: str) -> pd.DataFrame:
    """Scores of a classifier of pairs, as `scoring.score_maps` gives those of maps.

    Parameters
    ----------
    claims : Tensor
        Float [2 N], above 0 for what is taken for a true pair: of the true pairs, then of the false
        ones.
    items : DataFrame
        The manifest's N rows of the items, with `id` and `case`.
    attribution : str
        Name of the classifier.

    Returns
    -------
    DataFrame
        One row per item: the share of its two pairs, the true and the false one, that is
        recognised, beside `chance`, 0.5.
    """
    true, false = claims.view(2, len(items))
    right = (true.sign() - false.sign() + 2) / 4  # an undecided claim counts half
    return pd.DataFrame(
        {
            "item": items["id"].to_numpy(),
            "case": items["case"].to_numpy(),
            "pre_rotation": float("nan"),  # its pictures are none that maps are of
            "model": "pretrained",
            "input": "pair",
            "attribution": attribution,
            "metric": f"{attribution}_accuracy",
            "value": right.cpu(),
            "chance": 0.5,
            "own_cut": float("nan"),
        }
    )


def _products(f: Tensor, g: Tensor) -> Tensor:
    """Products of both features of pairs, true ones above false ones: float64 [2 N, D]."""
    return torch.cat([f * g, f * g[partners(len(g))]]).double()


def _ridged(gram: Tensor, pairs: int) -> Tensor:
    """Products of all features or of all pairs, float64 [M, M], with the ridge on the diagonal."""
    return gram + RIDGE * pairs * torch.eye(len(gram)).to(gram)


def pair_probe(
    encoder: Encoder,
    images: Images,
    train: Sequence[int],
    test: Sequence[int],
    degrees: float,
    view: View,
    items: pd.DataFrame,
    batch_size: int,
) -> pd.DataFrame:
    """Accuracy of a ridge classifier on the products of the two features.

    Parameters
    ----------
    encoder : Encoder
        Put into evaluation mode.
    images : Images
        Float [N, C, S, S] in [0, 1], on the encoder's device.
    train, test : sequence of int
        Rows to fit on and to judge by.
    degrees : float
        θ of the pair.
    view : View
        Canvas and interpolation.
    items : DataFrame
        The manifest's rows of `test`, with `id` and `case`.
    batch_size : int
        Images per pass.

    Returns
    -------
    DataFrame
        Of `pair_scores`.
    """
    encoder.eval()
    fitted, judged = (
        _products(*pair_features(encoder, images, rows, degrees, view, batch_size))
        for rows in (train, test)
    )
    mean, std = fitted.mean(dim=0), fitted.std(dim=0).clamp(min=1e-9)
    fitted, judged = (fitted - mean) / std, (judged - mean) / std
    sign = torch.ones(len(fitted), dtype=fitted.dtype, device=fitted.device)
    sign[len(train) :] = -1
    count, features = fitted.shape
    if count > features:
        weights = torch.linalg.solve(_ridged(fitted.T @ fitted, count), fitted.T @ sign)
    else:  # the dual form, whose system is the smaller one
        weights = fitted.T @ torch.linalg.solve(_ridged(fitted @ fitted.T, count), sign)
    return pair_scores(judged @ weights, items, "probe")
