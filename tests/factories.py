"""What tests of several rooms are made of: scores over θ, tables of them, settings, pictures.

What could be taken for something else differs from it: value, chance and own cut have numbers of
their own, intervals lie to no side alike, settings are not those of `config.yaml`.
"""

from itertools import product

import numpy as np
import pandas as pd
from scipy import ndimage, stats

from thetascope.analysis.curves import curves
from thetascope.analysis.scores import arrange
from thetascope.analysis.settings import Analysis, Bootstrap, Permutations
from thetascope.analysis.waves import coefficients, phases, powers
from thetascope.angles import FIXED, NONE, RANDOM

# every family that presets use: the default encoder, and the smallest network that timm has of each
ENCODERS = "efficientnet_lite0", "test_resnet", "test_convnext", "test_vit"

PERIODS = [360, 180, 120, 90]
REGULAR = np.arange(0, 360, 30.0)
FINE = np.arange(0, 360, 15.0)
WITH_360 = np.append(REGULAR, 360)
IRREGULAR = np.array([0, 20, 45, 75, 90, 110, 135, 170, 180, 200, 225, 265, 270, 300, 315, 340.0])

# what rows are of, unless a test says otherwise
NAMES = {"dataset": "d", "view": "plain", "encoder": "e", "method": "moco"}
NAMES |= {"model": "pretrained", "input": "rotated", "attribution": "smoothgrad", "metric": "auroc"}


# -- settings --------------------------------------------------------------------------------------


def intervals(draws=50, confidence=0.9, seed=3):
    """How intervals are drawn."""
    return Bootstrap(draws, confidence, seed)


def shuffling(draws=99, seed=5):
    """How permutation tests are drawn."""
    return Permutations(draws, seed)


def analysis(**changes):
    """The section `analysis`, few draws; one question, the excess of AUROC on the diagonal."""
    question = {"sweep": ["diagonal"], "series": ["excess"], "metric": ["auroc"]}
    section = {"bootstrap": 50, "confidence": 0.9, "periods": PERIODS, "permutations": 99}
    section["smallest_effect"] = 0.03
    return Analysis(**{**section, "questions": {"main": question}, "seed": 3} | changes)


def both(value):
    """The same for both models."""
    return {"pretrained": value, "finetuned": value}


def mapping(**changes):
    """The section `saliency`: one noisy copy, and nothing that may be left out."""
    from thetascope.saliency.maps import Saliency  # torch takes seconds

    section = {"samples": both(1), "noise_level": both(0.15), "noise_scale": "range"}
    section |= {"times_input": False, "logit_over": "predicted", "blur": 0.0}
    section |= {"unaligned": False, "pre_rotation": False, "guided": False, "randomise": []}
    return Saliency(**section | {"deletion": 0, "items": 2, "chunk_size": 4} | changes)


def smooth(objective, inputs, *args, **options):
    """SmoothGrad maps of an objective."""
    from thetascope.saliency.gradients import gradient_of, smoothgrad  # torch takes seconds

    gradient = gradient_of(objective, len(inputs), inputs[0].device)
    return smoothgrad(gradient, inputs, *args, **options)


def pretraining(**changes):
    """The section `pretrain`: two epochs, a small head and queue."""
    from thetascope.learning.contrastive import Pretrain  # torch takes seconds

    return Pretrain(
        **{
            **{"epochs": 2, "batch_size": 4, "lr": 0.5, "schedule": "cosine"},
            **{"momentum": 0.9, "weight_decay": 1e-4, "temperature": 0.2},
            **{"queue_size": 6, "frozen_queue": False, "encoder_momentum": 0.9},
            **{"hidden_dim": 32, "output_dim": 16, "spike": None},
        }
        | changes
    )


# -- scores and tables -----------------------------------------------------------------------------


def wave(theta, amplitude, period, phase=0.0):
    """A cosine that repeats every `period` degrees and has its crest at `phase`."""
    return amplitude * np.cos(2 * np.pi * (np.asarray(theta) - phase) / period)


def harmonics(theta, curves, periods):
    """Amplitude, phase and power of every wave of curves [angles, seeds, n]: [periods, n] each."""
    found = coefficients(theta, curves, periods)
    return np.abs(found), phases(found, periods), powers(theta, found, periods)


def grid(theta, seeds=1):
    """The same angles for every seed: [angles, seeds]."""
    return np.repeat(np.asarray(theta, dtype=float)[:, None], seeds, axis=1)


def staggered_grid(angles, seeds):
    """Equal steps round the circle, of which every seed begins a share of a step later."""
    step = 360 / angles
    return np.arange(angles)[:, None] * step + np.arange(seeds) * step / seeds


def cells(angles):
    """Columns of angles. Each is a pair (trained, evaluated), or one number that stands for both.

    `random` and `none` stand in the place of the angle of training, as in paths.
    """
    pairs = [one if isinstance(one, tuple) else (one, one) for one in angles]
    rows = [
        (angle, np.nan, evaluated) if angle in (RANDOM, NONE) else (FIXED, angle, evaluated)
        for angle, evaluated in pairs
    ]
    frame = pd.DataFrame(rows, columns=["training", "angle", "eval_angle"])
    return frame.astype({"training": str, "angle": float, "eval_angle": float})


def every(rows, maps=None, **names):
    """The rows again for each combination of names; `maps` are pairs of model and attribution.

    A name is one value or a list; those that are not given are those of `NAMES`.
    """
    lists = {column: v if isinstance(v, list) else [v] for column, v in names.items()}
    found = []
    for pair in maps or [()]:
        of_map = dict(zip(("model", "attribution"), pair, strict=False))
        for values in product(*lists.values()):
            found.append(rows.assign(**NAMES | of_map | dict(zip(lists, values, strict=True))))
    return pd.concat(found, ignore_index=True)


def score_rows(angles, value, chance=0.25, own_cut=0.4, *, seeds=1, items=2, **names):
    """Scores per item, one row each, as `dice_per_item.parquet` holds them.

    `value`, `chance` and `own_cut` are numbers or arrays [cells], [cells, seeds] or [cells, seeds,
    items], one cell for each of `angles` (see `cells`); `names` as for `every`.
    """
    places = cells(angles)
    shape = len(places), seeds, items
    cell, seed, item = (index.ravel() for index in np.indices(shape))
    numbers = {
        name: np.broadcast_to(np.expand_dims(a, tuple(range(np.ndim(a), 3))), shape).ravel()
        for name, a in (("value", value), ("chance", chance), ("own_cut", own_cut))
    }
    rows = places.iloc[cell].assign(seed=seed, item=[f"i{i}" for i in item], **numbers)
    # two items of a case, so that neither could stand for the other
    return every(rows.assign(case=[f"c{i // 2}" for i in item]), **names)


def curves_of(*rows):
    """Curves of all these rows of scores, in a list that can be gone through again."""
    return list(curves(arrange(rows)))


def staggered_rows(theta, value, **names):
    """The same where every seed has angles of its own: `theta` and `value` [angles, seeds]."""
    seeds = [
        score_rows(theta[:, seed], value[:, seed], **names).assign(seed=seed)
        for seed in range(theta.shape[1])
    ]
    return pd.concat(seeds, ignore_index=True)


def null_cells(rng, angles, seeds, items=4, run=1.0, draw=None):
    """Means over items [angles, seeds] without any influence of θ.

    Items share each run's noise, of standard deviation `run`; seeds and items have levels.
    """
    draw = draw or rng.normal
    level = rng.normal(0, 3, (1, seeds, items)) + rng.normal(0, 3, (1, 1, items))
    own = rng.normal(0, 0.5, (angles, seeds, items))
    return (level + run * draw(size=(angles, seeds, 1)) + own).mean(axis=2)


def at_nominal_rate(p, level=0.05):
    """Whether as many p reach the level as do in all but one of 10,000 sets of exact tests."""
    low, high = stats.binom.interval(0.9999, len(p), level)
    return low <= (np.asarray(p) <= level).sum() <= high


def dice_rows(angles, **names):
    """A table like `dice.csv`, of random numbers; `angles` as for `cells`, `names` for `every`."""
    rows = every(cells(angles), **names)
    value, chance, own_cut = np.random.default_rng(0).uniform(0.3, 0.6, (3, len(rows)))
    rows = rows.assign(value=value, ci_low=value - 0.05, ci_high=value + 0.1)
    excess, turning = value - chance, np.where(rows["input"] == "rotated", value - own_cut, np.nan)
    rows = rows.assign(chance=chance, excess=excess)
    rows = rows.assign(excess_ci_low=excess - 0.02, excess_ci_high=excess + 0.03)
    rows = rows.assign(own_cut=value - turning, turning=turning)
    rows = rows.assign(turning_ci_low=turning - 0.04, turning_ci_high=turning + 0.01)
    return rows.assign(n_items=12, n_seeds=1)


def reliability_rows(**names):
    """A table like `reliability.csv`, of random numbers; `names` as for `every`."""
    rows = every(pd.DataFrame(index=[0]), **names).drop(columns="metric")
    half = np.random.default_rng(1).uniform(0.2, 0.8, len(rows))
    whole = 2 * half / (1 + half)
    rows = rows.assign(split_half=half, split_half_ci_low=half - 0.1, split_half_ci_high=half + 0.2)
    rows = rows.assign(reliability=whole, reliability_ci_low=whole - 0.05)
    rows = rows.assign(reliability_ci_high=whole + 0.1)
    rows = rows.assign(sameness=half / 2, sameness_ci_low=half / 3, sameness_ci_high=half / 1.5)
    rows = rows.assign(mask_sameness=half / 4)
    return rows.assign(n_maps=36, n_no_foreground=2, n_items=12)


def of(table, **values):
    """Rows in which the columns have these values; None stands for an empty cell."""
    for column, value in values.items():
        table = table[table[column].isna() if value is None else table[column] == value]
    return table


# -- pictures --------------------------------------------------------------------------------------


def noise_images(count, channels=1, size=16, seed=0):
    """Pictures of noise, uint8 [count, channels, size, size]."""
    shape = count, channels, size, size
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def square_mask(size, rows, columns, label=1):
    """A mask [size, size] with a label in these rows and columns, both (first, end)."""
    mask = np.zeros((size, size), np.uint8)
    mask[slice(*rows), slice(*columns)] = label
    return mask


def coordinates(size):
    """Rightward and upward distance from the centre, [1, size] and [size, 1]."""
    axis = np.arange(size) - (size - 1) / 2
    return axis[None], -axis[:, None]


def gratings(direction, items=1, wavelength=12, noise=0.0, seed=0, size=64):
    """Plane waves whose crests lie anywhere and whose gradient has this direction."""
    rng = np.random.default_rng(seed)
    x, y = coordinates(size)
    along = x * np.cos(np.deg2rad(direction)) + y * np.sin(np.deg2rad(direction))
    crests = rng.uniform(0, 2 * np.pi, (items, 1, 1, 1))
    waves = 128 + 60 * np.cos(2 * np.pi * along / wavelength + crests)
    return waves + rng.normal(0, noise, waves.shape)


def isotropic(items, sigma=2.0, seed=0, size=64):
    """Noise without any preferred direction: [items, 1, size, size]."""
    edge = 10
    white = np.random.default_rng(seed).normal(size=(items, 1, *2 * [size + 2 * edge]))
    smooth = ndimage.gaussian_filter(white, sigma, axes=(2, 3))[..., edge:-edge, edge:-edge]
    return (128 + 30 * smooth / smooth.std()).clip(1, 255)


def squares(n):
    """Bright squares on dark noise, float [n, 3, 32, 32], and where they are, uint8 [n, 32, 32]."""
    import torch  # takes seconds

    images = torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.2
    masks = torch.zeros(n, 32, 32, dtype=torch.uint8)
    for i in range(n):
        top, left = 2 + i % 8, 14 - i % 7
        masks[i, top : top + 14, left : left + 14] = 1
    return images + 0.7 * masks[:, None], masks


# a row of verdict.csv, but for columns that few tests need
VERDICT = {
    **{"question": "training", "dataset": "waves", "view": "plain", "encoder": "e"},
    **{"method": "moco", "training": "fixed", "sweep": "diagonal", "held_angle": np.nan},
    **{"model": "m", "input": "original", "attribution": "smoothgrad", "metric": "auroc"},
    **{"series": "excess", "finds": "yes", "level": 0.12, "level_cases_ci_low": 0.07},
    **{"level_cases_ci_high": 0.31, "verdict": "wave", "period": 90.0, "aliases": "45, 22.5"},
    **{"amplitude": 0.0412, "amplitude_ci_low": 0.0213, "amplitude_ci_high": 0.0614},
    **{"amplitude_bound": 0.0577, "phase_deg": 12.0, "phase_ci_low": 3.0, "phase_ci_high": 24.0},
    **{"p": 0.0012, "q": 0.0096, "p_without_0": 0.002, "canvas_q": np.nan, "sham_q": np.nan},
    **{"seeds_needed": np.nan, "reliability": 0.9, "sameness": 0.4, "mask_sameness": 0.2},
    **dict.fromkeys(("picture_level", "picture_level_ci_low", "picture_level_ci_high"), np.nan),
    **dict.fromkeys(("others_p", "picture_p"), np.nan),
    **{"n_angles": 12, "n_angles_per_seed": 12, "n_items": 8, "n_cases": 5, "n_seeds": 3},
    **{"n_tests": 8, "plan": "ab12"},
}
