"""The perceptron that tells pairs apart: known answers, a plain loop, and whom it is judged by."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from thetascope.errors import UserError
from thetascope.learning import perceptron
from thetascope.learning.perceptron import Perceptron, fitted_and_judged, perceptron_probe
from thetascope.learning.probe import partners
from thetascope.learning.rotation import View

N = 200
MANIFEST = pd.DataFrame(
    {
        "id": [f"i{i:03}" for i in range(N)],
        "case": [f"c{i // 2}" for i in range(N)],  # two pictures of each
        "split": ["train"] * 140 + ["validation"] * 20 + ["test"] * 40,
    }
)
SETTINGS = Perceptron("unseen", [64, 64, 32, 32, 16], 20, 32, 0.015, 0.9)


class Kinds(nn.Module):
    """Features that say which of two kinds a picture is of: bright or dark, however turned."""

    def forward(self, images):
        bright = images.mean(dim=(1, 2, 3)) > 0.5
        return torch.stack([bright.float(), 1 - bright.float()], dim=1) + 0.1


class Noise(nn.Module):
    """Features that have nothing to do with the picture."""

    def forward(self, images):
        return torch.randn(len(images), 20)


def kinds():
    """Flat pictures whose false partner (half of the rows further on) is of the other kind."""
    bright = torch.arange(N) % 140 >= 70
    bright[160:] = torch.arange(40) >= 20
    return torch.where(bright, 0.9, 0.2)[:, None, None, None].expand(N, 1, 8, 8).contiguous()


def probed(encoder, images, settings=SETTINGS, seed=0, manifest=MANIFEST, degrees=90.0):
    generator = torch.Generator().manual_seed(seed)
    options = degrees, View(), settings, generator
    return perceptron_probe(encoder, images, manifest, *options)


def test_features_that_tell_exactly_which_pictures_go_together_give_1():
    """Of both features, neither of which says anything alone, a linear classifier gives a half."""
    encoder = Kinds().train()
    scores = probed(encoder, kinds())
    assert not encoder.training
    assert scores["item"].tolist() == MANIFEST["id"][160:].tolist()
    assert scores["case"].tolist() == MANIFEST["case"][160:].tolist()
    assert (scores["value"] == 1).all() and (scores["chance"] == 0.5).all()
    assert set(scores["attribution"]) == {"perceptron"}
    assert set(scores["metric"]) == {"perceptron_accuracy"}


def test_features_of_nothing_leave_a_coin():
    torch.manual_seed(0)
    images = torch.zeros(N, 1, 8, 8)
    means = [probed(Noise(), images, seed=seed)["value"].mean() for seed in range(24)]
    assert abs(np.mean(means) - 0.5) < 4 * np.std(means, ddof=1) / np.sqrt(len(means))
    assert np.std(means) < 0.1  # a claim that is always the same would give 0.5 without any error


def pictures(seed=1):
    return torch.rand(N, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def linear():
    torch.manual_seed(2)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12))


def test_against_a_plain_loop_over_pairs_as_they_are_written_down():
    """SGD with momentum by hand, gradients by hand, features by numpy."""
    settings = Perceptron("unseen", [9, 7], 3, 50, 0.05, 0.9)
    encoder = linear()
    scores = probed(encoder, pictures(), settings, seed=4, degrees=30.0)

    with torch.no_grad():
        features = [
            encoder(z).double().numpy() for z in (pictures(), View().rotated(pictures(), 30.0))
        ]
    f, g = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in features)
    for z in f, g:
        z -= z[:140].mean(0)
        z /= np.sqrt((z[:140] ** 2).mean())

    def pairs(first, count):
        other = [(i - count // 2) % count for i in range(count)]
        true = [np.r_[f[first + i], g[first + i]] for i in range(count)]
        return np.array(true + [np.r_[f[first + i], g[first + other[i]]] for i in range(count)])

    x, y = pairs(0, 140), np.repeat([1.0, 0.0], 140)
    generator = torch.Generator().manual_seed(4)
    drawn = perceptron.build(24, settings.widths, generator)
    weights = [p.detach().double().numpy().copy() for p in drawn.parameters()]
    speed = [np.zeros_like(w) for w in weights]
    for _ in range(3):
        order = torch.randperm(280, generator=generator).numpy()
        for rows in np.split(order, range(50, 280, 50)):
            layers = [x[rows]]
            for w, b in zip(weights[::2], weights[1::2], strict=True):
                z = layers[-1] @ w.T + b
                layers.append(np.maximum(z, 0) if len(b) > 1 else z)
            slope = (1 / (1 + np.exp(-layers[-1])) - y[rows, None]) / len(rows)
            slopes = []
            for i in (2, 1, 0):
                slopes = [slope.T @ layers[i], slope.sum(0), *slopes]
                slope = (slope @ weights[2 * i]) * (layers[i] > 0)
            for w, v, d in zip(weights, speed, slopes, strict=True):
                v *= 0.9
                v += d
                w -= 0.05 * v
    claims = pairs(160, 40)
    for w, b in zip(weights[::2], weights[1::2], strict=True):
        claims = claims @ w.T + b
        claims = np.maximum(claims, 0) if len(b) > 1 else claims
    true, false = claims.reshape(2, 40)
    assert np.abs(claims).min() > 1e-4  # so that rounding decides nothing
    expected = ((true > 0).astype(float) + (false < 0)) / 2
    assert scores["value"].tolist() == expected.tolist()
    assert 0 < np.mean(expected) < 1 and len(set(expected)) > 1


def test_the_same_seed_gives_the_same_and_another_another():
    encoder, images = linear(), pictures()
    torch.manual_seed(5)
    first = probed(encoder, images, seed=0)
    torch.manual_seed(6)  # what draws besides does not matter
    pd.testing.assert_frame_equal(first, probed(encoder, images, seed=0))
    assert not first["value"].equals(probed(encoder, images, seed=1)["value"])


def test_a_feature_that_is_the_same_in_all_fitted_pictures_does_no_harm():
    class OneMore(nn.Module):
        def forward(self, images):
            odd = (images.amax(dim=(1, 2, 3)) > 0.95).float()  # of test pictures alone
            return torch.cat([Kinds()(images), 0.1 * odd[:, None]], dim=1)

    images = kinds()
    images[160::3, :, 0, 0] = 1
    assert (probed(OneMore(), images)["value"] == 1).all()


def test_the_false_partner_is_another_one_and_each_has_its_turn():
    for count in 2, 3, 40, 41:
        other = partners(count)
        assert sorted(other.tolist()) == list(range(count))
        assert (other != torch.arange(count)).all()


def test_unseen_pictures_judge_by_default():
    fitted, judged = fitted_and_judged(MANIFEST, "unseen")
    assert fitted == list(range(140)) and judged == list(range(160, 200))


def test_seen_pictures_are_those_of_training_divided_by_case():
    fitted, judged = fitted_and_judged(MANIFEST, "seen")
    assert sorted(fitted + judged) == list(range(140))
    assert len(judged) == 28  # a fifth of 70 cases of two
    cases = [set(MANIFEST["case"][rows]) for rows in (fitted, judged)]
    assert not cases[0] & cases[1]
    assert judged != list(range(28)) and judged != list(range(112, 140))
    shuffled = MANIFEST.sample(frac=1, random_state=0)
    assert sorted(fitted_and_judged(shuffled, "seen")[1]) == judged
    scores = probed(linear(), pictures(), Perceptron("seen", [8], 1, 32, 0.015, 0.9))
    assert scores["item"].tolist() == MANIFEST["id"][judged].tolist()


def test_pictures_that_judge_are_not_fitted_on():
    """What they show changes nothing about how the others are judged."""
    settings = Perceptron("seen", [8, 8], 2, 32, 0.015, 0.9)
    judged = fitted_and_judged(MANIFEST, "seen")[1]
    images, encoder = pictures(), linear()
    before = probed(encoder, images, settings)["value"]
    images[judged[0]] = images[judged[0]].flip(2)
    after = probed(encoder, images, settings)["value"]
    # it is the first of its own pairs, and the second of another's
    touched = {0, (len(judged) // 2) % len(judged)}
    assert {i for i in range(len(judged)) if before[i] != after[i]} <= touched


def test_of_two_cases_one_judges():
    two = MANIFEST.assign(case=["a", "b"] * (N // 2))
    fitted, judged = fitted_and_judged(two, "seen")
    assert len(fitted) == len(judged) == 70 and {i % 2 for i in judged} != {i % 2 for i in fitted}


def test_one_case_cannot_be_divided():
    one = MANIFEST.assign(case="c")
    with pytest.raises(UserError, match=r"probe.pictures: seen: .* one case \(c\).*take `unseen`"):
        fitted_and_judged(one, "seen")
