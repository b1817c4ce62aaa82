"""Measure how often the workflow sees a dependence on θ where there is none.

    python experiments/false_positives.py 200 [results/tables/dice_per_item.parquet]

Gives the runs of a finished study other angles, drawn anew for each seed and repeat, so that
nothing in their scores depends on θ any more; tests the declared curves as the workflow does; and
counts how many p are ≤ 0.05, period by period, and how many studies have a q that is.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy.stats import binomtest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "workflow_scripts"))

from thetascope.periodicity import false_discovery, period_tests  # noqa: E402
from thetascope.tables import read_scores  # noqa: E402

LEVEL = 0.05


def declared(scores, confirmatory):
    """Scores that can hold a declared curve: the rest would only take time."""
    asked = {k: v for k, v in confirmatory.items() if k in scores[0].key}
    return [s for s in scores if all(s.key[k] in v for k, v in asked.items())]


def shuffled(scores, rng):
    """The same scores under other angles; all metrics of a run stay together."""
    angles, seeds, _ = scores[0].value.shape
    order = np.stack([rng.permutation(angles) for _ in range(seeds)], axis=1)
    column = np.arange(seeds)
    return [replace(s, value=s.value[order, column], null=s.null[order, column]) for s in scores]


repeats = int(sys.argv[1])
table = sys.argv[2] if len(sys.argv) > 2 else HERE.parent / "results/tables/dice_per_item.parquet"
analysis = yaml.safe_load((HERE.parent / "config.yaml").read_text(encoding="utf-8"))["analysis"]
confirmatory = analysis["confirmatory"]
scores = declared(read_scores(table), confirmatory)
rows = []
for arm in sorted({(s.key["dataset"], s.key["view"]) for s in scores}):
    own = [s for s in scores if (s.key["dataset"], s.key["view"]) == arm]
    hits, studies = [], 0
    for repeat in range(repeats):
        drawn = shuffled(own, np.random.default_rng(repeat))
        tests = period_tests(drawn, analysis["periods"], analysis["permutations"], repeat)
        tests = false_discovery(tests, confirmatory)
        tests = tests[tests["confirmatory"] & tests["p"].notna()]
        hits.append((tests["p"] <= LEVEL).groupby(tests["period"]).mean())
        studies += (tests["q"] <= LEVEL).any()
    low, high = binomtest(int(studies), repeats).proportion_ci(method="wilson")
    rates = {f"{period:g}°": rate for period, rate in pd.concat(hits, axis=1).mean(axis=1).items()}
    rows.append(
        {"set": " ".join(arm), **rates, "any q": studies / repeats, "low": low, "high": high}
    )
print(f"Share of p ≤ {LEVEL} per period, of studies with any q ≤ {LEVEL}, and its 95 % interval")
print(pd.DataFrame(rows).round(3).to_string(index=False))
