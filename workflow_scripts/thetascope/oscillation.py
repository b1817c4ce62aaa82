"""Curves of a metric over θ: where they peak, and how much of them repeats at declared periods.

A curve is the mean score over items and seeds at each angle of a sweep. Bootstrap draws follow
`thetascope.tables`: every angle of a curve sees the same items.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from thetascope.angles import degrees, divides_circle, is_fixed
from thetascope.errors import UserError
from thetascope.tables import RUN, SCORE, Array, Scores, bootstrap_means, interval, mean

KEY = [*RUN, "sweep", "at", *SCORE, "series"]
PEAKS = ["peak_angle", "peak_value", "trough_angle", "trough_value", "range"]
PEAKS += ["peak_ci_low", "peak_ci_high", "peak_support"]
FIT = ["period", "resolved", "amplitude", "amplitude_ci_low", "amplitude_ci_high"]
FIT += ["phase_deg", "power_share"]
COUNTS = ["n_angles", "n_items", "n_left_out", "n_seeds"]
MIN_ANGLES = 4
DECIMALS = 9  # scores have six digits; what lies beyond these is rounding, no peak and no ripple

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Curve:
    """Scores over θ.

    Attributes
    ----------
    key : dict
        What the curve is of: `dataset`, `view`, `encoder`, `method`, `sweep`, `at`, `model`,
        `orientation`, `map`, `metric`, `series`.
    theta : ndarray
        Angles in degrees, ascending, float [angles]. 0 and 360 are separate.
    values : ndarray
        Float [angles, seeds, items], finite.
    left_out : int
        Items that are not in `values`, since they lack a score at some angle or seed.
    """

    key: dict[str, str]
    theta: Array
    values: Array
    left_out: int

    @property
    def mean(self) -> Array:
        """Mean over seeds and items, float [angles]."""
        return self.values.mean(axis=(1, 2))

    @property
    def counts(self) -> dict[str, int]:
        """Columns that say how much the curve rests on."""
        angles, seeds, items = self.values.shape
        return dict(zip(COUNTS, (angles, items, self.left_out, seeds), strict=True))


def _sweeps(scores: Scores) -> Iterator[tuple[str, str, list[str], Array, Array]]:
    """Yield (sweep, at, angles of the curve, value, null) wherever there are enough angles."""
    chosen = defaultdict(list)  # sweep, at, which of the two angles varies → cells
    for i, (angle, evaluated) in enumerate(scores.cells):
        if angle == evaluated:
            chosen["diagonal", "same", 0].append(i)
        chosen["eval", angle, 1].append(i)
        if is_fixed(angle):
            chosen["train", evaluated, 0].append(i)
    for (sweep, at, varies), cells in chosen.items():
        if len(cells) >= MIN_ANGLES:
            labels = [scores.cells[i][varies] for i in cells]
            yield sweep, at, labels, scores.value[cells], scores.null[cells]
    # the margins, where every run is evaluated at every angle
    trained = [i for i, cell in enumerate(scores.cells) if is_fixed(cell[0])]
    angles, evaluated = (sorted({scores.cells[i][varies] for i in trained}) for varies in (0, 1))
    sizes = len(angles), len(evaluated)
    if min(sizes) >= MIN_ANGLES and len(trained) == sizes[0] * sizes[1]:
        grids = [
            array[trained].reshape(*sizes, *array.shape[1:])
            for array in (scores.value, scores.null)
        ]
        for sweep, labels, other in ("train", angles, 1), ("eval", evaluated, 0):
            value, null = (mean(grid, axis=other) for grid in grids)
            yield sweep, "mean", labels, value, null


def curves(scores: Iterable[Scores]) -> Iterator[Curve]:
    """Yield every curve over at least four distinct angles, in four series each.

    The sweeps are `diagonal` (angle = eval_angle), `eval` (angle fixed at `at`) and `train`
    (eval_angle fixed at `at`); with every run evaluated at every angle also the margins, `at` =
    `mean` over the angles of the other. The series are `value`, `footprint` (its null), `excess`
    (value − null) and `residual` (value − share · null, see `footprint_share`). An angle at which
    no item has a score is no part of the curve; such is θ = 0 for the plain gradient of a pair's
    cosine, which is at its maximum there. An item that lacks a score at any other angle is left out
    of the whole curve, so that no angle is averaged over other items than its neighbours.

    Parameters
    ----------
    scores : sequence of Scores
        Of all arms, models and metrics.
    """
    for one in scores:
        for sweep, at, labels, value, null in _sweeps(one):
            found = np.isfinite(value) & np.isfinite(null)
            scored = found.any(axis=(1, 2))
            theta = np.array([degrees(label) for label in labels])[scored]
            if len(set(theta % 360)) < MIN_ANGLES:
                continue
            value, null = value[scored], null[scored]
            complete = found[scored].all(axis=(0, 1))
            place = one.key | {"sweep": sweep, "at": at}
            if not complete.any():
                log.warning("no item has a score at all angles, left out: %s", place)
                continue
            value, null = value[..., complete], null[..., complete]
            series = {
                "value": value,
                "footprint": null,
                "excess": value - null,
                "residual": value - footprint_share(value, null) * null,
            }
            for name, values in series.items():
                yield Curve(place | {"series": name}, theta, values, int((~complete).sum()))


def footprint_share(value: Array, footprint: Array) -> float:
    """Share of the footprint's curve that takes most away from a curve, 0 to 1.

    Maps that know nothing follow the footprint, maps that claim no corner do not notice it, and
    subtracting it gives these a wave that they do not have. How much of it a map takes up is not
    known; what is left after this share is the least that any share leaves of the mean curve.

    Parameters
    ----------
    value, footprint : ndarray
        Float [angles, seeds, items].
    """
    of_value, of_footprint = (array.mean(axis=(1, 2)) for array in (value, footprint))
    of_footprint = (of_footprint - of_footprint.mean()).round(DECIMALS)
    square = float(of_footprint @ of_footprint)
    return float(np.clip(of_value @ of_footprint / square, 0, 1)) if square > 0 else 0.0


def _table(rows: list[dict], columns: list[str]) -> pd.DataFrame:
    if not rows:
        log.warning("no sweep has %d angles or more: no curves, an empty table", MIN_ANGLES)
    table = pd.DataFrame(rows, columns=[*KEY, *columns, *COUNTS])
    # series and periods keep their order
    return table.sort_values(KEY[:-1], kind="stable", ignore_index=True)


def peaks_table(
    scores: Sequence[Scores], bootstrap: int, confidence: float, seed: int
) -> pd.DataFrame:
    """Highest and lowest point of every curve.

    Parameters
    ----------
    scores : sequence of Scores
        Of all arms, models and metrics.
    bootstrap, confidence, seed
        As for `tables.dice_table`.

    Returns
    -------
    DataFrame
        One row per curve: `peak_angle`, `trough_angle` (degrees, the first of equals),
        `peak_value`, `trough_value`, `range`, `peak_ci_low` and `peak_ci_high` (degrees; from low
        counter-clockwise to high, through 0 if low > high), `peak_support` (share of the draws that
        peak at just this angle; a wide interval with little support is the mark of several peaks
        or of none), and the curve's counts. A flat curve peaks nowhere: its angles are NaN, its
        support is 0.
    """
    rows = []
    for curve in curves(scores):
        mean, theta = curve.mean.round(DECIMALS), curve.theta
        peak, trough = theta[mean.argmax()], theta[mean.argmin()]
        draws = bootstrap_means(curve.values, bootstrap, seed).round(DECIMALS)
        peaks = theta[draws.argmax(axis=0)]
        # signed distance from the peak the short way round, in [-180, 180)
        low, high = interval((peaks - peak + 180) % 360 - 180, confidence)
        at = {
            "peak_angle": peak,
            "trough_angle": trough,
            "peak_ci_low": (peak + low) % 360,
            "peak_ci_high": (peak + high) % 360,
            "peak_support": (peaks == peak).mean(),
        }
        if mean.max() == mean.min():
            at = dict.fromkeys(at, np.nan) | {"peak_support": 0.0}
        size = {"peak_value": mean.max(), "trough_value": mean.min(), "range": np.ptp(mean)}
        rows.append(curve.key | at | size | curve.counts)
    return _table(rows, PEAKS)


def resolved(theta: Array, periods: Sequence[float]) -> NDArray[np.bool_]:
    """Which periods a grid of angles resolves: those longer than twice its largest step (Nyquist).

    Steps are counted round the circle, so a sweep over a part of it resolves only what is longer
    than twice the part left out. However irregular the grid, it determines the sinusoids of such
    periods (Gröchenig 1992). What repeats faster is not reported, but like on any grid it shows up
    in the longer periods if it is there.

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles].
    periods : sequence of float
        Degrees.

    Returns
    -------
    ndarray
        Bool [periods].
    """
    angles = np.unique(theta % 360)
    return np.asarray(periods) > 2 * np.diff(angles, append=angles[0] + 360).max()


def _design(theta: Array, period: Array) -> tuple[Array, Array]:
    """Rows of a constant, cosines and sines, and what unit noise gives their coefficients."""
    turns = 2 * np.pi * theta / period
    design = np.concatenate([np.ones((1, len(theta))), np.cos(turns), np.sin(turns)])
    return design, np.linalg.inv(design @ design.T)


def unit_variance(theta: Array, periods: Sequence[float]) -> Array:
    """Variance of both coefficients of each wave together, in noise of variance 1: [periods]."""
    _, covariance = _design(theta, np.asarray(periods, dtype=np.float64)[:, None])
    cos, sin = np.diagonal(covariance)[1:].reshape(2, -1)
    return cos + sin


def harmonics(theta: Array, curves: Array, periods: Sequence[float]) -> tuple[Array, Array, Array]:
    """Fit a constant and sinusoids of all the given periods, jointly, by least squares.

    On a full circle of equal steps the sinusoids are orthogonal, and this is the discrete Fourier
    transform. On other grids, or with both 0 and 360, they are not, and fits of one period at a
    time would count the power of its neighbours too.

    Parameters
    ----------
    theta : ndarray
        Degrees, float [angles].
    curves : ndarray
        Float [angles, n].
    periods : sequence of float
        Degrees, divisors of 360 that the grid resolves.

    Returns
    -------
    amplitude : ndarray
        Half the height from trough to crest, float [periods, n].
    phase : ndarray
        Angle of the first crest in degrees, in [0, period), float [periods, n].
    power : ndarray
        Sum of squares that no other period of the fit can explain, float [periods, n].
    """
    period = np.asarray(periods, dtype=np.float64)[:, None]
    design, covariance = _design(theta, period)
    _, cos, sin = np.split(covariance @ design @ curves, [1, 1 + len(period)])
    power = np.empty_like(cos)
    for i in range(len(period)):
        pair, block = (
            np.stack([cos[i], sin[i]]),
            covariance[1 + i :: len(period), 1 + i :: len(period)],
        )
        power[i] = (pair * np.linalg.solve(block, pair)).sum(axis=0)
    return np.hypot(cos, sin), np.arctan2(sin, cos) * period / (2 * np.pi) % period, power


def oscillation_table(
    scores: Sequence[Scores],
    periods: Sequence[float],
    bootstrap: int,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """Amplitude, phase and share of power of every curve at the declared periods.

    Amplitudes cannot be negative, and noise alone has one: an interval that excludes 0 is no test
    of whether a curve oscillates.

    Parameters
    ----------
    scores : sequence of Scores
        Of all arms, models and metrics.
    periods : sequence of float
        Degrees; divisors of 360, each once.
    bootstrap, confidence, seed
        As for `tables.dice_table`.

    Returns
    -------
    DataFrame
        One row per curve and period: `period`, `resolved` (see `resolved`; if not, the rest is
        NaN), `amplitude`, `amplitude_ci_low`, `amplitude_ci_high`, `phase_deg` (angle of the first
        crest; NaN if the amplitude is 0), `power_share` (of the curve's sum of squares about its
        mean; 0 for a flat curve), and the curve's counts. See `harmonics` for the fit.

    Raises
    ------
    UserError
        If a period does not divide 360 or is there twice.
    """
    if not all(map(divides_circle, periods)) or len(set(periods)) < len(periods):
        raise UserError(
            f"analysis.periods: {list(periods)}: a curve over a circle repeats a whole number of "
            "times; give divisors of 360, each once"
        )
    rows = []
    for curve in curves(scores):
        known = resolved(curve.theta, periods)
        draws = bootstrap_means(curve.values, bootstrap, seed)
        fits = np.column_stack([curve.mean, draws])
        amplitude, phase, power = np.full((3, len(periods), 1 + bootstrap), np.nan)
        if known.any():
            asked = [period for period, ok in zip(periods, known, strict=True) if ok]
            amplitude[known], phase[known], power[known] = harmonics(curve.theta, fits, asked)
        amplitude = amplitude.round(DECIMALS)
        total = ((curve.mean - curve.mean.mean()) ** 2).sum()
        low, high = interval(amplitude[:, 1:], confidence)
        for i, period in enumerate(periods):
            none = amplitude[i, 0] == 0
            fit = {
                "period": period,
                "resolved": known[i],
                "amplitude": amplitude[i, 0],
                "amplitude_ci_low": low[i],
                "amplitude_ci_high": high[i],
                "phase_deg": np.nan if none else phase[i, 0],
                "power_share": 0.0 if none else power[i, 0] / total,
            }
            rows.append(curve.key | fit | curve.counts)
    return _table(rows, FIT)
