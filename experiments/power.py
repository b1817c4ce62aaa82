"""Measure how often a wave of known size is found, and how often one that is not there.

    python experiments/power.py 1000

It needs the development set-up (CONTRIBUTING.md).

Draws scores of many studies of the same design: a level for every seed and every case, noise of
every run, which all its cases share, and noise of every case in every run. To these comes a wave of
90°: none, one of the amplitude that `planner.detectable_amplitude` promises to find with
probability 0.8, and one half as large. Tests, intervals and bounds are those of the workflow.
"""

import sys
from itertools import count

import numpy as np
import pandas as pd

from thetascope.analysis.curves import COUNTS, Curve
from thetascope.analysis.inference import period_tests
from thetascope.analysis.oscillation import oscillation_table
from thetascope.analysis.planner import detectable_amplitude
from thetascope.analysis.settings import Permutations
from thetascope.vocabulary import ARM

PERIODS = [360, 180, 120, 90]
WAVE = 90  # the period that is put in
# Standard deviations of levels of seeds and cases, and of noise of runs and of cases in runs: those
# of pretrained models' maps of x on the polyps of findings.yaml, which has as many cases (AUROC).
CASES, SEED, CASE, RUN, BOTH = 12, 0.022, 0.136, 0.038, 0.136
DRAWS = 999
# angles, seeds, whether each seed has angles of its own, whether the noise of runs has heavy tails
DESIGNS = [
    *((angles, seeds, False, False) for angles in (12, 24, 36) for seeds in (1, 2, 4)),
    (12, 4, True, False),
    (12, 4, False, True),
]


def grid(angles, seeds, staggered):
    """Equal steps round the circle: float [angles, seeds]."""
    step = 360 / angles
    shift = np.arange(seeds) * step / seeds * staggered
    return np.arange(angles)[:, None] * step + shift


def studies(theta, amplitude, tails, repeats, rng):
    """Yield one curve of each of many studies."""
    angles, seeds = theta.shape
    phases = rng.uniform(0, 2 * np.pi, repeats)
    for i, phase in zip(range(repeats), phases, strict=True):
        noise = rng.normal(size=(angles, seeds, 1))
        if tails:
            noise = rng.standard_t(3, (angles, seeds, 1)) / np.sqrt(3)  # of variance 1
        values = rng.normal(0, SEED, (1, seeds, 1)) + rng.normal(0, CASE, (1, 1, CASES))
        values = values + RUN * noise + rng.normal(0, BOTH, (angles, seeds, CASES))
        values += amplitude * np.cos(2 * np.pi * theta / WAVE - phase)[..., None]
        key = dict.fromkeys(ARM, "") | {"dataset": str(i), "model": "pretrained", "series": "value"}
        key |= {"training": "fixed", "sweep": "diagonal", "held_angle": None}
        key |= {"input": "original", "attribution": "smoothgrad", "metric": "auroc"}
        counts = dict(zip(COUNTS, (len(np.unique(theta)), CASES, 0, CASES, seeds), strict=True))
        yield Curve(key, theta, values, np.arange(CASES).astype(str), counts)


def main(repeats=1000):
    """Print the rates."""
    rows, rngs = [], map(np.random.default_rng, count())
    for angles, seeds, staggered, tails in DESIGNS:
        theta = grid(angles, seeds, staggered)
        cell = np.hypot(RUN, BOTH / np.sqrt(CASES))
        promised = detectable_amplitude(theta, PERIODS, cell)[PERIODS.index(WAVE)]
        row = {"angles": angles, "seeds": seeds, "staggered": staggered, "tails": tails}
        row["amplitude"] = promised
        for name, amplitude in ("none", 0), ("half", promised / 2), ("whole", promised):
            found = list(studies(theta, amplitude, tails, int(repeats), next(rngs)))
            tests = period_tests(found, PERIODS, Permutations(DRAWS, 0))
            waves = oscillation_table(found, PERIODS, 0.95).merge(tests)
            there = waves[waves["period"] == WAVE]
            row[f"p ≤ 0.05, {name}"] = (there["p"] <= 0.05).mean()
            if name == "whole":
                low, high = there["amplitude_ci_low"], there["amplitude_ci_high"]
                row["interval"] = ((low <= amplitude) & (amplitude <= high)).mean()
                row["bound"] = (there["amplitude_bound"] >= amplitude).mean()
                others = waves[waves["period"] != WAVE]
                row["p ≤ 0.05, elsewhere"] = (others["p"] <= 0.05).mean()
        rows.append(row)
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
