"""All maps of an evaluation: which pixels count, chance, own cut, and maps against maps."""

from itertools import combinations, permutations, product

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from thetascope.errors import UserError
from thetascope.saliency import metrics, scoring

SIZE = 8
SETTINGS = metrics.Scoring(quantile=0.7, extra_metrics=["overlap_quantile", "dice_positive"])
MODELS = ("pretrained", "finetuned", "finetuned-random-50")
IDS, CASES = ["a", "b", "c"], ["x", "x", "y"]
KEYS = ["item", "model", "input", "attribution", "metric"]


def disc(radius):
    axis = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    return np.hypot(*np.meshgrid(axis, axis)) <= radius


@pytest.fixture
def saliency():
    """Of three items; the mask of the last covers all that the turned picture shows."""
    rng = np.random.default_rng(0)
    masks = np.stack([2 * disc(0.6), disc(0.4), np.where(disc(1.0), 1, 0)])
    masks[0, :3] = 0  # no symmetry
    valid = {"original": np.ones((SIZE, SIZE), bool), "rotated": disc(0.9)}
    made = {
        f"{model}.{input_}.{name}": rng.random(masks.shape) * valid[input_]
        for model, name in [
            *product(MODELS, ["smoothgrad"]),
            *product(["baseline"], ["sobel", "random"]),
        ]
        for input_ in valid
    }
    made |= {f"valid.{input_}": array for input_, array in valid.items()}
    made |= {f"predicted.{input_}": np.array([0.5, 0, i / 3]) for i, input_ in enumerate(valid)}
    made |= {
        f"{model}.{input_}.smoothgrad.split_half": rng.random(3)
        for model, input_ in product(MODELS, valid)
    }
    return made | {"masks": masks.astype(np.uint8), "items": np.arange(3), "record": np.array("{}")}


@pytest.fixture
def table(saliency):
    return scoring.score_maps(saliency, IDS, CASES, SETTINGS)


def test_a_row_for_each_score(table):
    # 5 maps, 3 of others and the footprint of 2 inputs, 5 equivariances, 2 randomised maps with 2
    # similarities
    assert len(table) == 3 * (2 * 9 * 9 + 5 + 4) and not table.duplicated(KEYS).any()
    assert list(table) == ["item", "case", "pre_rotation", *KEYS[1:], "value", "chance", "own_cut"]
    assert table["pre_rotation"].isna().all()
    assert dict(zip(table["item"], table["case"], strict=True)) == dict(
        zip(IDS, CASES, strict=True)
    )


def test_the_angle_by_which_a_picture_was_turned_first_goes_with_its_scores(saliency):
    phi = np.array([350.5, 20.25, 180])
    turned = scoring.score_maps(saliency | {"pre_rotation": phi}, IDS, CASES, SETTINGS)
    of_item = dict(zip(IDS, phi, strict=True))
    assert (turned["pre_rotation"] == turned["item"].map(of_item)).all()


def test_value_and_own_cut_are_of_the_pixels_that_the_input_shows(saliency, table):
    rows = table.set_index(KEYS)
    for i, input_, model in product((0, 1), ("original", "rotated"), MODELS):
        shown = saliency[f"valid.{input_}"]
        mask = (saliency["masks"][i] > 0)[shown]
        of_map = saliency[f"{model}.{input_}.smoothgrad"][i][shown]
        of_x = saliency[f"{model}.original.smoothgrad"][i][shown]
        for metric in ("auroc", "dice_quantile", "overlap_quantile", "dice_otsu"):
            row = rows.loc[(IDS[i], model, input_, "smoothgrad", metric)]
            assert row["value"] == metrics.score(of_map, mask, SETTINGS)[metric]
            if input_ == "original":
                assert np.isnan(row["own_cut"])
            else:
                assert row["own_cut"] == metrics.score(of_x, mask, SETTINGS)[metric]
                assert metric != "auroc" or row["own_cut"] != row["value"]


def test_maps_that_are_not_turned_back_have_an_own_cut_too(saliency):
    shown, rng = disc(0.7), np.random.default_rng(1)
    saliency["valid.unaligned"] = shown
    for key in ("pretrained.unaligned.smoothgrad", "baseline.unaligned.random"):
        saliency[key] = rng.random((3, SIZE, SIZE)) * shown
    rows = scoring.score_maps(saliency, IDS, CASES, SETTINGS).set_index(KEYS)
    for i in (0, 1):
        row = rows.loc[(IDS[i], "pretrained", "unaligned", "smoothgrad", "auroc")]
        mask = saliency["masks"][i][shown] > 0
        for column, input_ in (("value", "unaligned"), ("own_cut", "original")):
            of_map = saliency[f"pretrained.{input_}.smoothgrad"][i][shown]
            assert row[column] == pytest.approx(roc_auc_score(mask, of_map))


def test_a_mask_that_covers_all_that_is_shown_has_no_score(saliency, caplog):
    table = scoring.score_maps(saliency, IDS, CASES, SETTINGS).set_index("input")
    measured = table[table["metric"].isin(metrics.METRICS)]
    covered = measured["item"] == "c"
    assert (
        measured.loc[covered].loc["rotated", ["value", "chance", "own_cut"]].isna().all(axis=None)
    )
    assert measured.loc[covered].loc["original", ["value", "chance"]].notna().all(axis=None)
    assert measured.loc[~covered, ["value", "chance"]].notna().all(axis=None)
    assert "1 of 3 masks have all or none of what rotated shows" in caplog.text


def test_the_footprint_calls_all_that_is_shown_foreground(saliency, table):
    rows = table.set_index(KEYS)
    for input_ in ("original", "rotated"):
        shown = saliency[f"valid.{input_}"]
        m, n = (saliency["masks"][1] > 0)[shown].sum(), shown.sum()
        of_item = rows.loc[("b", "baseline", input_, "footprint")]
        for metric in ("dice_area", "dice_otsu", "dice_quantile", "dice_positive"):
            assert of_item.loc[metric, "value"] == pytest.approx(2 * m / (m + n))
            assert of_item.loc[metric, "chance"] == pytest.approx(2 * m / (m + n))
        assert of_item.loc["auroc", "value"] == 0.5


def test_beside_each_map_of_a_network_stands_the_mean_map_of_the_other_cases(saliency, table):
    rows = table.set_index(KEYS).sort_index()
    assert set(table[table["attribution"] == "others"]["model"]) == set(MODELS)
    for i, input_, model in product((0, 1), ("original", "rotated"), MODELS):
        shown = saliency[f"valid.{input_}"]
        mask = (saliency["masks"][i] > 0)[shown]
        others = [j for j in range(3) if CASES[j] != CASES[i]]
        of_map = saliency[f"{model}.{input_}.smoothgrad"][others].mean(axis=0)[shown]
        of_x = saliency[f"{model}.original.smoothgrad"][others].mean(axis=0)[shown]
        of_item = rows.loc[(IDS[i], model, input_, "others")]
        for metric in ("auroc", "dice_quantile", "dice_otsu"):
            row = of_item.loc[metric]
            assert row["value"] == pytest.approx(metrics.score(of_map, mask, SETTINGS)[metric])
            own_cut = metrics.score(of_x, mask, SETTINGS)[metric] if input_ == "rotated" else np.nan
            assert row["own_cut"] == pytest.approx(own_cut, nan_ok=True)
        assert "equivariance" not in of_item.index


def test_pictures_of_the_only_case_have_no_mean_map_of_others(saliency):
    of_x = {k: v[:2] if k.count(".") == 2 or k == "masks" else v for k, v in saliency.items()}
    table = scoring.score_maps(of_x, IDS[:2], CASES[:2], SETTINGS).set_index("attribution")
    assert table.loc["others", "value"].isna().all()
    assert table.loc["smoothgrad", "value"].notna().all()


def test_others_are_all_items_of_other_cases_and_of_one_case_there_are_none():
    maps = np.float32([[1, 0], [3, 0], [8, 4], [16, 6]])
    expected = [[12, 5], [12, 5], [20 / 3, 2], [4, 4 / 3]]
    assert scoring.of_others(maps, ["p", "p", "q", "r"]) == pytest.approx(np.array(expected))
    assert not scoring.of_others(maps, ["p"] * 4).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1, -1e-9])
def test_a_broken_map_is_refused_by_name(saliency, bad):
    saliency["pretrained.original.smoothgrad"][1, 0, 0] = bad
    with pytest.raises(UserError, match=r"pretrained\.original\.smoothgrad of item b"):
        scoring.score_maps(saliency, IDS, CASES, SETTINGS)


# -- chance ----------------------------------------------------------------------------------------


def test_chance_is_the_mean_over_all_orders_of_the_maps_values():
    """Every permutation of seven pixels: what a map with these values, placed at random, scores."""
    values = np.array([0.0, 0.2, 0.3, 0.5, 0.9, 1.0, 1.7])
    mask = np.array([1, 0, 0, 1, 0, 0, 1], bool)
    settings = metrics.Scoring(0.6, ["overlap_area", "overlap_quantile", "overlap_otsu"])
    every = np.array(list(permutations(values)))
    scores = [metrics.score(order, mask, settings) for order in every]
    hits = scoring.hits_by_rank(every, mask)
    found = scoring.chance(values, mask, hits, scoring.mean_precision(hits), settings)
    assert found.keys() == scores[0].keys()
    for metric, chance in found.items():
        expected = np.mean([one[metric] for one in scores])
        # only the tied rank of 0, never foreground, keeps average precision from its own mean
        assert chance == pytest.approx(expected, abs=1e-12), metric


def test_chance_of_nothing_marked_is_no_hit():
    """A quantile may leave no pixel above it: Dice and overlap are 0, and so is their chance."""
    settings = metrics.Scoring(0.999, ["overlap_quantile"])
    values, mask = np.full(9, 0.5), np.arange(9) < 3
    hits = scoring.hits_by_rank(np.random.default_rng(0).random((4, 9)), mask)
    found = scoring.chance(values, mask, hits, 0.5, settings)
    value = metrics.score(values, mask, settings)
    for metric in "dice_quantile", "overlap_quantile":
        assert value[metric] == found[metric] == 0


def test_hits_are_counted_from_the_highest_pixel():
    draws = np.array([[0.1, 0.9, 0.5, 0.3], [4.0, 3.0, 2.0, 1.0]])
    mask = np.array([True, False, True, False])
    assert scoring.hits_by_rank(draws, mask).tolist() == [[0, 1, 1, 2], [1, 1, 2, 2]]


@pytest.mark.parametrize("input_", ["original", "rotated"])
def test_chance_of_average_precision_is_the_mean_over_random_maps_of_this_input(
    saliency, table, input_
):
    shown = saliency[f"valid.{input_}"]
    mask = saliency["masks"][0][shown] > 0
    draws = scoring.quarter_turns(saliency[f"baseline.{input_}.random"])[:, shown]
    expected = np.mean([average_precision_score(mask, draw) for draw in draws])
    rows = table[(table["item"] == "a") & (table["input"] == input_) & (table["metric"] == "auprc")]
    assert len(rows) == 9 and rows["chance"].to_numpy() == pytest.approx(expected)


def test_random_maps_are_turned_by_quarters_and_no_more_than_are_needed():
    maps = np.random.default_rng(0).random((3, 4, 4))
    turned = scoring.quarter_turns(maps)
    assert len(turned) == 9
    for quarter, i in product((1, 2, 3), range(3)):
        assert np.array_equal(turned[3 * (quarter - 1) + i], np.rot90(maps[i], quarter))
    assert len(scoring.quarter_turns(np.zeros((40, 4, 4)))) == scoring.DRAWS
    assert not any(np.array_equal(a, b) for a, b in combinations([*turned, *maps], 2))


def test_chance_has_no_value_where_the_score_has_none():
    hits = np.ones((2, 4), np.int32)
    for values, mask in ((np.zeros(4), [1, 0, 0, 0]), (np.ones(4), [1] * 4), (np.ones(4), [0] * 4)):
        found = scoring.chance(values, np.array(mask, bool), hits, 0.5, SETTINGS)
        assert np.isnan(list(found.values())).all()


# -- reliability -----------------------------------------------------------------------------------


def test_reliability_has_a_row_for_each_map_of_a_network(saliency):
    table = scoring.reliability_rows(saliency, IDS, CASES)
    assert len(table) == 3 * 3 * 2
    rows = table.set_index(["item", "model", "input"])
    for i, model, input_ in product(range(3), MODELS, ("original", "rotated")):
        row = rows.loc[(IDS[i], model, input_)]
        assert row["split_half"] == saliency[f"{model}.{input_}.smoothgrad.split_half"][i]
        assert row["case"] == CASES[i] and row["attribution"] == "smoothgrad"
        expected = saliency[f"predicted.{input_}"][i] if model == "finetuned" else np.nan
        np.testing.assert_equal(row["predicted"], expected)


def test_sameness_is_the_correlation_with_the_mean_of_the_others_where_a_view_shows(saliency):
    table = scoring.reliability_rows(saliency, IDS, CASES).set_index(["item", "model", "input"])
    for i, model, input_ in product(range(3), MODELS, ("original", "rotated")):
        row, where = table.loc[(IDS[i], model, input_)], saliency[f"valid.{input_}"]
        others = [j for j in range(3) if CASES[j] != CASES[i]]
        maps, masks = saliency[f"{model}.{input_}.smoothgrad"], saliency["masks"] > 0
        for name, of_items in ("sameness", maps), ("mask_sameness", masks.astype(float)):
            seen = of_items[:, where]
            if seen[i].std() == 0 or seen[others].mean(axis=0).std() == 0:
                assert np.isnan(row[name])
                continue
            expected = np.corrcoef(seen[i], seen[others].mean(axis=0))[0, 1]
            assert row[name] == pytest.approx(expected)


def test_sameness_is_1_for_one_map_0_for_noise_and_unknown_for_one_case_or_a_constant():
    rng = np.random.default_rng(0)
    spots, noise = rng.random(4000), rng.random((6, 4000))
    assert scoring.sameness(np.outer([1, 2, 30], spots) + 5, "abc") == pytest.approx([1, 1, 1])
    assert abs(scoring.sameness(noise, "abcdef")).max() < 0.1
    part_of_both = scoring.sameness(spots + noise, "abcdef")  # half of the variance is common
    assert part_of_both == pytest.approx([(1 / 2.4) ** 0.5] * 6, abs=0.05)
    assert np.isnan(scoring.sameness(spots + noise, "aaaaaa")).all()
    slices = np.repeat(noise[:3], 2, axis=0)  # two of each patient, who have nothing in common
    assert abs(scoring.sameness(slices, "aabbcc")).max() < 0.1
    with_constant = scoring.sameness(np.stack([noise[0], np.ones(4000), noise[0]]), "abc")
    assert with_constant[[0, 2]] == pytest.approx([1, 1]) and np.isnan(with_constant[1])


def test_a_map_that_is_much_larger_hides_none_of_the_others():
    maps = np.float32([[1e8], [1], [1]])
    found = scoring.of_others(maps, "abc")
    assert found[0] == 1 and found.dtype == float


def test_masks_of_nothing_that_is_shown_have_no_score_either(saliency, caplog):
    saliency["masks"][0] = 0
    table = scoring.score_maps(saliency, IDS, CASES, SETTINGS)
    assert table.loc[(table["item"] == "a") & (table["metric"] == "auroc"), "value"].isna().all()
    assert "1 of 3 masks have all or none of what original shows" in caplog.text
    assert "2 of 3 masks have all or none of what rotated shows" in caplog.text


def test_sameness_of_a_constant_divides_by_nothing_whatever_its_mean_is_rounded_to():
    noise = np.random.default_rng(0).random((2, 4000))
    tenths = np.full((3, 4000), 0.1)
    masks = np.array([[0, 1], [1, 1], [0, 0], [0, 0]], bool).repeat(2000, axis=1)
    with np.errstate(all="raise"):
        assert np.isnan(scoring.sameness(tenths, "abc")).all()
        assert np.isnan(scoring.sameness(np.stack([noise[0], tenths[0], noise[1]]), "abc")[1])
        assert np.isnan(scoring.sameness(masks, "abcd")).all()


# -- maps against maps -----------------------------------------------------------------------------


def test_compare_takes_the_maps_that_belong_together(saliency):
    key = "finetuned-random-50.rotated.smoothgrad"
    found = scoring.compare(saliency, key)
    assert set(found) == {"equivariance", "similarity_rank", "similarity_ssim"}
    where = saliency["valid.rotated"]

    def rho(a, b):
        return [spearmanr(x[where], y[where]).statistic for x, y in zip(a, b, strict=True)]

    mapped = saliency[key]
    of_x = saliency["finetuned-random-50.original.smoothgrad"]
    intact = saliency["finetuned.rotated.smoothgrad"]
    assert found["equivariance"][0] == pytest.approx(rho(mapped, of_x))
    assert found["similarity_rank"][0] == pytest.approx(rho(mapped, intact))
    assert found["equivariance"][1] == found["similarity_rank"][1] == [0, 0, 0]
    values, chance = found["similarity_ssim"]
    assert values == pytest.approx(
        [metrics.ssim(a, b, where) for a, b in zip(mapped, intact, strict=True)]
    )
    draws = scoring.quarter_turns(saliency["baseline.rotated.random"])
    for expected, of_item in zip(chance, intact, strict=True):
        assert expected == pytest.approx(np.mean([metrics.ssim(d, of_item, where) for d in draws]))
    assert set(scoring.compare(saliency, "finetuned.rotated.smoothgrad")) == {"equivariance"}
    assert scoring.compare(saliency, "finetuned.original.smoothgrad") == {}


def test_areas_without_a_claim_have_no_value(saliency):
    key = "finetuned.original.smoothgrad"
    saliency[f"{key}.deletion"] = np.array([[0.5, 0, 1], [0.25, 1, 2]])
    assert scoring.compare(saliency, key) == {"deletion": ([0.5, 0, 1], [0.25, 1, 2])}
    saliency[key][1] = 0  # claims nothing
    areas = scoring.compare(saliency, key)["deletion"]
    np.testing.assert_array_equal(areas, [[0.5, np.nan, 1], [0.25, np.nan, 2]])


def test_values_and_chance_of_comparisons_keep_apart(saliency):
    key = "finetuned-random-50.rotated.smoothgrad"
    saliency[f"{key}.deletion"] = np.array([[0.5, 0, 1], [0.25, 3, 2]])
    saliency[f"{key}.insertion"] = np.array([[5, 6, 7], [8, 9, 10.0]])
    table = scoring.score_maps(saliency, IDS, CASES, SETTINGS)
    rows = table.set_index(["model", "input", "attribution", "metric"]).sort_index()
    found = scoring.compare(saliency, key)
    assert len(found) == 5
    for metric, (values, chance) in found.items():
        of_metric = rows.loc[(*key.split("."), metric)]
        assert of_metric["value"].tolist() == values
        assert of_metric["chance"].tolist() == chance
        assert of_metric["own_cut"].isna().all()
        assert values != chance
