from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr
from skimage.filters import threshold_otsu
from skimage.metrics import structural_similarity
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from thetascope.errors import UserError
from thetascope.saliency import metrics

SIZE = 8
SETTINGS = metrics.Scoring(quantile=0.9, extra_metrics=[])
MODELS = ("pretrained", "finetuned", "finetuned-random-50")

# few distinct values, so that ties are the rule
maps = arrays(np.float32, (SIZE, SIZE), elements=st.sampled_from([0, 1e-6, 0.25, 0.5, 0.75, 3]))
some_maps = maps.filter(lambda values: values.any())
masks = arrays(bool, (SIZE, SIZE)).filter(lambda mask: mask.any() and not mask.all())
modest = settings(max_examples=50, deadline=None)


def score(saliency, mask, **changes):
    return metrics.score(saliency, mask, replace(SETTINGS, **changes))


def footprint(size, degrees):
    """Pixels of a square that are still inside it after a rotation about its centre."""
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    t = np.deg2rad(degrees)
    return np.maximum(abs(x * np.cos(t) - y * np.sin(t)), abs(x * np.sin(t) + y * np.cos(t))) <= 1


def disc(size, radius):
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    return np.hypot(*np.meshgrid(axis, axis)) <= radius


# -- against scikit-learn --------------------------------------------------------------------------


@modest
@given(maps, masks)
def test_rank_metrics_agree_with_scikit_learn(saliency, mask):
    truth, values = mask.ravel(), saliency.ravel()
    assert metrics.auroc(saliency, mask) == pytest.approx(roc_auc_score(truth, values))
    assert metrics.auprc(saliency, mask) == pytest.approx(average_precision_score(truth, values))


@modest
@given(masks, masks)
def test_dice_is_the_f1_score_and_symmetric(a, b):
    assert metrics.dice(a, b) == pytest.approx(f1_score(b.ravel(), a.ravel()))
    assert metrics.dice(a, b) == metrics.dice(b, a)


def test_continuous_map_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    mask = rng.random((64, 64)) < 0.2
    saliency = (rng.gamma(0.5, size=mask.shape) + mask).astype(np.float32)
    assert metrics.auroc(saliency, mask) == pytest.approx(
        roc_auc_score(mask.ravel(), saliency.ravel())
    )
    otsu = saliency > threshold_otsu(saliency.astype(np.float64))
    scores = score(saliency, mask)
    assert scores["dice_otsu"] == pytest.approx(f1_score(mask.ravel(), otsu.ravel()))
    for name, share in (("dice_area", mask.mean()), ("dice_quantile", 0.1)):
        top = saliency > np.sort(saliency, axis=None)[-1 - round(share * mask.size)]
        assert scores[name] == pytest.approx(f1_score(mask.ravel(), top.ravel()))


@modest
@given(maps, masks, st.sampled_from([0.25, 0.5, 0.9]))
def test_the_quantile_is_the_one_that_was_set(saliency, mask, quantile):
    if saliency.any():
        expected = metrics.dice(metrics.binarise_quantile(saliency, quantile), mask)
        assert score(saliency, mask, quantile=quantile)["dice_quantile"] == expected


# -- binarisation ----------------------------------------------------------------------------------


def test_distinct_values_mark_the_asked_number_of_pixels():
    saliency = np.random.default_rng(1).permutation(SIZE**2).reshape(SIZE, SIZE) + 1.0
    for area in (0, 1, 10, SIZE**2):
        marked = metrics.binarise_area(saliency, area)
        assert marked.sum() == area
        assert (saliency[marked] > SIZE**2 - area).all()
    assert (
        metrics.binarise_quantile(saliency, 0.75) == (saliency > np.quantile(saliency, 0.75))
    ).all()


@modest
@given(
    st.floats(0, 360),
    st.floats(2**-20, 2**20, width=32),
    st.integers(1, SIZE**2),
    st.floats(0.05, 0.95),
)
def test_constant_map_is_binarised_to_its_footprint(degrees, value, area, quantile):
    valid = footprint(SIZE, degrees)
    saliency = np.where(valid, np.float32(value), np.float32(0))
    assert (metrics.binarise_otsu(saliency) == valid).all()
    assert (metrics.binarise_area(saliency, area) == valid).all()
    assert (metrics.binarise_quantile(saliency, quantile) == valid).all()


def test_otsu_bears_values_that_nearly_agree():
    saliency = np.ones((SIZE, SIZE), np.float32)
    saliency[2:4] = np.nextafter(np.float32(1), np.float32(2))
    assert (metrics.binarise_otsu(saliency) == (saliency > 1)).all()


# -- known answers ---------------------------------------------------------------------------------


def test_map_equal_to_the_mask_is_perfect():
    mask = disc(SIZE, 0.6)
    scores = score(mask.astype(np.float32), mask)
    # the top tenth of the canvas, ties included, is the whole mask
    assert scores == dict.fromkeys(scores, 1.0)


def test_relevance_mass_and_pointing_game_by_hand():
    saliency = np.zeros((2, 4))
    saliency[0] = [4, 4, 1, 1]
    mask = np.array([[True, False, True, False], [True, False, False, False]])
    assert metrics.relevance_mass(saliency, mask) == 5 / 10
    assert metrics.pointing_game(saliency, mask) == 1 / 2


def test_footprint_null_oscillates_with_period_90():
    # a disc about the centre never leaves the footprint, so Dice follows the footprint's area,
    # which is least at 45° (a regular octagon, 2(√2 − 1) of the square)
    angles = np.arange(0, 360, 5)
    mask = disc(128, 0.8)
    curve = np.array(
        [score(footprint(128, a).astype(np.float32), mask)["dice_area"] for a in angles]
    )
    assert curve == pytest.approx(np.roll(curve, 90 // 5), abs=1e-3)
    assert angles[curve.argmax()] % 90 == 45
    assert angles[curve.argmin()] % 90 == 0
    area = np.pi * 0.8**2 / 4
    for angle, covered in ((0, 1.0), (45, 2 * (np.sqrt(2) - 1))):
        expected = 2 * area / (area + covered)
        assert curve[angle // 5] == pytest.approx(expected, abs=5e-3)


# -- invariances -----------------------------------------------------------------------------------


@modest
@given(some_maps, masks)
def test_rank_metrics_ignore_monotone_transforms(saliency, mask):
    before, after = score(saliency, mask), score(np.sqrt(saliency) * 7, mask)
    for metric in ("auroc", "auprc", "dice_area", "dice_quantile", "pointing_game"):
        assert before[metric] == after[metric]


@modest
@given(maps, masks, st.integers(1, 3))
def test_turning_map_and_mask_together_changes_nothing(saliency, mask, quarters):
    turned = score(np.rot90(saliency, quarters), np.rot90(mask, quarters))
    assert turned == pytest.approx(score(saliency, mask), nan_ok=True)


# -- rules for what has no score -------------------------------------------------------------------


@pytest.mark.parametrize("fill", [False, True])
def test_empty_and_full_masks_have_no_score(fill):
    scores = score(np.random.default_rng(0).random((SIZE, SIZE)), np.full((SIZE, SIZE), fill))
    assert np.isnan(list(scores.values())).all()


def test_a_map_that_is_zero_everywhere_has_no_score():
    mask = disc(SIZE, 0.6)
    scores = score(np.zeros((SIZE, SIZE), np.float32), mask)
    assert np.isnan(list(scores.values())).all()


# -- one evaluation --------------------------------------------------------------------------------


@pytest.fixture
def saliency():
    rng = np.random.default_rng(0)
    masks = np.stack([2 * disc(SIZE, 0.6), disc(SIZE, 0.4), np.zeros((SIZE, SIZE))])
    valid = {"original": np.ones((SIZE, SIZE), bool), "rotated": footprint(SIZE, 45)}
    made = {
        f"{model}.{input_}.{name}": (rng.random(masks.shape) * valid[input_])
        for model, name in [*product(MODELS, ("smoothgrad", "gradient")), ("baseline", "sobel")]
        for input_ in valid
    }
    made |= {f"valid.{input_}": array for input_, array in valid.items()}
    return made | {"masks": masks.astype(np.uint8), "items": np.arange(3), "record": np.array("{}")}


def test_score_maps_has_a_row_for_each_score(saliency):
    table = metrics.score_maps(saliency, ["a", "b", "c"], ["x", "x", "y"], SETTINGS)
    keys = ["item", "model", "input", "attribution", "metric"]
    # 7 maps of 2 inputs, 7 equivariances, 2 × 2 randomised maps with 2 similarities
    assert len(table) == 3 * (14 * 7 + 7 + 8) and not table.duplicated(keys).any()
    row = table.set_index(keys).loc[("b", "finetuned", "rotated", "gradient", "auroc")]
    mask = saliency["masks"][1] > 0
    assert row["case"] == "x"
    assert row["value"] == metrics.auroc(saliency["finetuned.rotated.gradient"][1], mask)
    assert row["null"] == metrics.auroc(saliency["valid.rotated"].astype(float), mask)
    without_mask = table["metric"].isin(["equivariance", "similarity_rank", "similarity_ssim"])
    unscored = (table["item"] == "c") & ~without_mask
    assert table.loc[unscored, ["value", "null"]].isna().all(axis=None)
    assert table.loc[~unscored, ["value", "null"]].notna().all(axis=None)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1])
def test_broken_map_is_refused_by_name(saliency, bad):
    saliency["pretrained.original.smoothgrad"][1, 0, 0] = bad
    with pytest.raises(UserError, match=r"pretrained\.original\.smoothgrad of item b"):
        metrics.score_maps(saliency, ["a", "b", "c"], ["x", "x", "y"], SETTINGS)


def test_score_maps_scores_map_and_footprint_by_the_same_settings(saliency):
    settings = metrics.Scoring(quantile=0.5, extra_metrics=["overlap_quantile"])
    table = metrics.score_maps(saliency, ["a", "b", "c"], ["x", "x", "y"], settings)
    rows = table.set_index(["item", "model", "input", "attribution", "metric"])
    mask, valid = saliency["masks"][1] > 0, saliency["valid.rotated"].astype(float)
    for metric, measure in (("dice_quantile", metrics.dice), ("overlap_quantile", metrics.overlap)):
        row = rows.loc[("b", "finetuned", "rotated", "gradient", metric)]
        for column, map_ in (
            ("value", saliency["finetuned.rotated.gradient"][1]),
            ("null", valid),
        ):
            assert row[column] == measure(metrics.binarise_quantile(map_, 0.5), mask)


def test_score_maps_keeps_values_and_nulls_of_comparisons_apart(saliency):
    key = "finetuned-random-50.rotated.gradient"
    saliency[f"{key}.deletion"] = np.array([[0.5, 0, 1], [0.25, 3, 2]])
    saliency[f"{key}.insertion"] = np.array([[5, 6, 7], [8, 9, 10.0]])
    table = metrics.score_maps(saliency, ["a", "b", "c"], ["x", "x", "y"], SETTINGS)
    rows = table.set_index(["model", "input", "attribution", "metric"]).sort_index()
    found = metrics.compare(saliency, key)
    assert len(found) == 5
    for metric, (values, nulls) in found.items():
        of_metric = rows.loc[(*key.split("."), metric)]
        assert of_metric["value"].tolist() == values
        assert of_metric["null"].tolist() == nulls
        assert values != nulls


# -- maps against maps -----------------------------------------------------------------------------


@modest
@given(maps, maps, masks)
def test_rank_correlation_agrees_with_scipy(a, b, where):
    if np.ptp(a[where]) == 0 or np.ptp(b[where]) == 0:
        assert np.isnan(metrics.rank_correlation(a, b, where))
    else:
        expected = spearmanr(a[where], b[where]).statistic
        assert metrics.rank_correlation(a, b, where) == pytest.approx(expected)


def test_similarity_of_a_map_with_itself_its_multiple_and_its_opposite():
    rng = np.random.default_rng(0)
    saliency, other = rng.random((2, SIZE, SIZE), np.float32)
    where = np.ones((SIZE, SIZE), bool)
    for metric in (metrics.rank_correlation, metrics.ssim):
        assert metric(saliency, saliency, where) == pytest.approx(1)
        assert metric(saliency, 7 * saliency, where) == pytest.approx(1)
        assert metric(saliency, other, where) == pytest.approx(metric(other, saliency, where))
        assert metric(saliency, other, where) < 0.5
    assert metrics.rank_correlation(saliency, saliency**3, where) == pytest.approx(1)
    assert metrics.rank_correlation(saliency, 1 - saliency, where) == pytest.approx(-1)
    assert np.isnan(metrics.ssim(saliency, 0 * saliency, where))


def test_ssim_by_hand_in_one_window():
    """Wang et al. 2004, eq. 13, with a window of the whole map."""
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 7, 7))
    x, y = a / a.max(), b / b.max()
    covariance = np.cov(x.ravel(), y.ravel())
    expected = (2 * x.mean() * y.mean() + 0.01**2) * (2 * covariance[0, 1] + 0.03**2)
    expected /= x.mean() ** 2 + y.mean() ** 2 + 0.01**2
    expected /= covariance[0, 0] + covariance[1, 1] + 0.03**2
    middle = np.zeros((7, 7), bool)
    middle[3, 3] = True
    assert metrics.ssim(a, b, middle) == pytest.approx(expected)
    everywhere = np.ones((7, 7), bool)
    assert metrics.ssim(a, b, everywhere) == pytest.approx(
        structural_similarity(x, y, data_range=1, full=True)[1].mean()
    )


def test_compare_takes_the_maps_that_belong_together(saliency):
    found = metrics.compare(saliency, "finetuned-random-50.rotated.gradient")
    assert set(found) == {"equivariance", "similarity_rank", "similarity_ssim"}
    where = saliency["valid.rotated"]

    def rho(a, b):
        return [spearmanr(x[where], y[where]).statistic for x, y in zip(a, b, strict=True)]

    mapped, of_x, intact, sobel, sobel_of_x = (
        saliency[f"{key}"]
        for key in (
            "finetuned-random-50.rotated.gradient",
            "finetuned-random-50.original.gradient",
            "finetuned.rotated.gradient",
            "baseline.rotated.sobel",
            "baseline.original.sobel",
        )
    )
    assert found["equivariance"][0] == pytest.approx(rho(mapped, of_x))
    assert found["equivariance"][1] == pytest.approx(rho(sobel, sobel_of_x))
    assert found["similarity_rank"][0] == pytest.approx(rho(mapped, intact))
    assert found["similarity_rank"][1] == pytest.approx(rho(sobel, intact))
    for maps, row in ((mapped, 0), (sobel, 1)):
        expected = [metrics.ssim(a, b, where) for a, b in zip(maps, intact, strict=True)]
        assert found["similarity_ssim"][row] == pytest.approx(expected)
    assert set(metrics.compare(saliency, "finetuned.rotated.gradient")) == {"equivariance"}
    assert metrics.compare(saliency, "finetuned.original.gradient") == {}
    saliency["finetuned.original.gradient.deletion"] = np.array([[0.5, 0, 1], [0.25, 1, 2]])
    areas = metrics.compare(saliency, "finetuned.original.gradient")
    assert areas == {"deletion": ([0.5, 0, 1], [0.25, 1, 2])}
    saliency["finetuned.original.gradient"][1] = 0  # claims nothing
    areas = metrics.compare(saliency, "finetuned.original.gradient")["deletion"]
    np.testing.assert_array_equal(areas, [[0.5, np.nan, 1], [0.25, np.nan, 2]])
    own = metrics.compare(saliency, "baseline.rotated.sobel")["equivariance"]
    assert own[0] == own[1]


# -- metrics on demand -----------------------------------------------------------------------------


@modest
@given(masks, masks)
def test_overlap_is_the_notebooks_fraction_of_intersection_and_sum(a, b):
    both, sizes = np.logical_and(a, b).sum(), a.sum() + b.sum()
    assert metrics.overlap(a, b) == pytest.approx(2 * both / (sizes + both))
    true = metrics.dice(a, b)
    assert metrics.overlap(a, b) == pytest.approx(2 * true / (2 + true))
    assert metrics.overlap(a, a) == pytest.approx(2 / 3)


@modest
@given(some_maps, masks)
def test_extra_metrics_stand_beside_the_usual_ones(saliency, mask):
    names = ["overlap_area", "dice_positive", "overlap_positive"]
    scores = score(saliency, mask, extra_metrics=names)
    usual = score(saliency, mask)
    assert list(scores) == [*usual, *names]
    assert {name: scores[name] for name in usual} == pytest.approx(usual, nan_ok=True)
    assert scores["dice_positive"] == metrics.dice(saliency > 0, mask)
    assert scores["overlap_positive"] == metrics.overlap(saliency > 0, mask)
    dice_area = scores["dice_area"]
    assert scores["overlap_area"] == pytest.approx(2 * dice_area / (2 + dice_area))
