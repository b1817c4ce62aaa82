"""Correlation of curves over θ with those of tasks."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from thetascope.analysis.downstream import correlation_test, downstream_table
from thetascope.analysis.scores import arrange, segmentation_scores

THETA = np.arange(0, 360, 30.0)


def scores(map_, metric, curve):
    offsets = np.random.default_rng(0).normal(size=3)
    rows = [
        {"item": f"i{i}", "seed": "0", "angle": f"{t:05.1f}", "eval_angle": f"{t:05.1f}"}
        | {"value": value + offset, "null": 0.1}
        for t, value in zip(THETA, curve, strict=True)
        for i, offset in enumerate(offsets)
    ]
    arm = {"dataset": "d", "view": "plain", "encoder": "e", "method": "moco"}
    what = {"model": "m", "orientation": "original", "map": map_, "metric": metric}
    return pd.DataFrame(rows).assign(**arm, **what)


def test_correlations_against_scipy():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 12))
    pearson, spearman, p = correlation_test(a, b, 9999, 0)
    assert pearson == pytest.approx(stats.pearsonr(a, b).statistic)
    assert spearman == pytest.approx(stats.spearmanr(a, b).statistic)
    reference = stats.permutation_test(
        (a,), lambda x: stats.spearmanr(x, b).statistic, permutation_type="pairings",
        n_resamples=2000, rng=0,
    )  # fmt: skip
    assert p == pytest.approx(reference.pvalue, abs=0.06)  # doubles one side


def test_p_is_at_its_nominal_level_and_at_least_one_in_all_draws():
    rng = np.random.default_rng(0)
    p = np.array([correlation_test(*rng.normal(size=(2, 12)), 199, i)[2] for i in range(400)])
    assert 0.02 < (p <= 0.05).mean() < 0.08
    assert correlation_test(THETA, THETA, 99, 0)[2] == 1 / 100
    assert np.isnan(correlation_test(THETA, np.ones(12), 99, 0)).all()


def test_curves_of_maps_meet_those_of_tasks():
    curve = np.cos(np.deg2rad(THETA))
    table = downstream_table(
        arrange(
            [
                pd.concat(
                    [
                        scores("smoothgrad", "auroc", curve),
                        scores("segmentation", "dice_class_1", curve),
                        scores("probe", "probe_accuracy", -curve),
                    ]
                )
            ]
        ),
        99,
        0,
    )
    assert table[["series", "task"]].to_numpy().tolist() == [
        ["excess", "dice_class_1"],
        ["excess", "probe_accuracy"],
        ["value", "dice_class_1"],
        ["value", "probe_accuracy"],
    ]
    assert table["pearson"].tolist() == pytest.approx([1, -1, 1, -1])
    assert (table["n_angles"] == 12).all()


def test_segmentation_dice_becomes_scores_like_any():
    rows = [
        ("000.0", "0", "a", "1", 0.5, 0.2),
        ("000.0", "0", "a", "2", 0.7, 0.1),
        ("000.0", "0", "b", "1", 0.9, 0.3),
        ("000.0", "0", "b", "2", np.nan, np.nan),
        ("none", "0", "a", "1", 0.4, 0.2),
    ]
    table = pd.DataFrame(rows, columns=["angle", "seed", "item", "class", "dice", "baseline"])
    table = table.assign(dataset="d", view="v", encoder="e", method="m", case="c")
    found = segmentation_scores(table).set_index(["metric", "item"])
    assert len(found) == 6  # nothing of `none`, which has no angle
    assert (found["eval_angle"] == "000.0").all()
    assert found.loc[("dice_class_2", "a"), ["value", "null"]].tolist() == [0.7, 0.1]
    assert found.loc[("dice_macro", "a"), ["value", "null"]].tolist() == pytest.approx([0.6, 0.15])
    assert found.loc[("dice_macro", "b"), "value"] == 0.9
    one = segmentation_scores(table[table["class"] == "1"])
    assert set(one["metric"]) == {"dice_class_1"}
