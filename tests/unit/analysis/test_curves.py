"""Which curves there are, and what lies on them."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from factories import REGULAR, score_rows, wave

from thetascope.analysis.curves import (
    COUNTS,
    KEY,
    curve_table,
    curves,
    exchangeable,
    joined,
    of_means,
)
from thetascope.analysis.scores import arrange
from thetascope.analysis.sweeps import sweeps

SERIES = ["value", "chance", "excess", "turning"]
QUARTERS = [0.0, 90.0, 180.0, 270.0]
CROSSED = [*product(QUARTERS, QUARTERS), *product(["none", "random"], QUARTERS)]


def of_rows(rows):
    return list(curves(arrange([rows])))


def one(rows, series="value", **place):
    """The only curve of this series in this place."""
    found = [c for c in of_rows(rows) if c.key.items() >= (place | {"series": series}).items()]
    (curve,) = found
    return curve


def series_of(value, chance, own_cut):
    return [value, chance, value - chance, value - own_cut]


def places(rows):
    keys = ("training", "sweep", "held_angle", "series")
    return {tuple(curve.key[k] for k in keys) for curve in of_rows(rows)}


# -- which there are -------------------------------------------------------------------------------


def test_full_grid_has_every_sweep():
    expected = {("fixed", "diagonal", None)}
    expected |= {("fixed", kind, angle) for kind in ("train", "eval") for angle in QUARTERS}
    expected |= {(how, "eval", None) for how in ("random", "none")}
    expected |= {("fixed", "train_margin", None), ("fixed", "eval_margin", None)}
    rows = score_rows(CROSSED, 0.5)
    assert places(rows) == {(*place, series) for place in expected for series in SERIES}


def test_curves_are_the_sweeps_and_their_margins():
    (scores,) = arrange([score_rows(CROSSED, np.arange(24.0))])
    found = {c.key["training"]: 0 for c in curves([scores])}
    assert found.keys() == {"fixed", "random", "none"}
    for sweep, members in sweeps(scores.cells).items():
        place = dict(training=sweep.training, sweep=sweep.kind, held_angle=sweep.held_angle)
        (curve,) = [
            c for c in curves([scores]) if c.key.items() >= (place | {"series": "value"}).items()
        ]
        assert curve.angles.tolist() == [sweep.theta(scores.cells[i]) for i in members]
        assert curve.mean.tolist() == scores.value[members].mean(axis=(1, 2)).tolist()


def test_train_sweep_leaves_out_what_is_no_angle():
    trained = [*QUARTERS, "none", "random"]
    rows = score_rows([(angle, 0) for angle in trained], np.arange(6.0))
    curve = one(rows, sweep="train")
    assert curve.key["held_angle"] == 0
    assert curve.angles.tolist() == QUARTERS
    assert curve.mean.tolist() == [0, 1, 2, 3]


def test_0_and_360_are_two_rows_but_one_angle():
    assert places(score_rows([0, 120, 240, 360], 0.5)) == set()
    curve = one(score_rows([360, 0, 90, 180, 270], np.arange(5.0)))
    assert curve.angles.tolist() == [0, 90, 180, 270, 360]
    assert curve.mean.tolist() == [1, 2, 3, 4, 0]


def test_without_all_combinations_there_are_no_margins():
    for pairs in QUARTERS, CROSSED[1:]:
        assert not any("margin" in sweep for _, sweep, *_ in places(score_rows(pairs, 0.5)))


def test_margins_are_means_over_the_other_angle():
    value, chance, own_cut = np.random.default_rng(0).uniform(size=(3, 24, 2, 3))
    rows = score_rows(CROSSED, value, chance, own_cut, seeds=2, items=3)
    for sweep, other in ("train_margin", 1), ("eval_margin", 0):
        for series, cells in zip(SERIES, series_of(value, chance, own_cut), strict=True):
            array = cells[:16].reshape(4, 4, 2, 3)
            curve = one(rows, series, sweep=sweep)
            assert curve.angles.tolist() == QUARTERS
            assert curve.values == pytest.approx(array.mean(axis=other))


# -- what lies on them -----------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "held"), [("diagonal", None), ("eval", 90.0), ("train", 90.0)])
def test_all_series_of_a_curve_are_those_of_its_own_cells(kind, held):
    measures = np.random.default_rng(0).uniform(size=(3, 16, 2, 3))
    rows = score_rows(CROSSED[:16], *measures, seeds=2, items=3)
    places = [
        i
        for i, (trained, evaluated) in enumerate(CROSSED[:16])
        if {"diagonal": trained == evaluated, "eval": trained == held, "train": evaluated == held}[
            kind
        ]
    ]
    for series, array in zip(SERIES, series_of(*measures[:, places]), strict=True):
        found = one(rows, series, sweep=kind, held_angle=held)
        assert found.values == pytest.approx(array)
        assert found.mean == pytest.approx(array.mean(axis=(1, 2)))
        counts = {
            "n_angles": 4,
            "n_angles_per_seed": 4,
            "n_items": 3,
            "n_left_out": 0,
            "n_cases": 2,
            "n_seeds": 2,
        }
        assert found.counts == counts


def test_cells_are_means_over_items_each_seed_about_its_own_mean():
    value = np.random.default_rng(0).normal(size=(12, 3, 4))
    cells = one(score_rows(REGULAR, value, seeds=3, items=4)).cells
    means = value.mean(axis=2)
    assert cells == pytest.approx(means - means.mean(axis=0), abs=1e-8)


def test_every_seed_of_a_staggered_grid_has_its_own_angles():
    """The mean curve leaves the levels of seeds out: what differs between neighbours is θ."""
    rng = np.random.default_rng(0)
    grids = [[0.0, 90.0, 180.0, 270.0], [45.0, 135.0, 225.0, 315.0]]
    value = rng.normal(size=(4, 2, 3)) + np.array([[0], [10]])
    rows = [
        score_rows(angles, value[:, [i]], items=3).assign(seed=i) for i, angles in enumerate(grids)
    ]
    curve = one(pd.concat(rows))
    assert curve.theta.T.tolist() == grids
    assert curve.values == pytest.approx(value)
    assert curve.angles.tolist() == sorted(grids[0] + grids[1])
    means = value.mean(axis=2)
    about = (means - means.mean(axis=0) + means.mean()).ravel()
    assert curve.mean == pytest.approx(about)
    counts = ["n_angles", "n_angles_per_seed", "n_seeds"]
    assert [curve.counts[name] for name in counts] == [8, 4, 2]


def test_cases_are_the_means_of_their_items():
    value = np.random.default_rng(0).normal(size=(12, 2, 5))
    curve = one(score_rows(REGULAR, value, seeds=2, items=5))
    assert curve.cases.tolist() == ["c0", "c0", "c1", "c1", "c2"]
    pairs = [value[..., :2].mean(axis=2), value[..., 2:4].mean(axis=2), value[..., 4]]
    assert curve.of_cases == pytest.approx(np.stack(pairs, axis=2))
    assert curve.of_means.values[..., 0] == pytest.approx(curve.cells)
    assert curve.of_means.counts == curve.counts


def test_without_items_all_but_curves_of_one_model_have_their_cells_alone():
    measures = np.random.default_rng(0).uniform(size=(3, 16, 2, 5))
    whole = of_rows(score_rows(CROSSED[:16], *measures, seeds=2, items=5))
    light = of_means(whole)
    assert [curve.key for curve in light] == [curve.key for curve in whole]
    for curve, found in zip(whole, light, strict=True):
        kept = curve.key["sweep"] in ("eval", "eval_margin")
        assert found.values.shape[2] == (5 if kept else 1)
        assert found.cells == pytest.approx(curve.cells, abs=2e-9)


def test_tables_of_several_kinds_are_one_table():
    rows = score_rows(CROSSED, 0.5, metric=["b", "a"], dataset=["q", "p"])
    whole = of_rows(rows)
    columns = [*KEY, "mean", *COUNTS]

    def table(found):
        return curve_table([c.key | {"mean": c.mean[0]} | c.counts for c in found], columns)

    parts = [table([]), *(table([c]) for c in reversed(whole))]
    pd.testing.assert_frame_equal(
        joined(parts).sort_values(KEY, ignore_index=True),
        table(whole).sort_values(KEY, ignore_index=True),
    )
    assert list(joined([table([])])) == columns and joined([table([])]).empty
    order = joined(parts)[KEY[:-1]]
    assert order.equals(order.sort_values(KEY[:-1], ignore_index=True))


def test_what_has_no_own_cut_has_no_turning():
    """Maps of x, and tasks."""
    assert {c.key["series"] for c in of_rows(score_rows(REGULAR, 0.5, own_cut=np.nan))} == {
        *("value", "chance", "excess")
    }


def test_what_a_map_has_over_that_of_the_other_pictures_is_of_its_picture():
    """Run by run and item by item; of the network's map alone, and of margins too."""
    value, others = np.random.default_rng(0).uniform(size=(2, 24, 2, 3))
    rows = [
        score_rows(CROSSED, array, seeds=2, items=3, attribution=name, model=model)
        for name, array, model in (
            ("others", others, "m"),
            ("smoothgrad", value, "m"),
            ("probe", value, "m"),
            ("others", value, "n"),
        )
    ]
    found = [c for c in curves(arrange(rows)) if c.key["series"] == "picture"]
    assert {(c.key["attribution"], c.key["model"]) for c in found} == {("smoothgrad", "m")}
    assert len(found) == len(places(rows[1])) / len(SERIES)
    assert all(exchangeable(c.key) for c in found if c.key["sweep"] == "diagonal")
    (diagonal,) = (c for c in found if c.key["sweep"] == "diagonal")
    (margin,) = (c for c in found if c.key["sweep"] == "train_margin")
    of_cells = (value - others)[:16].reshape(4, 4, 2, 3)
    np.testing.assert_allclose(diagonal.values, of_cells[range(4), range(4)])
    np.testing.assert_allclose(margin.values, of_cells.mean(axis=1))


def test_an_angle_without_any_value_is_in_no_series_and_an_item_without_one_in_no_curve():
    """Chance and own cut may be there where there is no value."""
    measures = np.random.default_rng(0).uniform(size=(3, 12, 1, 4))
    measures[0, 3] = np.nan
    measures[0, 7, 0, 2] = np.nan
    measures[2, 9, 0, 0] = np.nan  # the map of x is 0 everywhere
    of_series = dict(zip(SERIES, series_of(*np.delete(measures, 3, axis=1)), strict=True))
    kept = {"value": [0, 1, 3], "chance": [0, 1, 3], "excess": [0, 1, 3], "turning": [1, 3]}
    rows = score_rows(REGULAR, *measures, items=4)
    for series, items in kept.items():
        curve = one(rows, series)
        assert curve.angles.tolist() == np.delete(REGULAR, 3).tolist()
        assert curve.values == pytest.approx(of_series[series][..., items])
        assert curve.counts["n_left_out"] == 4 - len(items)


def test_pictures_keep_the_angles_of_their_own_seed_and_item():
    """The first seed has no run here, and the second item no score at one angle."""
    phi = np.random.default_rng(0).uniform(0, 360, (3, 4))
    value = np.ones((12, 3, 4))
    value[:, 0] = value[5, 1, 1] = np.nan
    rows = score_rows(REGULAR, value, seeds=3, items=4)
    curve = one(rows.assign(pre_rotation=np.tile(phi.ravel(), 12)))
    assert curve.pre_rotation.tolist() == phi[1:, [0, 2, 3]].tolist()


def test_angles_change_places_where_every_angle_is_a_run_of_its_own():
    key = {"series": "value", "model": "pretrained", "sweep": "diagonal"}
    key["attribution"] = "smoothgrad"
    assert all(exchangeable(key | {"sweep": s}) for s in ("diagonal", "train", "train_margin"))
    assert all(exchangeable(key | {"series": s}) for s in ("excess", "turning"))
    for other in {"sweep": "eval"}, {"sweep": "eval_margin"}, {"series": "chance"}:
        assert not exchangeable(key | other)


def test_of_maps_without_a_network_the_random_one_alone_is_drawn_anew_at_every_angle():
    key = {"series": "value", "model": "baseline", "sweep": "diagonal"}
    for name in "sobel", "centre", "hog", "footprint":
        assert not exchangeable(key | {"attribution": name})
    assert exchangeable(key | {"attribution": "random"})
    for other in {"sweep": "eval"}, {"series": "chance"}:
        assert not exchangeable(key | {"attribution": "random"} | other)


# -- in a table ------------------------------------------------------------------------------------


def test_held_angles_are_numbers_in_their_order_and_none_comes_last():
    rows = score_rows(CROSSED, wave(np.arange(24), 0.1, 7))
    table = curve_table([c.key for c in of_rows(rows)], KEY)
    evaluated = table[(table["sweep"] == "eval") & (table["series"] == "value")]
    assert evaluated["training"].tolist() == ["fixed"] * 4 + ["none", "random"]
    assert evaluated["held_angle"].tolist() == pytest.approx(
        [*QUARTERS, *[np.nan] * 2], nan_ok=True
    )
    assert curve_table([], KEY)["held_angle"].dtype == float


def test_where_one_seed_has_no_score_at_an_angle_there_is_no_curve(caplog):
    value = np.ones((12, 3, 2))
    value[5, 1] = np.nan
    assert not [
        c for c in of_rows(score_rows(REGULAR, value, seeds=3)) if c.key["series"] == "value"
    ]
    assert "no item has a score at all angles" in caplog.text


def test_one_item_makes_a_curve():
    value, *_ = of_rows(score_rows(REGULAR, wave(REGULAR, 0.1, 180), items=1))
    assert value.counts["n_items"] == value.counts["n_cases"] == 1
