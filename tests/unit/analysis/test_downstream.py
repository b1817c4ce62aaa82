"""Correlation of curves over θ with those of tasks."""

import numpy as np
import pytest
from factories import REGULAR, curves_of, of, score_rows, shuffling, wave
from scipy import stats

from thetascope.analysis.downstream import correlation_test, downstream_table


def table(*rows, permutations=None):
    return downstream_table(curves_of(*rows), permutations or shuffling())


def task(angles, value, **names):
    """Scores of segmentation, unless it says otherwise."""
    names = {"attribution": "segmentation", "metric": "dice_class_1"} | names
    return score_rows(angles, value, own_cut=np.nan, model="finetuned", **names)


def test_correlations_against_scipy():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 12))
    pearson, spearman, p = correlation_test(a, b, shuffling(9999))
    assert pearson == pytest.approx(stats.pearsonr(a, b).statistic)
    assert spearman == pytest.approx(stats.spearmanr(a, b).statistic)
    reference = stats.permutation_test(
        (a,), lambda x: stats.spearmanr(x, b).statistic, permutation_type="pairings",
        n_resamples=2000, rng=0,
    )  # fmt: skip
    assert p == pytest.approx(reference.pvalue, abs=0.06)  # doubles one side


def test_p_is_at_its_nominal_level_and_at_least_one_in_all_draws():
    rng = np.random.default_rng(0)
    pairs = rng.normal(size=(400, 2, 12))
    p = np.array([correlation_test(*pair, shuffling(199, i))[2] for i, pair in enumerate(pairs)])
    assert 0.02 < (p <= 0.05).mean() < 0.08
    assert correlation_test(REGULAR, REGULAR, shuffling(99))[2] == 1 / 100
    assert np.isnan(correlation_test(REGULAR, np.ones(12), shuffling(99))).all()


def test_one_p_for_one_seed_of_the_draws():
    pair = np.random.default_rng(3).normal(size=(2, 12))
    first, again, other = (correlation_test(*pair, shuffling(499, seed))[2] for seed in (1, 1, 2))
    assert first == again != other


def test_all_series_of_maps_but_chance_meet_the_value_of_every_task():
    rng = np.random.default_rng(0)
    curves = {name: rng.normal(size=12) for name in ("value", "chance", "own_cut", "dice", "probe")}
    noise = rng.normal(size=(2, 12))  # chance of tasks, which nobody asks for
    found = table(
        score_rows(REGULAR, curves["value"], curves["chance"], curves["own_cut"]),
        task(REGULAR, curves["dice"], chance=noise[0]),
        task(REGULAR, curves["probe"], chance=noise[1], attribution="probe", metric="accuracy"),
        # neither map nor task
        task(REGULAR, noise[0], attribution="similarity_zero", metric="cka"),
    )
    assert found[["series", "task"]].to_numpy().tolist() == [
        ["excess", "accuracy"],
        ["excess", "dice_class_1"],
        ["turning", "accuracy"],
        ["turning", "dice_class_1"],
        ["value", "accuracy"],
        ["value", "dice_class_1"],
    ]
    value = curves["value"]
    maps = value - curves["chance"], value - curves["own_cut"], value
    pairs = [(map_, curves[name]) for map_ in maps for name in ("probe", "dice")]
    expected = [correlation_test(*pair, shuffling()) for pair in pairs]
    rows = found[["pearson", "spearman", "p"]].to_numpy()
    assert rows == pytest.approx(np.array(expected))
    assert (found[["n_angles", "permutations"]] == [12, 99]).all(axis=None)


def test_only_what_was_trained_and_evaluated_at_the_same_angle_is_asked():
    """Other sweeps have other curves; the task has but the diagonal."""
    pairs = [(a, e) for a in REGULAR for e in REGULAR] + [("random", e) for e in REGULAR]
    curve = np.random.default_rng(0).normal(size=len(pairs))
    of_task = np.random.default_rng(1).normal(size=12)
    found = table(score_rows(pairs, curve), task(REGULAR, of_task))
    assert found["series"].tolist() == ["excess", "turning", "value"]
    diagonal = curve[:144].reshape(12, 12).diagonal()
    expected = np.corrcoef(diagonal, of_task)[0, 1]
    assert found["pearson"].tolist() == pytest.approx([expected] * 3)


def test_curves_meet_the_task_of_their_own_arm():
    rng = np.random.default_rng(0)
    maps, tasks = {}, {}
    for names in ("d", "plain"), ("d", "disc"), ("other", "plain"):
        maps[names], tasks[names] = rng.normal(size=(2, 12))
    rows = [
        make(REGULAR, curve, dataset=dataset, view=view)
        for make, curves in ((score_rows, maps), (task, tasks))
        for (dataset, view), curve in curves.items()
    ]
    found = of(table(*rows), series="value").set_index(["dataset", "view"])["pearson"]
    expected = {names: np.corrcoef(maps[names], tasks[names])[0, 1] for names in maps}
    assert found.to_dict() == pytest.approx(expected)


def test_curves_meet_at_the_angles_that_both_have():
    value = wave(REGULAR, 1, 180) + 0.1 * REGULAR
    shared = REGULAR[2:]
    found = table(score_rows(REGULAR, value), task(shared, -value[2:]))
    assert found["pearson"].tolist() == pytest.approx([-1] * 3)
    assert found["n_angles"].tolist() == [10] * 3
    assert table(score_rows(REGULAR, value), task(REGULAR + 15, value)).empty
    three = [0, 30, 60, 75, 105]  # of which the maps have three, too few for a curve
    assert table(score_rows(REGULAR, value), task(three, value[:5])).empty
