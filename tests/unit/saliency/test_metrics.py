from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr
from skimage.filters import threshold_otsu
from skimage.metrics import structural_similarity
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from thetascope.saliency import metrics

SIZE = 8
SETTINGS = metrics.Scoring(quantile=0.9, extra_metrics=[])

# few distinct values, so that ties are the rule
maps = arrays(np.float32, (SIZE, SIZE), elements=st.sampled_from([0, 1e-6, 0.25, 0.5, 0.75, 3]))
some_maps = maps.filter(lambda values: values.any())
masks = arrays(bool, (SIZE, SIZE)).filter(lambda mask: mask.any() and not mask.all())
modest = settings(max_examples=50, deadline=None)


def score(saliency, mask, **changes):
    return metrics.score(saliency, mask, replace(SETTINGS, **changes))


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
    masks,
    st.floats(2**-20, 2**20, width=32),
    st.integers(1, SIZE**2),
    st.floats(0.05, 0.95),
)
def test_a_constant_map_is_binarised_to_where_it_is_not_zero(valid, value, area, quantile):
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
    # the top tenth of the map, ties included, is the whole mask
    assert scores == dict.fromkeys(scores, 1.0)


@modest
@given(st.integers(0, 2**32 - 1), masks)
def test_dice_at_the_masks_area_is_relevance_rank_accuracy(seed, mask):
    """Share of the K highest pixels in a mask of K (Arras et al. 2022), as Quantus has it."""
    saliency = np.random.default_rng(seed).permutation(mask.size).reshape(mask.shape) + 1.0
    highest = np.argsort(-saliency, axis=None)[: mask.sum()]
    expected = mask.ravel()[highest].mean()
    assert score(saliency, mask)["dice_area"] == pytest.approx(expected)


def test_relevance_mass_and_pointing_game_by_hand():
    saliency = np.zeros((2, 4))
    saliency[0] = [4, 4, 1, 1]
    mask = np.array([[True, False, True, False], [True, False, False, False]])
    assert metrics.relevance_mass(saliency, mask) == 5 / 10
    assert metrics.pointing_game(saliency, mask) == 1 / 2


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
