"""How much of a map would come out again: the formula, and the table of all maps."""

import numpy as np
import pandas as pd
import pytest
from factories import NAMES, cells, every, intervals, of
from scipy import stats

from thetascope.analysis.bootstrap import bootstrap_means
from thetascope.analysis.reliability import COUNTS, KIND, MEASURES, reliability_table
from thetascope.analysis.reliability import spearman_brown as whole_of


def rows(angles, split_half, predicted=np.nan, sameness=(np.nan, np.nan), **names):
    """Rows as `scores.per_item` merges them; all but names are [angles, seeds, items].

    `sameness` is that of the maps and that of the masks.
    """
    shape = np.shape(split_half)
    cell, seed, item = (index.ravel() for index in np.indices(shape))
    halves = cells(angles).iloc[cell].assign(seed=seed, item=[f"i{i}" for i in item])
    halves = halves.assign(split_half=np.ravel(split_half))
    of_maps, of_masks = sameness
    beside = {"predicted": predicted, "sameness": of_maps, "mask_sameness": of_masks}
    halves = halves.assign(**{k: np.broadcast_to(v, shape).ravel() for k, v in beside.items()})
    return every(halves, **names).drop(columns="metric")


def table(*parts, bootstrap=None):
    return reliability_table(pd.concat(parts, ignore_index=True), bootstrap or intervals())


# -- the formula -----------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0, 10.0])
def test_a_whole_correlates_with_another_whole_as_spearman_and_brown_say(noise):
    """Two maps of the same signal, each the mean of two halves of noise of their own."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=400_000)
    halves = signal + noise * rng.normal(size=(2, 2, 400_000))  # [whole, half, pixels]
    of_halves = np.corrcoef(*halves[0])[0, 1]
    of_wholes = np.corrcoef(*halves.mean(axis=1))[0, 1]
    assert whole_of(of_halves) == pytest.approx(of_wholes, abs=0.006)
    assert of_halves < of_wholes - 0.003  # the formula does something


def test_the_formula_at_its_ends():
    assert whole_of(np.array([0, 1, 1 / 3, -0.2])).tolist() == pytest.approx([0, 1, 0.5, -0.5])


# -- the table -------------------------------------------------------------------------------------


def test_the_mean_is_over_angles_seeds_and_items_and_the_interval_over_items():
    # skewed: low and high are no mirror
    r, same, of_masks = np.random.default_rng(0).beta(2, 5, (3, 3, 2, 6))
    bootstrap = intervals(300, 0.8)
    found = table(rows([0, 45, 90], r, sameness=(same, of_masks)), bootstrap=bootstrap)
    (row,) = found.to_dict("records")
    assert {column: row[column] for column in KIND} == {column: NAMES[column] for column in KIND}

    def with_interval(values):
        of_items = values.mean(axis=(0, 1))
        ends = np.quantile(bootstrap_means(of_items[None, None], bootstrap), [0.1, 0.9])
        return np.array([of_items.mean(), *ends])

    split_half = with_interval(r)
    whole = 2 * split_half / (1 + split_half)
    expected = [*split_half, *whole, *with_interval(same), of_masks.mean()]
    assert [row[name] for name in MEASURES] == pytest.approx(expected)
    assert row["split_half_ci_low"] < row["split_half"] < row["split_half_ci_high"]
    assert len(np.unique(np.round([*split_half, *whole], 6))) == 6


def test_the_interval_shrinks_with_items_and_not_with_angles():
    """Maps of one item at many angles are no more items."""

    def width(angles, items):
        of_items = stats.norm(0.4, 0.1).ppf((np.arange(items) + 0.5) / items)
        r = np.broadcast_to(of_items, (angles, 1, items))
        found = table(rows(range(angles), r), bootstrap=intervals(800)).iloc[0]
        return found["split_half_ci_high"] - found["split_half_ci_low"]

    assert width(12, 20) == pytest.approx(width(2, 20))
    # of the standard error 0.1 / √items
    assert width(2, 100) == pytest.approx(2 * 1.645 * 0.1 / 10, rel=0.15)
    assert width(2, 20) / width(2, 100) == pytest.approx(5**0.5, rel=0.15)


def test_maps_without_a_correlation_and_of_no_foreground_are_counted():
    r, predicted = np.full((2, 3, 4), 0.25), np.full((2, 3, 4), 0.1)
    r[0, 0, 0] = r[1, 2, 3] = np.nan  # a map that is constant
    predicted[0, :2, 1] = predicted[1, 0, 3] = 0
    row = table(rows([0, 90], r, predicted)).iloc[0]
    assert row[COUNTS].tolist() == [22, 3, 4]
    assert row[["split_half", "reliability"]].tolist() == pytest.approx([0.25, 0.4])
    assert table(rows([0, 90], r))["n_no_foreground"].tolist() == [0]  # nothing was predicted


def test_an_item_counts_once_however_many_of_its_maps_have_a_correlation():
    r = np.array([[[0.8, 0.2]], [[np.nan, 0.2]], [[np.nan, 0.2]]])
    assert table(rows([0, 90, 180], r))["split_half"].item() == pytest.approx(0.5)


def test_every_model_and_input_has_a_row_of_its_own_in_order():
    names = [("pretrained", "rotated"), ("finetuned", "original"), ("finetuned", "rotated")]
    parts = [
        rows([0, ("none", 0)], np.full((2, 1, 3), i / 10), model=model, input=input_)
        for i, (model, input_) in enumerate(names, 1)
    ]
    other = rows([0], np.full((1, 1, 3), 0.9), dataset="c")
    found = table(*parts, other)
    assert found["dataset"].tolist() == ["c", "d", "d", "d"]
    assert found[KIND].equals(found[KIND].sort_values(KIND))
    for i, (model, input_) in enumerate(names, 1):
        row = of(found, dataset="d", model=model, input=input_)
        assert row["split_half"].tolist() == pytest.approx([i / 10])
        assert row[COUNTS].to_numpy().tolist() == [[6, 0, 3]]


def test_maps_of_one_sample_have_no_halves_and_no_reliability():
    """A column without any number is read as one of objects."""
    r = rows([0, 90], np.full((2, 1, 3), np.nan)).astype({"split_half": object})
    (row,) = table(r).to_dict("records")
    assert np.isnan([row[name] for name in MEASURES]).all()
    assert [row[name] for name in COUNTS] == [0, 0, 3]
