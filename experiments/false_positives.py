"""Measure how often the workflow sees an effect of θ where there is none.

    python experiments/false_positives.py 200 [results/tables/dice_per_item.parquet]

It needs the development set-up (CONTRIBUTING.md).

Gives the runs of a finished study other angles at random, for each seed and repeat. What geometry
does to a score, its chance and its own cut, moves with it: after that no score over chance and
none over the own cut depends on θ. Tests the declared questions as the workflow does. Counts how
many of their p are ≤ 0.05, period by period, and how many studies have an effect, of one set or of
all. Only runs that were trained at an angle count, each evaluated at that angle (the sweep
`diagonal`).
"""

import sys
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy.stats import binomtest

from thetascope.analysis.curves import curves
from thetascope.analysis.inference import false_discovery, period_tests
from thetascope.analysis.scores import MEASURES, read_scores
from thetascope.analysis.settings import Analysis, Permutations
from thetascope.analysis.sweeps import Sweep, sweeps
from thetascope.angles import FIXED

HERE = Path(__file__).parent

LEVEL = 0.05
DIAGONAL = Sweep("diagonal", FIXED)


def moved(scores, places):
    """The same scores with the cells, or cells and seeds, of these places."""
    return replace(scores, **{name: getattr(scores, name)[places] for name in MEASURES})


def declared(scores, questions):
    """Diagonals of the scores that a question asks for: the rest would only take time."""
    for one in scores:
        asked = any(
            all(one.key[k] in values for k, values in question.items() if k in one.key)
            for question in questions.values()
        )
        if asked and (cells := sweeps(one.cells).get(DIAGONAL)):
            yield moved(replace(one, cells=[one.cells[i] for i in cells]), cells)


def shuffled(scores, rng):
    """The same scores under other angles; all scores of a run stay together."""
    there = np.any([np.isfinite(one.value).any(axis=2) for one in scores], axis=0)
    angles, seeds = there.shape
    order = np.tile(np.arange(angles)[:, None], seeds)
    for seed in range(seeds):  # staggered, each has angles of its own
        own = np.flatnonzero(there[:, seed])
        order[own, seed] = rng.permutation(own)
    return [moved(one, (order, np.arange(seeds))) for one in scores]


def main(repeats, table=HERE.parent / "results/tables/dice_per_item.parquet"):
    """Print the rates."""
    config = yaml.safe_load((HERE.parent / "config.yaml").read_text(encoding="utf-8"))
    analysis = Analysis(**config["analysis"])
    of_set = defaultdict(list)
    for one in declared(read_scores(table), analysis.questions):
        of_set[one.key["dataset"]].append(one)
    hits, effects = defaultdict(list), Counter()
    for repeat in range(int(repeats)):
        rng, draws = np.random.default_rng(repeat), Permutations(analysis.permutations, repeat)
        studies = {
            name: period_tests(curves(shuffled(scores, rng)), analysis.periods, draws)
            for name, scores in of_set.items()
        }
        studies["all together"] = pd.concat(studies.values(), ignore_index=True)
        for name, tests in studies.items():
            tests = false_discovery(tests, analysis.questions)
            tests = tests[tests["p"].notna()]
            for question in analysis.questions:
                asked = tests[tests["question"] == question]
                effects[name, question] += (asked["q"] <= LEVEL).any()
                hits[name, question].append((asked["p"] <= LEVEL).groupby(asked["period"]).mean())
    rows = []
    for (name, question), rates in hits.items():
        found = int(effects[name, question])
        low, high = binomtest(found, len(rates)).proportion_ci(method="wilson")
        rows.append(
            {"set": name, "question": question}
            | {f"{p:g}°": rate for p, rate in pd.concat(rates, axis=1).mean(axis=1).items()}
            | {"any effect": found / len(rates), "low": low, "high": high}
        )
    print(f"Share of p ≤ {LEVEL} per period, of studies with any effect, and its 95 % interval")
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
