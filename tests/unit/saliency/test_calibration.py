"""Maps that know nothing score what chance gives: every θ, canvas, metric, share of foreground."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter

from thetascope.learning.rotation import View
from thetascope.saliency.baselines import random
from thetascope.saliency.metrics import Scoring
from thetascope.saliency.scoring import score_maps

SIZE, ITEMS = 48, 60
SETTINGS = Scoring(0.8, ["overlap_area", "overlap_otsu", "dice_positive"])
THETA = (0.0, 10.0, 30.0, 45.0, 90.0)


def blobs(share, rng):
    """Masks of smooth regions that hold this share of the pixels."""
    fields = gaussian_filter(rng.normal(size=(ITEMS, SIZE, SIZE)), (0, 5, 5))
    edges = np.quantile(fields, 1 - share, axis=(1, 2), keepdims=True)
    return (fields > edges).astype(np.uint8)


def scores_of(maps, masks, view, degrees):
    """Rows of maps of R_θ x as an evaluation has them."""
    pictures = torch.zeros(ITEMS, 1, SIZE, SIZE)
    arrays = {f"{model}.original.random": of_x.numpy() for model, (of_x, _) in maps.items()}
    arrays |= {
        f"{model}.rotated.random": view.align(of_y, degrees).numpy()
        for model, (_, of_y) in maps.items()
    }
    arrays["valid.rotated"] = view.valid(pictures, degrees).numpy()
    names = [f"{i:02d}" for i in range(ITEMS)]
    return score_maps(arrays | {"masks": masks}, names, names, SETTINGS)


@pytest.mark.parametrize("canvas", ["zero", "disc"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.7])
def test_random_maps_have_no_excess_at_any_angle(share, canvas):
    rng, noise = np.random.default_rng(1), torch.Generator().manual_seed(2)
    masks, view = blobs(share, rng), View(canvas)
    rows = []
    for degrees in THETA:
        # ten times as many maps as an evaluation has, half of them as sharp as drawn
        maps = {
            f"noise-{sigma}-{i}": tuple(
                random(torch.zeros(ITEMS, 1, SIZE, SIZE), sigma, noise) for _ in range(2)
            )
            for sigma in (0.0, SIZE / 45)
            for i in range(3)
        }
        maps["baseline"] = maps.pop(f"noise-{SIZE / 45}-0")  # that chance is drawn from
        scores = scores_of(maps, masks, view, degrees)
        rows.append(scores[scores["attribution"] == "random"].assign(theta=degrees))
    table = pd.concat(rows)
    table = table[~table["metric"].isin(["equivariance"])]
    sharp = table["model"].str.startswith("noise-0.0")
    # average precision and overlap are for maps as smooth as those that chance is drawn from
    linear = table["metric"].str.startswith("dice") | table["metric"].isin(
        ["auroc", "relevance_mass", "pointing_game"]
    )
    excess = (table["value"] - table["chance"])[linear | ~sharp]
    groups = excess.groupby([table["metric"], table["theta"]])
    mean, error = groups.mean(), groups.std() / np.sqrt(groups.count())
    # hits so rare that there may be none
    p = table["chance"].groupby([table["metric"], table["theta"]]).mean().loc[["pointing_game"]]
    error.loc[["pointing_game"]] = np.sqrt(p * (1 - p) / groups.count().loc[["pointing_game"]])
    assert len(mean) == 10 * len(THETA)
    assert (mean.abs() <= 4 * error + 1e-3).all(), (mean / error).round(1).to_string()
    # and it is told apart from a tenth of what there is to win
    assert (error.drop("pointing_game") < 0.02).all()


def test_a_map_of_the_mask_has_an_excess_and_its_opposite_a_deficit():
    rng, noise = np.random.default_rng(1), torch.Generator().manual_seed(2)
    masks, view = blobs(0.3, rng), View()
    knowing = torch.tensor(masks).float()
    smooth = random(knowing[:, None], 1.0, noise)
    maps = {
        "baseline": (smooth, smooth.flip(0)),
        "finder": (knowing + smooth, knowing + smooth),
        "shunner": (1 - knowing + smooth, 1 - knowing + smooth),
    }
    table = scores_of(maps, masks, view, 0.0).query("attribution == 'random'")
    excess = (table["value"] - table["chance"]).groupby([table["model"], table["metric"]]).mean()
    usual = ["auroc", "auprc", "dice_area", "dice_otsu", "dice_quantile", "relevance_mass"]
    assert (excess["finder"][usual] > 0.05).all()
    assert (excess["shunner"][usual] < -0.05).all()
