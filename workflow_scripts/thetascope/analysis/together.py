"""All curves of a question at once: any of them, all data sets, all metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from thetascope.analysis.bounds import Error, amplitude_bound, amplitude_interval, wave_p
from thetascope.analysis.curves import KEY, Curve, exchangeable
from thetascope.analysis.inference import EXPLORATORY, question_of
from thetascope.analysis.permutation import least_p, tail_p, wave_shares
from thetascope.analysis.scores import Array
from thetascope.analysis.settings import Analysis
from thetascope.analysis.waves import coefficients, known_periods, phases

PLACE = [*KEY, "period"]
OF_SETS = [name for name in KEY if name != "dataset"]
OF_METRICS = [name for name in KEY if name != "metric"]
MEAN = ["amplitude", "amplitude_ci_low", "amplitude_ci_high", "amplitude_bound", "phase_deg"]
POOLED = ["question", *OF_SETS, "period", *MEAN, "p", "n_datasets"]
METRICS = ["question", *OF_METRICS, "period", "amplitude_median", "n_small_p", "p", "n_metrics"]
QUESTIONS = ["question", "p_any_curve", "n_curves", "n_tests"]


def _declared(
    curves: Iterable[Curve], analysis: Analysis, free: Collection[str] = ()
) -> Iterator[tuple[str, Curve, list[float]]]:
    """Yield questions with the curves that they ask for, whatever the columns `free` hold.

    And with the resolved periods that they ask for.
    """
    found = list(curves)
    resolved = [known_periods(curve.theta, analysis.periods)[1] for curve in found]
    rows = [
        curve.key | {"period": period}
        for curve, known in zip(found, resolved, strict=True)
        for period in known
    ]
    names = iter(question_of(pd.DataFrame(rows, columns=PLACE), analysis.questions, free))
    for curve, known in zip(found, resolved, strict=True):
        asked = defaultdict(list)
        for period in known:
            asked[next(names)].append(period)
        for question, periods in asked.items():
            if question != EXPLORATORY:
                yield question, curve, periods


def pooled_table(curves: Iterable[Curve], analysis: Analysis) -> pd.DataFrame:
    """Mean wave of all data sets, which are taken for a draw from all that there could be.

    The mean of their coefficients has an amplitude only where the sets have their crests at like
    angles; its error is the spread between sets (random effects).

    Parameters
    ----------
    curves : iterable of Curve
        Of all arms, models and metrics.
    analysis : Analysis
        The configuration's section.

    Returns
    -------
    DataFrame
        One row per question, period and kind of curve that two sets or more have: the curve's key
        without the set, `amplitude` of the mean wave, its interval and bound for new data sets,
        `phase_deg`, `p` (F test), `n_datasets`.
    """
    groups = defaultdict(list)
    for question, curve, periods in _declared(curves, analysis):
        asked = known_periods(curve.theta, analysis.periods)[1]
        waves = coefficients(curve.theta, curve.cells, asked)[:, 0]
        place = question, *(curve.key[column] for column in OF_SETS)
        for period in periods:
            groups[(*place, period)].append(waves[asked.index(period)])
    rows = []
    for place, found in groups.items():
        n = len(found)
        if n > 1:
            mean = np.mean(found, keepdims=True)
            variance = (np.abs(found - mean) ** 2).sum() / (2 * (n - 1)) / n
            error = Error(np.array([variance]), np.array([2.0 * (n - 1)]))
            amplitude, phase = np.abs(mean), phases(mean, place[-1:])
            ends = amplitude_interval(amplitude, error, analysis.confidence)
            bound = amplitude_bound(amplitude, error, analysis.confidence)
            numbers = (amplitude, *ends, bound, phase, wave_p(amplitude, error))
            rows.append([*place, *(float(one[0]) for one in numbers), n])
    return pd.DataFrame(rows, columns=POOLED)


def _tested(curve: Curve, periods: Sequence[float], analysis: Analysis) -> dict[float, Array]:
    """Share of the waves of these periods, as observed and shuffled: [1 + B]; empty if no test."""
    asked = known_periods(curve.theta, analysis.periods)[1]
    if not exchangeable(curve.key):
        return {}
    share = wave_shares(curve.theta, curve.cells[..., None], asked, analysis.tests)
    found = dict(zip(asked, share, strict=True))
    return {period: found[period] for period in periods if np.isfinite(found[period]).all()}


def questions_table(curves: Iterable[Curve], analysis: Analysis) -> pd.DataFrame:
    """Test all curves of a question at once.

    All curves over the same angles and seeds are shuffled alike, so the draws of several curves
    are draws of the whole study without any influence of θ, however the curves depend on each
    other.

    Parameters
    ----------
    curves, analysis
        As for `pooled_table`.

    Returns
    -------
    DataFrame
        One row per question: `p_any_curve`, of the largest share that any wave has in any of its
        curves (max-T; Westfall & Young 1993), `n_curves` and `n_tests` (waves).
    """
    highest: dict[str, list[Array]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    least: dict[str, float] = {}
    for question, curve, periods in _declared(curves, analysis):
        if tested := _tested(curve, periods, analysis):
            highest[question].append(np.max(list(tested.values()), axis=0))
            counts[question] += len(tested)
            least[question] = min(least_p(curve.theta), least.get(question, 1))
    rows = [
        [
            name,
            float(tail_p(top := np.max(tops, axis=0), top, least[name])),
            len(tops),
            counts[name],
        ]
        for name, tops in highest.items()
    ]
    return pd.DataFrame(rows, columns=QUESTIONS)


def metrics_table(curves: Iterable[Curve], analysis: Analysis) -> pd.DataFrame:
    """Test whether a wave is there whatever the metric: a specification curve.

    Simonsohn, Simmons & Nelson (2020): an answer that one of several reasonable metrics gives alone
    is no answer.

    Parameters
    ----------
    curves, analysis
        As for `pooled_table`; all metrics count, whichever a question names.

    Returns
    -------
    DataFrame
        One row per question, period and kind of curve that two metrics or more have: the key
        without the metric, `amplitude_median` over metrics, `n_small_p` (metrics with p ≤ 1 −
        confidence), `p` of the mean share of the wave over metrics, `n_metrics`.
    """
    groups = defaultdict(list)
    least: dict[Any, float] = {}
    for question, curve, periods in _declared(curves, analysis, {"metric"}):
        at = question, *(curve.key[column] for column in OF_METRICS)
        for period, share in _tested(curve, periods, analysis).items():
            asked = known_periods(curve.theta, analysis.periods)[1]
            waves = coefficients(curve.theta, curve.cells, asked)[:, 0]
            groups[(*at, period)].append((np.abs(waves[asked.index(period)]), share))
            least[(*at, period)] = min(least_p(curve.theta), least.get((*at, period), 1))
    rows = []
    for at, found in groups.items():
        if len(found) > 1:
            amplitudes, shares = (np.array(one) for one in zip(*found, strict=True))
            small = (tail_p(shares, shares, least[at]) <= analysis.level).sum()
            mean = shares.mean(axis=0)
            p = float(tail_p(mean, mean, least[at]))
            rows.append([*at, np.median(amplitudes), small, p, len(found)])
    return pd.DataFrame(rows, columns=METRICS)
