"""Recognising curves: on curves of known shapes, at the rate that theory gives, and at chance."""

import numpy as np
import pandas as pd
import pytest
from factories import REGULAR, analysis, curves_of, of, score_rows, shuffling, wave
from scipy import integrate, stats

from thetascope.analysis.signatures import COLUMNS, Curves, accuracies, signature_table

FEW = shuffling(1)
FINE = np.arange(0, 360, 10.0)


def seeds_of(rng, shapes, seeds, noise=1.0):
    """Curves of these shapes [levels, angles] with white noise, one slot per seed."""
    shapes = np.asarray(shapes)
    values = shapes + noise * rng.normal(size=(seeds, *shapes.shape))
    return Curves(values - values.mean(axis=2, keepdims=True), ~np.eye(seeds, dtype=bool))


def orthogonal_rate(distance, levels):
    """How often the right one of orthogonal signals of equal energy stands out of white noise.

    Proakis, Digital Communications: the integral of φ(z − d) Φ(z)^(levels − 1).
    """
    density = lambda z: stats.norm.pdf(z - distance) * stats.norm.cdf(z) ** (levels - 1)  # noqa: E731
    return integrate.quad(density, -10, 20)[0]


@pytest.mark.parametrize("amplitude", [0.25, 0.4])
def test_distinct_waves_are_recognised_at_the_rate_that_theory_gives(amplitude):
    shapes = [wave(FINE, amplitude, period) for period in (360, 180, 120, 90)]
    expected = orthogonal_rate(amplitude * np.sqrt(len(FINE) / 2), 4)
    found = accuracies(seeds_of(np.random.default_rng(0), shapes, 300), FEW)
    error = np.sqrt(expected * (1 - expected) / 1200)
    for classifier, shares in found.items():
        assert shares[0] == pytest.approx(expected, abs=4 * error + 0.01), classifier


def test_of_two_opposite_waves_theory_says_more():
    shapes = [wave(FINE, 0.2, 90), wave(FINE, -0.2, 90)]
    expected = stats.norm.cdf(0.2 * np.sqrt(len(FINE) / 2))
    found = accuracies(seeds_of(np.random.default_rng(0), shapes, 400), FEW)
    for shares in found.values():
        assert shares[0] == pytest.approx(
            expected, abs=4 * np.sqrt(expected * (1 - expected) / 800)
        )


def test_curves_with_one_common_wave_are_recognised_at_chance_and_p_at_its_level():
    rng = np.random.default_rng(1)
    studies = [
        accuracies(seeds_of(rng, [wave(REGULAR, 3, 90)] * 3, 3), shuffling(99)) for _ in range(300)
    ]
    for classifier in studies[0]:
        shares = np.array([study[classifier] for study in studies])
        assert shares[:, 0].mean() == pytest.approx(1 / 3, abs=4 * shares[:, 0].std() / 300**0.5)
        p = (shares >= shares[:, :1] - 1e-9).mean(axis=1)
        assert (p <= 0.05).mean() < 0.09  # shares are few numbers, so that it is often below


def test_every_classifier_as_it_is_written_out():
    """Two levels of three slots, one of which is recognised by the others."""
    values = np.random.default_rng(11).normal(size=(3, 2, 8))  # each classifier has other hits
    known = ~np.eye(3, dtype=bool)
    hits = {"centroid": [], "cosine": [], "euclidean": []}

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    alike = {"cosine": cosine, "euclidean": lambda a, b: -np.linalg.norm(a - b)}
    for slot in range(3):
        others = [i for i in range(3) if i != slot]
        for level in range(2):
            x = values[slot, level]
            means = values[others].mean(axis=0)
            nearest = np.argmin([np.linalg.norm(x - mean) for mean in means])
            hits["centroid"].append(nearest == level)
            for name, measure in alike.items():
                weights = []
                for i, j in (others, others[::-1]):
                    own = np.mean([measure(values[i, k], values[j, k]) for k in range(2)])
                    cross = np.mean([measure(values[i, k], values[j, 1 - k]) for k in range(2)])
                    weights.append(max(0, own - cross))
                weights = weights if any(weights) else [1, 1]
                scores = [
                    sum(w * measure(x, values[i, k]) for w, i in zip(weights, others, strict=True))
                    for k in range(2)
                ]
                hits[name].append(np.argmax(scores) == level)
    found = accuracies(Curves(values, known), FEW)
    assert {name: shares[0] for name, shares in found.items()} == {
        name: pytest.approx(np.mean(of_name)) for name, of_name in hits.items()
    }
    assert len({sum(of_name) for of_name in hits.values()}) == 3


def test_curves_that_cannot_be_told_apart_share_the_hit():
    flat = Curves(np.zeros((3, 4, 12)), ~np.eye(3, dtype=bool))
    assert {shares[0] for shares in accuracies(flat, FEW).values()} == {0.25}


# -- tables ----------------------------------------------------------------------------------------


def study(curve_of, seeds=3, noise=0.02, datasets="abc", encoders="ef", **names):
    """Scores of curves `curve_of(dataset, encoder)` with noise of every run."""
    rng = np.random.default_rng(0)
    parts = []
    for dataset in datasets:
        for encoder in encoders:
            curve = np.asarray(curve_of(dataset, encoder))[:, None]
            value = 0.5 + curve + noise * rng.normal(size=(len(REGULAR), seeds))
            parts.append(
                score_rows(REGULAR, value, seeds=seeds, dataset=dataset, encoder=encoder, **names)
            )
    return pd.concat(parts)


PERIODS = {"a": 360, "b": 180, "c": 120}


def by_dataset(dataset, encoder):
    return wave(REGULAR, 0.1, PERIODS[dataset])


def table(*parts, **changes):
    return signature_table(curves_of(*parts), analysis(**changes))


def accuracy(found, **values):
    rows = of(found, **values)
    return dict(zip(rows["classifier"], rows["accuracy"], strict=True))


def test_a_wave_of_the_data_set_tells_it_across_encoders_and_no_encoder():
    found = table(study(by_dataset))
    assert list(found) == COLUMNS
    assert (found["question"] == "main").all() and (found["series"] == "excess").all()
    for across in "seeds", "others":
        told = of(found, factor="dataset", across=across)
        assert (told["accuracy"] == 1).all() and (told["p"] <= 0.02).all() and len(told) == 3
        assert (told["chance"] == 1 / 3).all() and (told["n_curves"] == 18).all()
        not_told = of(found, factor="encoder", across=across)
        assert (not_told["chance"] == 0.5).all() and (not_told["accuracy"] < 0.9).all()
        assert (not_told["p"] > 0.02).all()
    q = of(found, classifier="cosine")["q"]
    expected = stats.false_discovery_control(of(found, classifier="cosine")["p"])
    assert q.to_numpy() == pytest.approx(expected)


def test_what_every_arm_has_of_its_own_is_told_by_seeds_alone():
    """Period and phase that no two arms share: an encoder's is no help with that of another."""
    phases = iter(range(0, 360, 60))
    found = table(study(lambda dataset, encoder: wave(REGULAR, 0.1, 360, next(phases))))
    assert set(accuracy(found, factor="dataset", across="seeds").values()) == {1}
    assert max(accuracy(found, factor="dataset", across="others").values()) < 0.7


def test_one_seed_is_never_recognised_by_itself():
    """Runs of one seed share their random state, which would be recognised."""
    assert table(study(by_dataset, seeds=1)).empty
    assert len(table(study(by_dataset, encoders="e"))) == 3  # across seeds alone, data sets alone


def test_likeness_to_other_seeds_is_not_recognised():
    """Of two seeds it is one number: the curve of one would be recognised by itself."""
    likeness = {"input": "original", "metric": "cka", "series": "value"}
    parts = [
        study(by_dataset, attribution=name, **likeness)
        for name in ("similarity_backbone", "similarity_replicate")
    ]
    assert set(table(*parts)["attribution"]) == {"similarity_backbone"}


def test_what_is_recognised_without_learning_stands_beside_it():
    footprint = {"model": "baseline", "attribution": "footprint"}
    probe = {"input": "pair", "attribution": "probe", "metric": "probe_accuracy"}
    untrained = study(by_dataset, noise=0, **probe).assign(training="none", angle=np.nan)
    parts = study(by_dataset, noise=0, **footprint), untrained, study(by_dataset, **probe)
    kind = {"factor": "dataset", "across": "seeds", "classifier": "centroid", "series": "value"}
    found = of(table(*parts), **kind)
    kinds = found[["question", "training", "attribution", "accuracy"]].to_numpy().tolist()
    assert kinds == [
        ["exploratory", "fixed", "probe", 1.0],
        ["no learning", "fixed", "footprint", 1.0],
        ["no learning", "none", "probe", 1.0],
    ]
