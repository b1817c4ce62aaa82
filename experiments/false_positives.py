"""Measure how often the workflow sees an effect of θ where there is none.

    python experiments/false_positives.py 200 [results/tables/dice_per_item.parquet]

It needs the development set-up (CONTRIBUTING.md).

Gives the runs of a finished study other angles at random, for each seed and repeat. After that
nothing in their scores depends on θ but what the footprint does: nothing if maps `ignore` it (the
values change places, the footprint stays), all of it if they `follow` it (value − footprint changes
places). Tests the declared curves as the workflow does. Counts how many p of the series without a
wave are ≤ 0.05, period by period, and how many studies have an effect, of one set or of all. Only
runs that were trained at an angle count, each evaluated at that angle (the sweep `diagonal`).
"""

import sys
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy.stats import binomtest

from thetascope.analysis.inference import false_discovery, period_tests
from thetascope.analysis.scores import read_scores
from thetascope.analysis.settings import Analysis, Permutations
from thetascope.analysis.sweeps import Sweep, sweeps
from thetascope.angles import FIXED

HERE = Path(__file__).parent

LEVEL = 0.05
DIAGONAL = Sweep("diagonal", FIXED)


def declared(scores, confirmatory):
    """Diagonals of the scores that can hold a declared curve: the rest would only take time."""
    asked = {k: v for k, v in confirmatory.items() if k in scores[0].key}
    for one in scores:
        cells = sweeps(one.cells).get(DIAGONAL)
        if cells and all(one.key[k] in v for k, v in asked.items()):
            own = [one.cells[i] for i in cells]
            yield replace(one, cells=own, value=one.value[cells], null=one.null[cells])


def shuffled(scores, follow, rng):
    """The same scores under other angles; all metrics of a run stay together."""
    angles, seeds, _ = scores[0].value.shape
    order = np.stack([rng.permutation(angles) for _ in range(seeds)], axis=1)
    column = np.arange(seeds)
    kept = [s.null if follow else 0 for s in scores]
    return [
        replace(s, value=(s.value - k)[order, column] + k)
        for s, k in zip(scores, kept, strict=True)
    ]


repeats = int(sys.argv[1])
table = sys.argv[2] if len(sys.argv) > 2 else HERE.parent / "results/tables/dice_per_item.parquet"
config = yaml.safe_load((HERE.parent / "config.yaml").read_text(encoding="utf-8"))
analysis = Analysis(**config["analysis"])
scores = list(declared(read_scores(table), analysis.confirmatory))
sets = sorted({s.key["dataset"] for s in scores})
rows = []
for follow, without in enumerate(["value", "excess"]):
    hits, effects = defaultdict(list), Counter()
    for repeat in range(repeats):
        rng = np.random.default_rng(repeat)
        studies = {
            name: period_tests(
                shuffled([s for s in scores if s.key["dataset"] == name], follow, rng),
                analysis.periods,
                Permutations(analysis.permutations, repeat),
            )
            for name in sets
        }
        studies["all together"] = pd.concat(studies.values(), ignore_index=True)
        for name, tests in studies.items():
            tests = false_discovery(tests, analysis.confirmatory)
            effects[name] += (tests["q"][tests["confirmatory"]] <= LEVEL).any()
            tests = tests[(tests["series"] == without) & tests["p"].notna()]
            hits[name].append((tests["p"] <= LEVEL).groupby(tests["period"]).mean())
    for name, rates in hits.items():
        low, high = binomtest(int(effects[name]), repeats).proportion_ci(method="wilson")
        by_period = pd.concat(rates, axis=1).mean(axis=1)
        rows.append(
            {"set": name, "maps": "follow" if follow else "ignore"}
            | {f"{period:g}°": rate for period, rate in by_period.items()}
            | {"any effect": effects[name] / repeats, "low": low, "high": high}
        )
print(f"Share of p ≤ {LEVEL} per period, of studies with any effect, and its 95 % interval")
print(pd.DataFrame(rows).round(3).to_string(index=False))
