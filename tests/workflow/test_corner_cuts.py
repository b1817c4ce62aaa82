"""Studies in which nothing depends on θ but the corners that are cut, from real maps."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments"))

from corner_cuts import THETA, cut_scores, effects

STUDIES = 150
# what a rate of 0.05 exceeds in one of a thousand such counts
HIGHEST = 0.05 + 3.1 * np.sqrt(0.05 * 0.95 / STUDIES)


@pytest.mark.parametrize("model", ["pretrained", "finetuned"])
def test_the_own_cut_takes_corners_for_no_effect(finished, model):
    every = sorted(finished.folder.glob("results/runs/ihc/*/*/*/*/*/*/saliency.npz"))
    files = [file for file in every if "angle-none" not in file.parts]
    assert len(files) == 4
    rng = np.random.default_rng(1)
    pool = np.stack([cut_scores(file, model, rng) for file in files])
    shares = effects(pool, STUDIES, rng)
    assert all(share <= HIGHEST for share in shares["turning"].values()), shares
    # a wave that geometry gives to both is an effect on the scores, and none after the own cut
    wave = np.cos(np.deg2rad(4 * THETA))[:, None, None] * pool.std(axis=(0, 1, 2, 3, 4))
    assert min(effects(pool + wave, 30, rng)["value"].values()) > 0.5
    assert max(effects(pool + wave, STUDIES, rng)["turning"].values()) <= HIGHEST
