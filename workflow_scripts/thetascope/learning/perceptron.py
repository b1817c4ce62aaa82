"""A perceptron that tells pairs (x, R_θ x) from pairs of different images by their features.

The follow-up (OpenReview 85rdlgTS50) measures its response patterns by one of six layers. It is
shown both pictures' features and has to find out how they go together, while the linear probe is
shown their products.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thetascope.errors import UserError
from thetascope.learning.encoders import Encoder
from thetascope.learning.features import BATCH
from thetascope.learning.probe import pair_features, pair_scores, partners
from thetascope.learning.rotation import View
from thetascope.learning.stored import Images

JUDGED = 0.2  # share of the cases of seen pictures that judge


@dataclass(frozen=True)
class Perceptron:
    """How it is built and trained: the configuration's `probe`, but for whether there is one.

    Attributes
    ----------
    pictures : {"unseen", "seen"}
        What it is judged by, see `fitted_and_judged`.
    widths : sequence of int
        Units of its hidden layers; five make six layers.
    epochs, batch_size : int
        Passes over the pairs, and pairs per step.
    lr, momentum : float
        Of SGD.
    """

    pictures: str
    widths: Sequence[int]
    epochs: int
    batch_size: int
    lr: float
    momentum: float


def fitted_and_judged(manifest: pd.DataFrame, pictures: str) -> tuple[list[int], list[int]]:
    """Rows of the pictures to fit on, and of those to judge by.

    Parameters
    ----------
    manifest : DataFrame
        Of an image set, with `split` and `case`.
    pictures : {"unseen", "seen"}
        `unseen`: the encoder's training pictures to fit on, the test pictures to judge by, as for
        the linear probe. `seen`: both among the encoder's training pictures, divided by case at
        random, but always in the same way; so the encoder knows what is judged (transductive).

    Raises
    ------
    UserError
        If the pictures that the encoder saw are all of one case.
    """
    train = manifest[manifest["split"] == "train"]
    if pictures == "unseen":
        return train.index.tolist(), manifest.index[manifest["split"] == "test"].tolist()
    cases = sorted(train["case"].unique(), key=lambda case: hashlib.sha256(case.encode()).digest())
    if len(cases) < 2:
        raise UserError(
            f"probe.pictures: seen: the training pictures are of one case ({', '.join(cases)}), "
            "which cannot be divided; take `unseen`, or an image set of more cases"
        )
    judge = train["case"].isin(cases[: max(1, round(JUDGED * len(cases)))])
    return train.index[~judge].tolist(), train.index[judge].tolist()


def build(inputs: int, widths: Iterable[int], generator: torch.Generator) -> nn.Sequential:
    """Linear layers with ReLUs between them, [N, inputs] → [N, 1], drawn as in He et al. 2015.

    torch's own smaller draws leave six layers where they are for the first hundred steps.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise([inputs, *widths, 1]):
        linear = nn.Linear(before, after)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _claims(network: nn.Module, f: Tensor, g: Tensor, pairs: Tensor) -> Tensor:
    """What it makes of pairs of items [N], numbered: N true ones, then N false ones."""
    second = torch.cat([torch.arange(len(g)), partners(len(g))]).to(pairs.device)
    claims: Tensor = network(torch.cat([f[pairs % len(f)], g[second[pairs]]], dim=1))[:, 0]
    return claims


def train(f: Tensor, g: Tensor, settings: Perceptron, generator: torch.Generator) -> nn.Sequential:
    """Train one to give true pairs more than 0 and false ones less, by the logistic loss.

    Parameters
    ----------
    f, g : Tensor
        Features of x and of R_θ x, float32 [N, D].
    settings : Perceptron
        How.
    generator : torch.Generator
        Of its first weights and of the order of the pairs; on the CPU.
    """
    network = build(2 * f.shape[1], settings.widths, generator).to(f.device)
    optimiser = torch.optim.SGD(network.parameters(), settings.lr, settings.momentum)
    is_true = (torch.arange(2 * len(f), device=f.device) < len(f)).float()
    for _ in range(settings.epochs):
        order = torch.randperm(2 * len(f), generator=generator).to(f.device)
        for pairs in order.split(settings.batch_size):
            claims = _claims(network, f, g, pairs)
            optimiser.zero_grad()
            F.binary_cross_entropy_with_logits(claims, is_true[pairs]).backward()
            optimiser.step()
    return network


def _scaled(fitted: Tensor, judged: Tensor) -> tuple[Tensor, Tensor]:
    """Features [N, D] less the mean of those that are fitted on, over one number for all.

    A scale for each would blow up a feature that is nearly constant.
    """
    mean = fitted.mean(dim=0)
    scale = (fitted - mean).square().mean().sqrt().clamp(min=1e-9)
    return (fitted - mean) / scale, (judged - mean) / scale


def perceptron_probe(
    encoder: Encoder,
    images: Images,
    manifest: pd.DataFrame,
    degrees: float,
    view: View,
    settings: Perceptron,
    generator: torch.Generator,
) -> pd.DataFrame:
    """Accuracy of a perceptron on both features of pairs.

    Parameters
    ----------
    encoder : Encoder
        Put into evaluation mode.
    images : Images
        Float [N, C, S, S] in [0, 1], on the encoder's device.
    manifest : DataFrame
        Of these images, with `id`, `case` and `split`.
    degrees : float
        θ of the pair.
    view : View
        Canvas and interpolation.
    settings : Perceptron
        How it is built, trained and judged.
    generator : torch.Generator
        As for `train`.

    Returns
    -------
    DataFrame
        Of `probe.pair_scores`.
    """
    encoder.eval()
    fitted, judged = fitted_and_judged(manifest, settings.pictures)
    seen, new = (
        pair_features(encoder, images, rows, degrees, view, BATCH) for rows in (fitted, judged)
    )
    (f, new_f), (g, new_g) = map(_scaled, seen, new)
    network = train(f, g, settings, generator)
    with torch.no_grad():
        claims = _claims(network, new_f, new_g, torch.arange(2 * len(judged), device=f.device))
    return pair_scores(claims, manifest.loc[judged], "perceptron")
