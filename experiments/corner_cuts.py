"""Measure how often cutting corners alone, with nothing turned, is taken for an effect of θ.

    python experiments/corner_cuts.py 200 [results]

It needs the development set-up (CONTRIBUTING.md).

Takes the maps of x of a finished study, and makes studies of 24 angles and 3 seeds of them. At
every angle and seed stands the map of some run, drawn at random, cut to what a turned square would
show. Beside it stands the own cut: the same map with other noise. Noise is added to both as far as
the reliability of the maps says. Counts for each image set, model and metric in how many studies
some period has q ≤ 0.05: of the score itself (`value`), and of what is asked of maps of R_θ x
(`turning`, value − own cut).
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import false_discovery_control

from thetascope.analysis.permutation import permutation_test
from thetascope.analysis.reliability import spearman_brown
from thetascope.analysis.settings import Permutations
from thetascope.files import read_npz
from thetascope.learning.rotation import View
from thetascope.saliency.metrics import METRICS, Scoring, score

THETA = np.arange(0, 360, 15.0)
SEEDS, PERIODS, LEVEL = 3, (360, 180, 120, 90, 60, 45), 0.05
MODELS = ("pretrained", "finetuned")
REPLICATES = 2  # of the noise at every angle of every run, twice over: map and own cut


def with_noise(maps, reliability, rng):
    """Maps [n, S, S] with smooth noise, so that two of them correlate as two real maps would."""
    noise = gaussian_filter(rng.normal(size=maps.shape), (0, 1.5, 1.5))
    noise /= noise.std(axis=(1, 2), keepdims=True)
    share = np.clip(reliability, 0.05, 1)[:, None, None]
    spread = maps.std(axis=(1, 2), keepdims=True) * np.sqrt((1 - share) / share)
    return np.maximum(maps + spread * noise, 1e-9)


def cut_scores(file, model, rng):
    """Scores of one run's maps of x, cut at every angle: [replicates, 2, angles, items, metrics].

    The second axis: the map that stands for that of R_θ x, and the own cut.
    """
    arrays, settings = read_npz(file), Scoring(0.8, [])
    maps, masks = arrays[f"{model}.original.smoothgrad"], arrays["masks"] > 0
    reliability = spearman_brown(arrays[f"{model}.original.smoothgrad.split_half"])
    shape = REPLICATES, 2, len(THETA), len(maps), len(METRICS)
    found = np.empty(shape)
    for place in np.ndindex(shape[:3]):
        shown = View().valid(torch.tensor(maps), THETA[place[2]]).numpy()
        for i, noisy in enumerate(with_noise(maps, reliability, rng)):
            found[*place, i] = list(score(noisy[shown], masks[i][shown], settings).values())
    return found


def effects(pool, repeats, rng):
    """How often studies drawn from runs [runs, replicates, 2, angles, items, metrics] have one.

    Dict of series → metric → share of the studies.
    """
    found = defaultdict(lambda: np.zeros(len(METRICS)))
    grid = np.repeat(THETA[:, None], SEEDS, axis=1)
    for repeat in range(repeats):
        run, replicate = (rng.integers(n, size=(len(THETA), SEEDS)) for n in pool.shape[:2])
        angle = np.arange(len(THETA))[:, None]
        drawn = pool[run, replicate, :, angle]  # angles, seeds, 2, items, metrics
        # both have noise of their own, and either could be the other: else what noise happens to
        # lie in the pool at an angle would return in every study
        swap = rng.random((len(THETA), SEEDS, 1, pool.shape[4], 1)) < 0.5
        one, other = np.moveaxis(np.where(swap, drawn[:, :, ::-1], drawn), 2, 0)
        series = {"value": one.mean(axis=2), "turning": (one - other).mean(axis=2)}
        for name, cells in series.items():
            for metric in range(len(METRICS)):
                one = cells[..., metric, None]
                p, _ = permutation_test(grid, one, PERIODS, Permutations(199, repeat))
                found[name][metric] += false_discovery_control(p).min() <= LEVEL
    return {name: dict(zip(METRICS, n / repeats, strict=True)) for name, n in found.items()}


def main(repeats, results="results"):
    """Print the shares."""
    of_set, rng = defaultdict(list), np.random.default_rng(0)
    for file in sorted(Path(results).glob("runs/*/plain/*/*/angle-*/seed-*/eval-*/saliency.npz")):
        of_set[file.relative_to(results).parts[1]].append(file)
    rows = []
    for name, files in of_set.items():
        for model in MODELS:
            pool = np.stack([cut_scores(file, model, rng) for file in files])
            for series, shares in effects(pool, int(repeats), rng).items():
                rows.append({"set": name, "model": model, "series": series} | shares)
    print(f"Share of {repeats} studies with an effect; nothing but corners depends on θ")
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
