"""Linear probe: telling pairs (x, R_θ x) from pairs of different images by their features."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from thetascope.learning.encoders import Encoder
from thetascope.learning.rotation import View

RIDGE = 1.0  # per training pair, on features of unit variance


@torch.no_grad()
def _pairs(encoder: Encoder, first: Tensor, second: Tensor, batch_size: int) -> Tensor:
    """Products of unit features, true pairs above false ones: [N, C, S, S] twice → [2 N, D].

    The false partner is the one half of the items away, so seldom a neighbour.
    """
    f, g = (
        F.normalize(torch.cat([encoder(part) for part in images.split(batch_size)]), dim=1)
        for images in (first, second)
    )
    return torch.cat([f * g, f * g.roll(len(g) // 2, dims=0)]).double()


def pair_probe(
    encoder: Encoder,
    images: Tensor,
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
    images : Tensor
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
        Scores as `scoring.score_maps` gives them: the share of each test item's two pairs, the true
        and the false one, that is recognised, beside `chance`, 0.5.
    """
    encoder.eval()
    x, y = view.original(images, degrees), view.rotated(images, degrees)
    fitted, judged = (
        _pairs(encoder, x[list(rows)], y[list(rows)], batch_size) for rows in (train, test)
    )
    mean, std = fitted.mean(dim=0), fitted.std(dim=0).clamp(min=1e-9)
    fitted, judged = (fitted - mean) / std, (judged - mean) / std
    sign = torch.ones(len(fitted), dtype=fitted.dtype, device=fitted.device)
    sign[len(train) :] = -1
    # the dual form of ridge regression: there are more features than pairs
    gram = fitted @ fitted.T + RIDGE * len(fitted) * torch.eye(len(fitted)).to(fitted)
    claim = judged @ (fitted.T @ torch.linalg.solve(gram, sign))
    true, false = claim.view(2, len(test))
    right = (true.sign() - false.sign() + 2) / 4  # an undecided claim counts half
    return pd.DataFrame(
        {
            "item": items["id"].to_numpy(),
            "case": items["case"].to_numpy(),
            "model": "pretrained",
            "input": "pair",
            "attribution": "probe",
            "metric": "probe_accuracy",
            "value": right.cpu(),
            "chance": 0.5,
            "own_cut": float("nan"),
        }
    )
