"""Tables of waves: amplitude, phase and level of every curve, and where it peaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from thetascope.analysis.bounds import (
    Error,
    amplitude_bound,
    amplitude_interval,
    level_interval,
    level_p,
    phase_margin,
)
from thetascope.analysis.curves import COUNTS, KEY, Curve, curve_table
from thetascope.analysis.scores import DECIMALS
from thetascope.analysis.waves import aliases, fit, known_periods, phases, powers
from thetascope.angles import divides_circle
from thetascope.errors import UserError

PEAKS = ["peak_angle", "peak_value", "trough_angle", "trough_value", "range", "p_flat"]
FIT = ["period", "resolved", "aliases", "amplitude", "amplitude_ci_low", "amplitude_ci_high"]
FIT += ["amplitude_bound", "amplitude_cases_ci_low", "amplitude_cases_ci_high"]
FIT += ["phase_deg", "phase_ci_low", "phase_ci_high", "power_share"]
RAW = ["period", "resolved", "aliases", "amplitude", "phase_deg", "power_share"]
RAW += ["runs_variance", "runs_freedom", "both_variance", "both_freedom"]
LEVELS = ["level", "level_ci_low", "level_ci_high", "level_cases_ci_low", "level_cases_ci_high"]
LEVELS += ["p"]


def peaks_table(curves: Iterable[Curve], tests: pd.DataFrame, level: float) -> pd.DataFrame:
    """Highest and lowest point of every curve that can be told from a flat one.

    Parameters
    ----------
    curves : iterable of Curve
        Of all arms, models and metrics.
    tests : DataFrame
        Of `inference.period_tests`.
    level : float
        Of the test, for example 0.05.

    Returns
    -------
    DataFrame
        One row per curve: `peak_angle`, `trough_angle` (degrees, the first of equals),
        `peak_value`, `trough_value`, `range`, `p_flat` (the smallest `p_max` of its periods), and
        the curve's counts. All but the range and the p are NaN where `p_flat` is above the level,
        or not known. How sure the place of a wave's crest is stands in the oscillation table.
    """
    rows = []
    for curve in curves:
        mean, angles = curve.mean.round(DECIMALS), curve.angles
        peak, trough = mean.argmax(), mean.argmin()
        at = angles[peak], mean[peak], angles[trough], mean[trough], np.ptp(mean)
        rows.append(curve.key | dict(zip(PEAKS, at, strict=False)) | curve.counts)
    flat = tests.groupby(KEY, dropna=False)["p_max"].min().rename("p_flat").reset_index()
    table = curve_table(rows, [*KEY, *PEAKS[:-1], *COUNTS])
    table = table.merge(flat, how="left", on=KEY, validate="1:1")[[*KEY, *PEAKS, *COUNTS]]
    table.loc[~(table["p_flat"] <= level), PEAKS[:4]] = np.nan
    return table


def oscillation_table(
    curves: Iterable[Curve], periods: Sequence[float], confidence: float
) -> pd.DataFrame:
    """Amplitude, phase and share of power of every curve at the declared periods.

    Parameters
    ----------
    curves : iterable of Curve
        Of all arms, models and metrics.
    periods : sequence of float
        Degrees; divisors of 360, each once.
    confidence : float
        Of intervals, bounds and sets of phases, for example 0.95.

    Returns
    -------
    DataFrame
        One row per curve and period: `period`, `resolved` (see `resolved`; if not, the rest is
        NaN), `aliases` (degrees, see `aliases`), `amplitude`; its interval for new training runs,
        `amplitude_ci_low` and `_high`, and for new runs and new cases, `amplitude_cases_ci_low` and
        `_high`; `amplitude_bound` (above which there is no wave, for new runs); `phase_deg` (angle
        of the first crest; NaN if the amplitude is 0), `phase_ci_low` and `_high` (from low
        counter-clockwise to high, modulo the period; 0 and the period where it may be anywhere);
        `power_share` (of the curve's sum of squares about its mean; 0 for a flat curve), and the
        curve's counts. What is for new runs is for new cases where a curve does not come from
        independent runs, as in the sweep `eval`, and NaN where the fit leaves no degree of freedom.

    Raises
    ------
    UserError
        If a period does not divide 360 or is there twice.
    """
    if not all(map(divides_circle, periods)) or len(set(periods)) < len(periods):
        raise UserError(
            f"analysis.periods: {list(periods)}: each period must divide 360, and be listed once"
        )
    rows = []
    for curve in curves:
        rows += [curve.key | found | curve.counts for found in fit_rows(curve, periods)]
    table = curve_table(rows, [*KEY, *RAW, *COUNTS])
    return with_bounds(table, confidence)[[*KEY, *FIT, *COUNTS]]


def fit_rows(curve: Curve, periods: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Yield the columns `RAW` of each period; of one that is not resolved the first two."""
    known, asked = known_periods(curve.theta, periods)
    fitted = fit(curve, asked)
    about = curve.mean - curve.mean.mean()
    total = (about[np.searchsorted(curve.angles, curve.theta)] ** 2).sum() or 1
    columns = zip(
        (", ".join(f"{one:.4g}" for one in aliases(curve.theta, period)) for period in asked),
        np.abs(fitted.waves).round(DECIMALS),
        phases(fitted.waves, asked),
        powers(curve.theta, fitted.waves[:, None], asked)[:, 0] / total,
        *(fitted.runs.variance, fitted.runs.freedom, fitted.both.variance, fitted.both.freedom),
        strict=True,
    )
    for period, ok in zip(periods, known, strict=True):
        found = next(columns) if ok else [None, *[np.nan] * 7]
        yield dict(zip(RAW, (period, ok, *found), strict=True))


def with_bounds(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Add what the columns `RAW` leave open (see `oscillation_table`), for all rows at once."""
    amplitude, phase, period = (
        table[name].to_numpy(np.float64) for name in ("amplitude", "phase_deg", "period")
    )
    runs, both = (
        Error(*table[[f"{of}_variance", f"{of}_freedom"]].to_numpy(np.float64).T)
        for of in ("runs", "both")
    )
    turn = phase_margin(amplitude, runs, confidence)
    anywhere, margin = turn >= np.pi, turn * period / (2 * np.pi)
    columns = {
        "amplitude_bound": amplitude_bound(amplitude, runs, confidence),
        "phase_deg": np.where(amplitude == 0, np.nan, phase),
        "phase_ci_low": np.where(anywhere, 0, (phase - margin) % period),
        "phase_ci_high": np.where(anywhere, period, (phase + margin) % period),
        "power_share": np.where(amplitude == 0, 0 * amplitude, table["power_share"]),
    }
    for name, error in (("amplitude", runs), ("amplitude_cases", both)):
        ends = amplitude_interval(amplitude, error, confidence)
        columns[f"{name}_ci_low"], columns[f"{name}_ci_high"] = ends
    return table.assign(**columns)


def levels_table(
    curves: Iterable[Curve], periods: Sequence[float], confidence: float
) -> pd.DataFrame:
    """Level of every curve: that of `excess` says whether the maps find the foreground.

    Parameters
    ----------
    curves, periods, confidence
        As for `oscillation_table`.

    Returns
    -------
    DataFrame
        One row per curve of the series `excess`, `turning` and `picture`: `level` (mean over
        angles, seeds and items), its interval for new training runs, `level_ci_low` and `_high`,
        and for new runs and new cases, `level_cases_ci_low` and `_high`; `p` of a level of 0 by the
        latter error; and the curve's counts.
    """
    rows = []
    for curve in curves:
        if curve.key["series"] not in ("value", "chance"):
            fitted = fit(curve, known_periods(curve.theta, periods)[1])
            ends = [
                end
                for error in (fitted.level_runs, fitted.level_both)
                for end in level_interval(fitted.level, error, confidence)
            ]
            found = fitted.level, *ends, level_p(fitted.level, fitted.level_both)
            rows.append(
                curve.key | dict(zip(LEVELS, map(float, found), strict=True)) | curve.counts
            )
    return curve_table(rows, [*KEY, *LEVELS, *COUNTS])
