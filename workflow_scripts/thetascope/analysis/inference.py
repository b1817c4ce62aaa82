"""Tests of curves over θ: at which periods they depend on it, and what the design could detect.

What a p means depends on what chance there is in a curve:

Sweeps `train`, `train_margin` and `diagonal`
    Every angle is a run of its own with its own random state. H0: θ has no influence whatever. Then
    all angles of a seed, 0 and 360 like any other, are draws from one distribution and may change
    places; all items move together, since they share the run. That holds for one seed as for many.
    In `train` a small p says that the training angle matters to maps taken at `held_angle`; in
    `diagonal`, that training or evaluation does, and evaluation does so by resampling alone, and
    for maps of R_θ x by the corners that are cut off, but for the series `turning`. Noise that is
    larger at some angles breaks H0 too.
Sweeps `eval` and `eval_margin`
    One run per seed, seen from all angles: a smooth function of θ, whose neighbouring angles
    resemble each other and may not change places. Shuffling would only ask whether it is constant,
    which nothing is; shifting it round the circle or drawing other phases leaves its power at every
    period as it is. What may vary here are the cases: see `cases`. Their p is about other cases
    seen by this model, not about other runs.
Series `chance`, and baselines but the map `random`
    Computed from θ, images and masks without anything drawn: p is NaN.

All but the tests by cases is conditional on the items and the backbone: a small p is about other
runs, not other images.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from thetascope.analysis.cases import case_tests, pre_rotation_tests
from thetascope.analysis.curves import COUNTS, KEY, Curve, curve_table, exchangeable
from thetascope.analysis.permutation import agreement_test, permutation_test
from thetascope.analysis.scores import Array
from thetascope.analysis.settings import Permutations
from thetascope.analysis.sweeps import OF_ONE_MODEL
from thetascope.analysis.waves import known_periods
from thetascope.vocabulary import OTHERS

log = logging.getLogger(__name__)

EXPLORATORY = "exploratory"  # rows that no declared question asks for
TEST = ["period", "resolved", "p", "p_max", "p_without_0", "p_any", "permutations"]


def test_rows(
    key: Mapping[str, Any],
    theta: Array,
    cells: Array,
    periods: Sequence[float],
    permutations: Permutations,
) -> list[dict[str, Any]]:
    """Rows of one curve, or of several that move together: `key`, and the columns `TEST`.

    `theta` [angles, seeds] and `cells` [angles, seeds, columns] as for `permutation_test`.
    """
    known, asked = known_periods(theta, periods)
    p, p_max, without_0 = np.full((3, len(periods)), np.nan)
    p_any = np.nan
    if exchangeable(key):
        p[known], p_max[known] = permutation_test(theta, cells, asked, permutations)
        if (theta % 360 == 0).any() and (p <= permutations.level).any():
            without_0[known] = permutation_test(theta, cells, asked, permutations, spike=True)[0]
            # where too few angles are left for a test, nothing speaks for a wave without it
            without_0[known & np.isnan(without_0)] = 1
        p_any = agreement_test(theta, cells, permutations)
    columns = zip(periods, known, p, p_max, without_0, strict=True)
    return [
        {**key, **dict(zip(TEST, (*row, p_any, permutations.draws), strict=True))}
        for row in columns
    ]


def with_p(rows: Iterable[dict[str, Any]], p: Array) -> list[dict[str, Any]]:
    """Give `test_rows` another p [periods], and Bonferroni's `p_max` over the periods."""
    p_max = np.minimum(1, p * np.isfinite(p).sum())
    return [
        row | {"p": one, "p_max": largest} for row, one, largest in zip(rows, p, p_max, strict=True)
    ]


def period_tests(
    curves: Iterable[Curve],
    periods: Sequence[float],
    permutations: Permutations,
    discs: Collection[str] = (),
) -> pd.DataFrame:
    """Test at every period whether a curve depends on θ.

    Parameters
    ----------
    curves : iterable of Curve
        Of all arms, models and metrics.
    periods : sequence of float
        Degrees; divisors of 360, each once.
    permutations : Permutations
        Number B of draws, seed and level; curves of one shape see the same draws.
    discs : collection of str
        Views whose canvas is `disc`: there, scores over chance do not change with the corners.

    Returns
    -------
    DataFrame
        One row per curve and period, as in `oscillation.oscillation_table`: `period`, `resolved`,
        `p`, `p_max` (see `permutation_test`), `p_without_0` (p where θ = 0 has values of its own,
        so that it cannot make a wave alone; 1 where too few angles are left for a test, NaN where
        there is no such angle, and where all p of the curve are above the level), `p_any` (see
        `agreement_test`), `permutations`, and the curve's counts. All p are NaN where the period is
        not resolved or no test is valid. `false_discovery` corrects `p`. In the sweeps `eval` and
        `eval_margin` p is that of `cases.pre_rotation_tests`, where pictures were turned
        beforehand, or else of `cases.case_tests`, of what does not change with the corners; `p_max`
        is Bonferroni's over the periods.
    """
    rows = []
    for curve in curves:
        key = curve.key | curve.counts
        found = test_rows(key, curve.theta, curve.cells[..., None], periods, permutations)
        if curve.key["sweep"] in OF_ONE_MODEL:
            found = with_p(found, _tests_of_cases(curve, periods, permutations, discs))
        rows += found
    return curve_table(rows, [*KEY, *TEST, *COUNTS])


def _tests_of_cases(
    curve: Curve, periods: Sequence[float], permutations: Permutations, discs: Collection[str]
) -> Array:
    """P of every period of one model seen from all angles; NaN where no test is valid."""
    series, turned = curve.key["series"], curve.pre_rotation
    in_disc = series in ("excess", "picture") and curve.key["view"] in discs
    if series != "chance" and turned is not None and np.isfinite(turned).all():
        return pre_rotation_tests(curve.angles, curve.values, turned, periods, permutations)
    if series == "turning" or in_disc:
        return case_tests(curve.angles, curve.of_cases.mean(axis=1), periods)
    return np.full(len(periods), np.nan)


def false_discovery(
    tests: pd.DataFrame, questions: Mapping[str, Mapping[str, Sequence]]
) -> pd.DataFrame:
    """Correct p values for their number, those of every question and all others apart.

    Benjamini & Hochberg (1995): of the rows with q ≤ 0.05, at most 5 % are expected to be false, if
    the tests are independent or positively dependent, as metrics of the same maps are.

    Parameters
    ----------
    tests : DataFrame
        With a column `p`; rows where it is NaN are no tests and do not count.
    questions : mapping
        Name → column → values: which rows were declared beforehand to be this question, such as
        ``{"training": {"sweep": ["diagonal"], "series": ["excess"], "metric": ["auroc"]}}``. A row
        belongs to the first question that asks for it (see `asked_for`).

    Returns
    -------
    DataFrame
        `tests` with the columns `question`, `exploratory` for a row of none, and `q`.

    Raises
    ------
    KeyError
        If there is no such column.
    """
    question = question_of(tests, questions)
    for name, asked in questions.items():
        if not (question == name).any():
            log.warning("no curve is what `analysis.questions.%s` declares: %s", name, dict(asked))
    return corrected(tests.assign(question=question))


def question_of(
    rows: pd.DataFrame,
    questions: Mapping[str, Mapping[str, Sequence]],
    free: Collection[str] = (),
) -> NDArray[np.object_]:
    """Name of the first question that asks for each row, whatever is in the columns `free`.

    `EXPLORATORY` where there is none.
    """
    found = np.full(len(rows), EXPLORATORY, dtype=object)
    for name in reversed(list(questions)):
        found[asked_for(rows, name, questions, free)] = name
    return found


def asked_for(
    rows: pd.DataFrame,
    question: str,
    questions: Mapping[str, Mapping[str, Sequence]],
    free: Collection[str] = (),
) -> NDArray[np.bool_]:
    """Which rows a question asks for, whatever is in the columns `free`.

    A data set that some question names is not meant by those that name none, nor is the mean map of
    other cases by those that name no attribution.
    """
    asked = questions[question]
    found = np.ones(len(rows), dtype=bool)
    for column, values in asked.items():
        if column not in free:
            found &= rows[column].isin(values).to_numpy()
    if "dataset" not in asked:
        named = [name for other in questions.values() for name in other.get("dataset", ())]
        found &= ~rows["dataset"].isin(named).to_numpy()
    if "attribution" not in {*asked, *free}:
        found &= (rows["attribution"] != OTHERS).to_numpy()
    return found


def corrected(tests: pd.DataFrame, family: Sequence[str] = ("question",)) -> pd.DataFrame:
    """Add q: every p corrected for the number of those that have the same in these columns."""
    p, q = tests["p"].to_numpy(np.float64), np.full(len(tests), np.nan)
    for rows in tests.groupby(list(family)).indices.values():
        tested = rows[np.isfinite(p[rows])]
        q[tested] = stats.false_discovery_control(p[tested])
    return tests.assign(q=q)
