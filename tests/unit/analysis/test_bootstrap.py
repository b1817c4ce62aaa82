"""Draws and intervals."""

import numpy as np
import pytest
from factories import intervals, shuffling

from thetascope.analysis.bootstrap import bootstrap_means, interval, mean, shuffles


def test_angles_are_paired():
    values = np.random.default_rng(0).normal(size=(1, 2, 9))
    draws = bootstrap_means(np.concatenate([values, values + 1]), intervals(200))
    assert draws[1] - draws[0] == pytest.approx(1.0)
    assert draws[0].std() > 0.1


def test_draws_are_means_of_items_drawn_with_replacement():
    # powers of a base above the number of items: each mean tells how often each item was drawn
    items = 4
    values = (float(items + 1) ** np.arange(items)).reshape(1, 1, items)
    sums = np.rint(bootstrap_means(values, intervals(300))[0] * items).astype(int)
    counts = sums[:, None] // (items + 1) ** np.arange(items) % (items + 1)
    assert (counts.sum(axis=1) == items).all()
    assert len(np.unique(counts, axis=0)) > 20
    assert counts.mean(axis=0) == pytest.approx(1, abs=0.15)


def test_seeds_are_drawn_too_and_all_with_the_same_items():
    seeds, items = np.arange(3) * 100.0, np.array([0, 1, 2, 3.0])
    (draws,) = bootstrap_means((seeds[:, None] + items)[None], intervals(400))
    # a draw of seeds adds a multiple of 100 / 3, a draw of items less than 4
    drawn = np.rint((draws - 1.5) / (100 / 3))
    assert set(drawn) == set(range(7))
    rest = draws - drawn * 100 / 3
    assert set(np.rint(rest * 4)) <= set(range(13)) and np.allclose(rest * 4, np.rint(rest * 4))


def test_what_is_missing_is_left_out_of_a_draw():
    values = np.array([[[1, 3, np.nan]], [[np.nan] * 3]])
    one, nothing = bootstrap_means(values, intervals(200))
    assert {1, 1.5, 2, 3} & set(one) and np.nanmin(one) == 1 and np.nanmax(one) == 3
    assert np.isnan(one).mean() == pytest.approx(1 / 27, abs=0.04)  # the third alone was drawn
    assert np.isnan(nothing).all()


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_an_interval_has_the_same_share_of_the_draws_on_both_sides(confidence):
    draws = np.random.default_rng(0).exponential(size=(2, 1001))  # skewed: no side is the other
    low, high = interval(draws, confidence)
    assert low.tolist() == np.quantile(draws, (1 - confidence) / 2, axis=1).tolist()
    assert high.tolist() == pytest.approx(np.quantile(draws, (1 + confidence) / 2, axis=1))


def test_draws_of_nothing_are_left_out_of_the_interval():
    draws = np.array([[1, 2, np.nan, 3], [np.nan] * 4, [5, 6, 7, 8]])
    low, high = interval(draws, 0.5)
    assert low.tolist() == pytest.approx([1.5, np.nan, 5.75], nan_ok=True)
    assert high.tolist() == pytest.approx([2.5, np.nan, 7.25], nan_ok=True)


def test_a_mean_leaves_out_what_is_missing():
    values = np.array([[1, np.nan, 5], [np.nan] * 3])
    assert mean(values, 1).tolist() == pytest.approx([3, np.nan], nan_ok=True)
    assert mean(values, (0, 1)) == 3


def test_the_seed_alone_decides_the_draws():
    values = np.random.default_rng(0).normal(size=(2, 2, 5))
    one, same, other = (bootstrap_means(values, intervals(9, seed=s)) for s in (1, 1, 2))
    assert one.tolist() == same.tolist() != other.tolist()
    orders = [shuffles((3, 12), shuffling(20, seed)) for seed in (1, 1, 2)]
    assert (orders[0] == orders[1]).all() and (orders[0] != orders[2]).any()


def test_every_seed_is_shuffled_in_an_order_of_its_own():
    orders = shuffles((3, 12), shuffling(50))
    assert orders.shape == (50, 3, 12)
    assert (np.sort(orders, axis=-1) == np.arange(12)).all()
    assert (orders[:, 0] != orders[:, 1]).any(axis=1).all()
