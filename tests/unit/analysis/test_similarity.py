"""How alike encoders are, against definitions written out, and on encoders of known likeness."""

from itertools import permutations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from factories import FINE, NAMES, WITH_360, at_nominal_rate, curves_of, of, shuffling
from scipy.stats import ortho_group

from thetascope.analysis import inference
from thetascope.analysis.oscillation import oscillation_table
from thetascope.analysis.scores import COLUMNS, arrange
from thetascope.analysis.similarity import Features, by_angle, cka, cosine, references
from thetascope.analysis.similarity import similarity_scores as scores_of
from thetascope.files import stream_parquet, write_npz, write_parquet


def draw(seed, items=7, width=5):
    return np.random.default_rng(seed).normal(size=(items, width))


def likeness(first, second):
    return cka(Features.of(first), Features.of(second)).mean()


def hsic(first, second):
    """As it is defined: the mean over all different i, j, q, r (Song et al. 2012, equation 3)."""
    k, m = ((f - f.mean(axis=0)) @ (f - f.mean(axis=0)).T for f in (first, second))
    terms = [
        k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in permutations(range(len(k)), 4)
    ]
    return np.mean(terms)


def by_definition(first, second):
    return hsic(first, second) / np.sqrt(hsic(first, first) * hsic(second, second))


def test_cka_is_made_of_hsic_as_it_is_defined():
    first, second = draw(0), draw(0) @ draw(1, 5, 4) + draw(2, 7, 4)
    assert likeness(first, second) == pytest.approx(by_definition(first, second))
    assert likeness(second, first) == pytest.approx(by_definition(first, second))


def test_items_deviate_from_it_as_their_pseudo_values_do():
    first, second = draw(0), draw(0) + draw(1)
    left = [by_definition(*(np.delete(f, i, axis=0) for f in (first, second))) for i in range(7)]
    found = cka(Features.of(first), Features.of(second))
    pseudo = 7 * by_definition(first, second) - 6 * np.array(left)
    assert found - found.mean() == pytest.approx(pseudo - pseudo.mean())


def test_turned_scaled_and_moved_features_are_the_same_and_others_are_not():
    first, second = draw(0, 20), draw(1, 20)
    turned = 3 * first @ ortho_group.rvs(5, random_state=0) + 7
    assert cka(Features.of(first), Features.of(turned)) == pytest.approx(np.ones(20))
    assert likeness(turned, second) == pytest.approx(likeness(first, second))
    order = np.random.default_rng(0).permutation(20)
    assert likeness(first[order], second[order]) == pytest.approx(likeness(first, second))
    # but not an invertible map that is no rotation: that is what tells CKA from CCA
    assert likeness(first, first * [1, 2, 4, 8, 16]) < 0.9


def plain(first, second):
    """The estimator of Kornblith et al. 2019."""
    a, b = (f - f.mean(axis=0) for f in (first, second))
    own = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    return np.linalg.norm(a.T @ b) ** 2 / own


def test_with_few_items_encoders_of_nothing_in_common_score_0_and_by_the_plain_estimator_1():
    pairs = [(draw(seed, 10, 500), draw(seed + 1000, 10, 500)) for seed in range(100)]
    found = [likeness(*pair) for pair in pairs]
    assert abs(np.mean(found)) < 4 * np.std(found) / 10
    assert np.mean([plain(*pair) for pair in pairs]) > 0.95


def half_shared(rng, items, width=40):
    """Features that two encoders share half of, with axes of unlike size."""
    size = 0.8 ** np.arange(width)
    shared, *own = rng.normal(size=(3, items, width)) * size
    return [shared + one for one in own]


@pytest.mark.parametrize("items", [10, 30])
def test_few_items_give_what_many_would_and_their_spread_says_how_surely(items):
    many = plain(*half_shared(np.random.default_rng(0), 20_000))
    rng = np.random.default_rng(1)
    found = [cka(*map(Features.of, half_shared(rng, items))) for _ in range(400)]
    means = np.mean(found, axis=1)
    assert means.mean() == pytest.approx(many, abs=0.04)
    errors = np.sqrt(np.var(found, axis=1, ddof=1).mean() / items)
    assert 0.75 < errors / means.std() < 1.5


def test_too_few_items_and_an_encoder_that_says_the_same_of_all_have_no_likeness():
    assert np.isnan(cka(Features.of(draw(0, 4)), Features.of(draw(1, 4)))).all()
    collapsed = np.repeat(draw(3, 1), 9, axis=0).astype(np.float32)
    assert np.isnan(cka(Features.of(draw(0, 9)), Features.of(collapsed))).all()
    assert np.isnan(cka(Features.of(collapsed), Features.of(collapsed))).all()
    rounded = collapsed * (1 + 1e-7 * draw(4, 9))  # the same but for its last digits
    assert np.isnan(cka(Features.of(draw(0, 9)), Features.of(rounded))).all()


def test_cosines_are_of_an_item_and_of_it_with_others():
    first, second = np.abs(draw(0)), np.abs(draw(1))

    def of_pair(i, j):
        return first[i] @ second[j] / np.linalg.norm(first[i]) / np.linalg.norm(second[j])

    own, chance = cosine(Features.of(first), Features.of(second))
    for i in range(7):
        others = [of_pair(i, j) for j in range(7) if j != i]
        others += [of_pair(j, i) for j in range(7) if j != i]
        assert own[i] == pytest.approx(of_pair(i, i))
        assert chance[i] == pytest.approx(np.mean(others))


def test_which_runs_a_run_is_held_against():
    grid = by_angle((float(a), seed) for a in (0, 90, 180, 270, 360) for seed in (0, 1))
    assert references((0.0, 1), grid) == {
        "similarity_quarter": [(90.0, 1)],
        "similarity_replicate": [(0.0, 0), (360.0, 0), (360.0, 1)],
    }
    assert references((270.0, 0), grid) == {
        "similarity_zero": [(0.0, 0)],
        "similarity_quarter": [(0.0, 0)],
        "similarity_replicate": [(270.0, 1)],
    }
    assert references((360.0, 0), grid)["similarity_zero"] == [(0.0, 0)]
    assert references((360.0, 0), grid)["similarity_quarter"] == [(90.0, 0)]
    # of a staggered grid only the first seed has 0; no angle has a second run
    staggered = by_angle([(0.0, 4), (90.0, 4), (45.5, 2), (135.5, 2)])
    assert references((45.5, 2), staggered) == {"similarity_quarter": [(135.5, 2)]}
    assert references((90.0, 4), staggered) == {"similarity_zero": [(0.0, 4)]}
    assert references((10.0, 0), by_angle([(10.0, 0), (30.0, 0)])) == {}


# -- studies ---------------------------------------------------------------------------------------


MANIFEST = pd.DataFrame(
    {"id": [f"i{i}" for i in range(20)], "case": [f"c{i // 2}" for i in range(20)]}
)
ITEMS = np.arange(6, 18)


ARM = {column: NAMES[column] for column in ("dataset", "view", "encoder", "method")}


def study(folder, encoders, backbone, manifest=MANIFEST, arm=ARM):
    """Scores of runs (angle, seed) with these features."""
    files = {}
    for number, (run, features) in enumerate(encoders.items()):
        files[run] = folder / f"{number}.npz"
        arrays = {"items": ITEMS, "encoder": features, "backbone": backbone}
        write_npz(files[run], {}, **arrays)
    return scores_of(files, manifest, arm)


def test_scores_are_those_of_the_encoders_and_their_items(tmp_path):
    encoders = {(a, seed): draw(int(a) + seed, 12) for a in (0.0, 90.0) for seed in (0, 1)}
    backbone = draw(5, 12)
    found = study(tmp_path, encoders, backbone)
    assert list(found) == COLUMNS
    assert (found["training"] == "fixed").all() and found["angle"].equals(found["eval_angle"])
    rows = of(found, angle=90.0, seed=1, metric="cka")
    assert rows["attribution"].unique().tolist() == [
        "similarity_backbone",
        "similarity_zero",
        "similarity_replicate",
    ]
    for name, other in ("backbone", backbone), ("zero", encoders[0.0, 1]):
        row = of(rows, attribution=f"similarity_{name}")
        assert row["value"].mean() == pytest.approx(likeness(encoders[90.0, 1], other))
        assert (row["chance"] == 0).all()
        assert row["item"].tolist() == [f"i{i}" for i in ITEMS]
        assert row["case"].tolist() == [f"c{i // 2}" for i in ITEMS]
    rows = of(found, angle=0.0, seed=0, metric="cosine", attribution="similarity_quarter")
    own, chance = cosine(*(Features.of(encoders[a, 0]) for a in (0.0, 90.0)))
    assert rows["value"].tolist() == pytest.approx(own.tolist())
    assert rows["chance"].tolist() == pytest.approx(chance.tolist())
    assert of(found, angle=0.0, attribution="similarity_zero").empty


def test_several_runs_of_an_angle_count_by_their_mean(tmp_path):
    encoders = {(90.0, seed): draw(seed, 12) for seed in range(4)}
    found = of(study(tmp_path, encoders, draw(5, 12)), attribution="similarity_replicate", seed=1)
    expected = [likeness(encoders[90.0, 1], encoders[90.0, other]) for other in (0, 2, 3)]
    assert of(found, metric="cka")["value"].mean() == pytest.approx(np.mean(expected))


def written(scores, path):
    """What is read of a file of them."""
    write_parquet([pa.Table.from_pandas(scores, preserve_index=False)], path, {})
    return [part.to_pandas() for part in stream_parquet(path, COLUMNS)]


def test_an_arm_without_a_run_at_an_angle_has_no_rows(tmp_path):
    found = scores_of({}, MANIFEST, ARM)
    assert list(found) == COLUMNS
    assert written(found, tmp_path / "similarity.parquet") == []


def test_what_is_written_of_several_arms_is_read_as_their_scores(tmp_path):
    encoders = {(90.0, seed): draw(seed, 12) for seed in range(2)}
    parts = []
    for view in "plain", "disc":
        scores = study(tmp_path, encoders, draw(5, 12), arm=ARM | {"view": view})
        parts += written(scores, tmp_path / "similarity.parquet")
    found = arrange(parts)
    assert len(found) == 2 * 4  # CKA and cosine, with the backbone and with the replicate
    for one in found:
        assert set(ARM) <= set(one.key) and one.cells == [("fixed", 90.0, 90.0)]
    kind = {"attribution": "similarity_backbone", "metric": "cka", "view": "disc"}
    (one,) = (s for s in found if kind.items() <= s.key.items())
    expected = [likeness(encoders[90.0, seed], draw(5, 12)) for seed in range(2)]
    assert one.value.mean(axis=2)[0] == pytest.approx(expected)


def test_what_is_learnt_anew_every_90_degrees_is_found_without_a_map(tmp_path):
    """Two encoders, between which training goes to and fro; no two runs are quite the same."""
    one, other, backbone = (draw(seed, 12, 8) for seed in range(3))
    rng = np.random.default_rng(0)
    encoders = {}
    for angle in [*FINE, 360.0]:
        share = (1 + np.cos(np.deg2rad(4 * angle))) / 2
        for seed in range(2):
            noise = 0.3 * rng.normal(size=one.shape)
            encoders[angle, seed] = share * one + (1 - share) * other + noise
    found = curves_of(study(tmp_path, encoders, backbone))
    periods = [360, 180, 120, 90]
    tests = inference.period_tests(found, periods, shuffling(999))
    waves = oscillation_table(found, periods, 0.95)
    zero = {"attribution": "similarity_zero", "series": "value"}
    for metric in "cka", "cosine":
        p = of(tests, metric=metric, **zero).set_index("period")["p"]
        assert p[90] < 0.001 and (p.drop(90) > 0.01).all()
        row = of(waves, metric=metric, period=90, **zero).iloc[0]
        assert min(row["phase_deg"], 90 - row["phase_deg"]) < 5
        assert row["amplitude_cases_ci_low"] > 0 and row["n_items"] == 12
    # an encoder has a part in several of these values: shuffling would take that for a wave
    shared = tests["attribution"].isin(["similarity_quarter", "similarity_replicate"])
    assert shared.any() and tests.loc[shared, "p"].isna().all()
    between = of(waves, attribution="similarity_quarter", metric="cka", series="value", period=90)
    assert between["amplitude"].item() < 0.1  # what is learnt at θ and θ + 90 is the same


def cells_of_chance(rng):
    """Likeness of runs that differ by chance alone with one more of them: [angles, 1]."""
    zero, *encoders = (Features.of(features) for features in rng.normal(size=(13, 6, 3)))
    return np.array([[cka(one, zero).mean()] for one in encoders])


def test_runs_that_differ_by_chance_alone_differ_from_that_at_0_at_the_nominal_rate():
    """With 360 on the grid: a run at 0 as good as any other, but not the one held against."""
    rng = np.random.default_rng(0)
    key = {"model": "pretrained", "attribution": "similarity_zero", "series": "value"}
    key |= {"sweep": "diagonal"}
    theta = WITH_360[1:, None]
    p = [
        inference.test_rows(key, theta, cells_of_chance(rng)[..., None], [360, 90], shuffling())
        for _ in range(300)
    ]
    for place in range(2):
        assert at_nominal_rate([rows[place]["p"] for rows in p])
