"""Whether curves differ in shape: between data sets, encoders, and a map and its controls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from thetascope.analysis.bounds import Error
from thetascope.analysis.cases import case_tests
from thetascope.analysis.curves import KEY, Curve, by_place, curve_table, place
from thetascope.analysis.inference import TEST, asked_for, corrected, test_rows, with_p
from thetascope.analysis.oscillation import RAW, fit_rows, with_bounds
from thetascope.analysis.scores import Array
from thetascope.analysis.settings import Analysis
from thetascope.analysis.sweeps import OF_ONE_MODEL
from thetascope.analysis.waves import fit, known_periods, phases

FACTORS = ["dataset", "view", "input", "encoder", "method"]
# of one curve: its question need not ask for the other levels too
CONTROLS = ["view", "input"]
SIZE = ["amplitude", "amplitude_ci_low", "amplitude_ci_high", "phase_deg"]
CONTRAST = ["question", "factor", "levels", *KEY, *TEST, *SIZE, "q", "n_angles", "n_seeds"]
PHASES = ["question", *KEY[1:], "period", "first", "second", "first_phase", "second_phase"]
PHASES += ["difference", "p", "moved", "p_moved", "q"]


def about_common(cells: Array) -> Array:
    """Curves about their common curve: float [angles, seeds, curves] → the same shape."""
    return cells - cells.mean(axis=2, keepdims=True)


def _asked(curves: Iterable[Curve], analysis: Analysis) -> Iterator[tuple[str, str, list[Curve]]]:
    """Yield question, factor, and curves that differ in that factor alone, over the same angles."""
    found = list(curves)
    keys = pd.DataFrame([curve.key for curve in found], columns=KEY)
    for name in analysis.questions:
        for factor in FACTORS:
            groups = defaultdict(list)
            free = {"period", *({factor} & set(CONTROLS))}
            asked = asked_for(keys, name, analysis.questions, free)
            for i in np.flatnonzero(asked):
                curve = found[i]
                same = [value for column, value in curve.key.items() if column != factor]
                groups[(*same, *curve.theta.ravel(), curve.theta.shape)].append(curve)
            for group in groups.values():
                if len(group) > 1:
                    yield name, factor, group


def contrast_table(curves: Iterable[Curve], analysis: Analysis) -> pd.DataFrame:
    """Test whether curves that differ in one factor have different shapes: factor × θ.

    H0: up to a constant per curve and seed, all have the same shape. Their differences then do not
    depend on θ, whatever the common shape is, and are tested as one curve is: angles change places
    within each seed, all levels together (see `permutation_test`), since runs of one seed and angle
    are paired. With several seeds `p_any` is the test of parallel profiles by Pillai's trace. The
    noise must be the same at all angles; between levels noise, level and items may differ. A curve
    of the same shape but another amplitude counts as different.

    Data sets, encoders and methods are tested all at once; views and inputs pair by pair. Curves of
    one model seen from all angles can be told apart in such pairs alone, by `cases.case_tests` of
    the difference: whether cases like these share it.

    Parameters
    ----------
    curves : iterable of Curve
        Of all arms, models and metrics.
    analysis : Analysis
        The configuration's section; its questions say which curves are compared. Views and inputs
        are controls: of a question's curves all of them are compared, whichever it names.

    Returns
    -------
    DataFrame
        One row per question, factor, period and group of curves: `levels` of the factor
        (`plain − disc` is a difference), the curve's key, empty in the factor's column, the columns
        of `period_tests`; of a pair the `amplitude` of the difference, its interval for new
        training runs, and `phase_deg`; `q`, corrected for all contrasts of the question; `n_angles`
        and `n_seeds`.
    """
    rows = []
    for question, factor, group in _asked(curves, analysis):
        sets = combinations(group, 2) if factor in CONTROLS else [group]
        for several in sets:
            first = several[0]
            cells = np.stack([curve.cells for curve in several], axis=2)
            levels = [str(curve.key[factor]) for curve in several]
            pair = len(several) == 2
            of_group = first.key | {"question": question, "factor": factor}
            of_group["levels"] = (" − " if pair else ", ").join(levels)
            of_group |= {k: first.counts[k] for k in ("n_angles", "n_seeds")}
            apart = about_common(cells)
            wanted = analysis.questions[question].get("period", analysis.periods)
            found = test_rows(of_group, first.theta, apart, analysis.periods, analysis.tests)
            if pair:
                if first.key["sweep"] in OF_ONE_MODEL:
                    found = with_p(found, _case_p(first, several[1], analysis.periods))
                difference = replace(first.of_means, values=-np.diff(cells))
                sizes = fit_rows(difference, analysis.periods)
                found = [{**size, **row} for row, size in zip(found, sizes, strict=True)]
            rows += [row | {factor: None} for row in found if row["period"] in wanted]
    names = ["question", "factor", "levels", *KEY, *TEST, *RAW[2:], "n_angles", "n_seeds"]
    table = curve_table(rows, names)
    return corrected(with_bounds(table, analysis.confidence))[CONTRAST]


def _case_p(first: Curve, second: Curve, periods: Sequence[float]) -> Array:
    """P of every period of the difference of two curves of one model, over the cases of both."""
    of_first, of_second = (np.unique(curve.cases) for curve in (first, second))
    _, *places = np.intersect1d(of_first, of_second, return_indices=True)
    a, b = (curve.of_cases[..., at] for curve, at in zip((first, second), places, strict=True))
    return case_tests(first.angles, (a - b).mean(axis=1), periods)


def phase_difference_p(first: complex, second: complex, errors: tuple[Error, Error]) -> float:
    """Test whether two independent waves have the same phase.

    The part of one that is at right angles to the other, over its error: the same for waves of any
    amplitudes, and free of the ratio's bias (Fieller 1954). Waves more than a quarter of a period
    apart are as far apart as this test can tell.
    """
    product = first * np.conj(second)
    across = np.imag(product) if np.real(product) > 0 else np.abs(product)
    a, b = errors
    error = Error(a.variance * np.abs(second) ** 2, a.freedom) + Error(
        b.variance * np.abs(first) ** 2, b.freedom
    )
    return float(stats.f.sf(across**2 / error.variance, 1, error.freedom))


def _degrees(turn: complex, period: float) -> float:
    """Argument of a complex number as a part of the period, in degrees."""
    return float(np.angle(turn) * period / (2 * np.pi))


def _ahead(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """How much farther the first of two sets is turned beforehand; NaN if they differ otherwise."""
    one, other = ({**of_set, "rotate": None} for of_set in (first, second))
    return first.get("rotate", 0) - second.get("rotate", 0) if one == other else np.nan


def phase_table(
    curves: Iterable[Curve],
    tests: pd.DataFrame,
    analysis: Analysis,
    datasets: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """Test whether data sets have their crests at different angles.

    A set and the same set with all its pictures turned beforehand (`rotate`) tell what a wave is
    of. What depends on R_θ x alone is at θ what it was at θ + `rotate`, so its crests come as much
    earlier. What depends on the canvas, on resampling, or on the pair's relative angle stays.

    Parameters
    ----------
    curves, analysis
        As for `contrast_table`.
    tests : DataFrame
        Of `inference.false_discovery`.
    datasets : mapping
        Name → adapter and options, as configured.

    Returns
    -------
    DataFrame
        One row per question, pair of data sets (`first`, `second`) and period at which both have a
        wave (q ≤ 1 − confidence): the curve's key without the set, both phases, their `difference`
        (degrees, first − second, the short way round the period), `p` of none (see
        `phase_difference_p`), and `q`, corrected for all rows of the question. Where the sets are
        the same but for `rotate`, `moved` is the difference that waves have which depend on R_θ x
        alone, and `p_moved` is of that difference instead of none; NaN else.
    """
    q_of = by_place(tests, [*KEY, "period"], "q")
    rows = []
    for question, factor, group in _asked(curves, analysis):
        if factor != "dataset":
            continue
        for one, other in combinations(group, 2):
            _, asked = known_periods(one.theta, analysis.periods)
            fits = [fit(curve, asked) for curve in (one, other)]
            wanted = analysis.questions[question].get("period", analysis.periods)
            for i, period in enumerate(asked):
                if period not in wanted:
                    continue
                places = [(*place(curve.key, KEY), period) for curve in (one, other)]
                if all(q_of[at] <= analysis.level for at in places):
                    a, b = (complex(each.waves[i]) for each in fits)
                    errors = [Error(f.runs.variance[i], f.runs.freedom[i]) for f in fits]
                    turn = _degrees(a * np.conj(b), period)
                    names = [curve.key["dataset"] for curve in (one, other)]
                    ahead = _ahead(*(datasets[name] for name in names))
                    moved = b * np.exp(-2j * np.pi * ahead / period)
                    unlike = phase_difference_p(a, moved, (errors[0], errors[1]))
                    phase = phases(np.array([a, b]), [period] * 2)
                    rows.append(
                        {"question": question, **one.key, "period": period}
                        | {"first": names[0], "second": names[1]}
                        | {"first_phase": phase[0], "second_phase": phase[1], "difference": turn}
                        | {"p": phase_difference_p(a, b, (errors[0], errors[1]))}
                        | {"moved": _degrees(moved * np.conj(b), period), "p_moved": unlike}
                    )
    table = pd.DataFrame(rows, columns=PHASES[:-1])
    return corrected(table)
