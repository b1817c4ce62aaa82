"""Which designs would find a wave that matters, from the noise of a pilot, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from thetascope.analysis.curves import KEY, Curve, exchangeable
from thetascope.analysis.inference import question_of
from thetascope.analysis.planner import seeds_needed
from thetascope.analysis.settings import Analysis
from thetascope.analysis.waves import fit, known_periods

ANGLES = (12, 24, 36, 72)
MORE_CASES = (1, 2, 4)  # times as many test cases as the pilot has
OF_RUN, OF_MAPS = ("pretrain", "finetune"), ("saliency", "score", "perceptron")
COLUMNS = [
    "question",
    "angles",
    "times_cases",
    "seeds_half",
    "seeds_all",
    "runs",
    "hours",
    "n_tests",
]


@dataclass(frozen=True)
class Components:
    """Standard deviations of a curve's sources of noise, in units of the score.

    Attributes
    ----------
    run : float
        Of a training run: all its cases move together.
    case : float
        Of one case (the mean of its items) in one run, beyond the run and the case's own level.
    cases : int
        Number of test cases.
    """

    run: float
    case: float
    cases: int

    def cell(self, cases: int) -> float:
        """Of a run's mean over so many cases."""
        return float(np.sqrt(self.run**2 + self.case**2 / cases))


def components(curve: Curve, periods: list[float]) -> Components:
    """Tell the noise of runs from that of cases, by the analysis of variance of all scores."""
    values = curve.of_cases
    cases = values.shape[2]
    runs = values.size / cases
    noise = float(fit(curve, periods).level_runs.variance) * runs
    rest = values - values.mean(axis=2, keepdims=True)
    rest = rest - rest.mean(axis=(0, 1))
    own = (rest**2).sum() / ((runs - 1) * (cases - 1)) if cases > 1 else 0.0
    return Components(np.sqrt(max(0.0, noise - own / cases)), np.sqrt(own), cases)


def design_table(
    curves: Iterable[Curve], benchmarks: pd.DataFrame, analysis: Analysis
) -> pd.DataFrame:
    """Say which designs find a wave of `smallest_effect` with probability 0.8.

    Parameters
    ----------
    curves : iterable of Curve
        Of a finished pilot.
    benchmarks : DataFrame
        Of its jobs, as `tables.benchmarks_table` makes them.
    analysis : Analysis
        The configuration's section.

    Returns
    -------
    DataFrame
        One row per question, number of angles round the circle and `times_cases` (how many times as
        many test cases as the pilot has, whose sets may have unlike numbers of them): seeds with
        which half of the question's curves would show such a wave at whatever period, and all of
        them (NaN if it takes too many), after a correction for all tests of the question; `runs` of
        one arm and the `hours` that these take one after the other, for all curves.
    """
    found = [
        (curve.key, components(curve, known_periods(curve.theta, analysis.periods)[1]))
        for curve in curves
        if exchangeable(curve.key)
    ]
    keys = pd.DataFrame([key for key, _ in found], columns=KEY)
    names = question_of(keys, analysis.questions, {"period"})
    seconds = benchmarks.groupby("rule")["s"].mean()
    rows: list[tuple[Any, ...]] = []
    for question in analysis.questions:
        of_question = [one for name, (_, one) in zip(names, found, strict=True) if name == question]
        if of_question:
            rows += _designs(question, of_question, seconds, analysis)
    return pd.DataFrame(rows, columns=COLUMNS)


def _designs(
    question: str, found: Sequence[Components], seconds: pd.Series, analysis: Analysis
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of one question, whose curves have these components."""
    wanted = analysis.questions[question].get("period", analysis.periods)
    for angles, more in product(ANGLES, MORE_CASES):
        theta = np.arange(angles)[:, None] * 360 / angles
        asked = [period for period in known_periods(theta, analysis.periods)[1] if period in wanted]
        n_tests = len(found) * len(asked)
        level = analysis.level / max(1, n_tests)
        fitted = analysis.periods if asked else []  # all of them, whichever the question names
        noises = [one.cell(more * one.cases) for one in found]
        of_test = analysis.smallest_effect, level
        seeds = np.array([seeds_needed(angles, fitted, noise, *of_test) for noise in noises])
        most = np.where(np.isnan(seeds), np.inf, seeds)
        half, every = np.median(most), most.max()
        runs = angles * every
        of_run = seconds.reindex(OF_RUN).sum() + more * seconds.reindex(OF_MAPS).sum()
        numbers = [
            x if np.isfinite(x) else np.nan for x in (half, every, runs, runs * of_run / 3600)
        ]
        yield question, angles, more, *numbers, n_tests


def report(designs: pd.DataFrame, amplitude: float) -> str:
    """Say a `design_table` in lines for a terminal."""
    lines = [f"To find a wave of {amplitude:g} with probability 0.8, at any declared period:"]
    for question, rows in designs.groupby("question", sort=False):
        lines += ["", f"{question}, corrected for {rows['n_tests'].iloc[0]} tests or more"]
        named = rows.drop(columns=["question", "n_tests"])
        lines.append(named.to_string(index=False, na_rep="–", float_format="{:.4g}".format))
    lines += ["", "seeds_half: for half of the curves; the rest is for all of them, of one arm."]
    if designs.empty:
        lines[1:] = ["no curve answers a declared question; run the experiment over more angles"]
    return "\n".join(lines)
