"""The linear probe on encoders of which it is known what they can tell."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from thetascope.learning.probe import pair_probe, pair_scores
from thetascope.learning.rotation import View

N = 40
TRAIN, TEST = range(30), range(30, 40)
ITEMS = pd.DataFrame({"id": [f"i{i}" for i in TEST], "case": [f"c{i // 2}" for i in TEST]})


class Pixels(nn.Module):
    """Features that are the sums of four rotations of a picture: a quarter turn changes nothing."""

    def forward(self, images):
        return sum(torch.rot90(images, k, (2, 3)) for k in range(4)).flatten(1) - 2


class Noise(nn.Module):
    """Features that have nothing to do with the picture."""

    def forward(self, images):
        return torch.randn(len(images), 50)


def probed(encoder, degrees=90.0, batch_size=7):
    torch.manual_seed(0)
    images = torch.rand(N, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return pair_probe(encoder, images, TRAIN, TEST, degrees, View(), ITEMS, batch_size)


def test_features_that_a_rotation_does_not_change_tell_pairs_apart():
    scores = probed(Pixels())
    assert scores["item"].tolist() == ITEMS["id"].tolist()
    assert (scores["value"] == 1).all()
    assert (scores["chance"] == 0.5).all()


def test_features_of_nothing_leave_a_coin():
    many = pd.concat([probed_with_seed(seed) for seed in range(60)])["value"]
    error = many.std() / np.sqrt(len(many))
    assert abs(many.mean() - 0.5) < 4 * error


def probed_with_seed(seed):
    images = torch.rand(N, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    torch.manual_seed(seed)
    return pair_probe(Noise(), images, TRAIN, TEST, 90.0, View(), ITEMS, 10)


def test_a_claim_of_neither_counts_half():
    true, false = [1.0, 0.0, -1.0, 0.0], [-1.0, 0.0, 1.0, 1.0]
    scores = pair_scores(torch.tensor(true + false), ITEMS[:4], "probe")
    assert scores["value"].tolist() == [1, 0.5, 0, 0.25]


def test_the_batch_does_not_matter_and_the_encoder_is_left_in_evaluation_mode():
    encoder = Pixels().train()
    pd.testing.assert_frame_equal(probed(encoder, 30.0, 7), probed(encoder, 30.0, 40))
    assert not encoder.training


def test_against_scikit_learns_ridge():
    from sklearn.linear_model import Ridge

    torch.manual_seed(1)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 30))
    scores = probed(encoder, 30.0)
    images = torch.rand(N, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        f, g = (
            nn.functional.normalize(encoder(z), dim=1).numpy()
            for z in (images, View().rotated(images, 30.0))
        )

    def pairs(rows):
        return np.concatenate([f[rows] * g[rows], f[rows] * np.roll(g[rows], len(rows) // 2, 0)])

    x, judged = pairs(list(TRAIN)), pairs(list(TEST))
    mean, std = x.mean(0), x.std(0, ddof=1)
    signs = np.repeat([1.0, -1.0], len(TRAIN))
    ridge = Ridge(alpha=len(x), fit_intercept=False).fit((x - mean) / std, signs)
    claim = ridge.predict((judged - mean) / std).reshape(2, -1)
    expected = ((claim[0] > 0).astype(float) + (claim[1] < 0)) / 2
    assert scores["value"].tolist() == pytest.approx(expected.tolist())
