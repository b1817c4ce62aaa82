"""What the tables say about the declared question, in one row and one sentence per curve."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from math import ceil
from typing import Any

import numpy as np
import pandas as pd

from thetascope.analysis.curves import KEY
from thetascope.analysis.scores import RUN

CURVE = [column for column in KEY if column != "series"]
FOUND = ["period", "amplitude", "amplitude_ci_low", "amplitude_ci_high", "phase_deg"]
FOUND += ["p", "p_max", "q"]
BESIDE = ["value_amplitude", "value_p", "footprint_amplitude"]
BESIDE += ["residual_amplitude", "residual_p"]
BESIDE += ["sobel_amplitude", "sham_amplitude", "noise_amplitude", "detectable_amplitude"]
COLUMNS = [*KEY, *FOUND, *BESIDE, "n_angles", "n_items", "n_seeds", "n_tests", "verdict", "plan"]

SERIES = ["value", "footprint", "excess", "residual"]
EFFECT, FOOTPRINT, NOTHING = "effect", "footprint", "nothing found"
UNTESTED = "not testable"


def plan_digest(analysis: Mapping[str, Any]) -> str:
    """Digest of the declared analysis, 16 hexadecimal digits: another plan has another one."""
    text = json.dumps(analysis, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def verdict_table(
    oscillation: pd.DataFrame,
    noise: pd.DataFrame,
    analysis: Mapping[str, Any],
    shams: Collection[str],
) -> pd.DataFrame:
    """Judge every confirmatory curve by its most significant period.

    Parameters
    ----------
    oscillation : DataFrame
        As `oscillation.csv` holds it, with tests.
    noise : DataFrame
        `periodicity.noise_table`.
    analysis : mapping
        The configuration's section.
    shams : collection of str
        Views that do not turn.

    Returns
    -------
    DataFrame
        One row per confirmatory curve, with its `verdict`; 0.05 stands for 1 − `confidence`:

        - `effect`: at some period q ≤ 0.05, which is that of the largest p of value, excess and
          residual (`periodicity.false_discovery`): the wave is there whether none, all, or as much
          of the footprint is taken away as fits best.
        - `footprint`: else, at some period value or excess has a wave of `p_max` ≤ 0.05 of which
          the residual has less than half: it follows the footprint, or subtracting has made it.
        - `nothing found`: else. `not testable` where there is no q.

        The row stands for that period (of several: the smallest q, or the footprint's largest
        wave) with amplitude, p and q; beside it, at the same period, the amplitudes of value,
        footprint and residual, p of value and residual, the residual's amplitude of the Sobel map,
        which needs no network, and the amplitude of the sham view, which is not turned, where that
        was run; what noise alone gives and the smallest amplitude that one test at p ≤ 0.05 finds
        with probability 0.8. `n_tests` is the number of tests that q was corrected for, `plan` the
        digest of the analysis that was declared.
    """
    curves = {key: curve.set_index("period") for key, curve in oscillation.groupby(KEY)}
    noises = {key: curve.set_index("period") for key, curve in noise.groupby(KEY)}
    level = 1 - analysis["confidence"]
    declared = oscillation[oscillation["confirmatory"] & oscillation["resolved"]]
    of_every_row = {"n_tests": declared["p"].count(), "plan": plan_digest(analysis)}
    rows = []
    for key, curve in declared.groupby(KEY, sort=False):
        place = dict(zip(KEY, key, strict=True))

        def like(place: dict[str, Any] = place, **other: str) -> tuple:
            return tuple((place | other).values())

        series = {name: curves[like(series=name)] for name in SERIES}
        curve = curve.set_index("period", drop=False)
        verdict, period = _judge(curve, series, level)
        edges = curves.get(like(model="baseline", map="sobel", series="residual"))
        of_sham = [curves[k]["amplitude"][period] for v in shams if (k := like(view=v)) in curves]
        rows.append(
            place
            | curve.loc[period].to_dict()
            | {f"{name}_p": series[name]["p"][period] for name in ("value", "residual")}
            | {
                f"{name}_amplitude": series[name]["amplitude"][period]
                for name in ("value", "footprint", "residual")
            }
            | {
                "sobel_amplitude": np.nan if edges is None else edges["amplitude"][period],
                "sham_amplitude": pd.Series(of_sham, dtype=float).max(),  # NaN where there is none
            }
            | noises[key].loc[period, ["noise_amplitude", "detectable_amplitude"]].to_dict()
            | of_every_row
            | {"verdict": verdict}
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def _judge(
    curve: pd.DataFrame, series: Mapping[str, pd.DataFrame], level: float
) -> tuple[str, Any]:
    """Verdict on a curve, and the period on which it rests (see `verdict_table`)."""
    value, footprint, excess, residual = (series[name].loc[curve.index] for name in SERIES)
    by_amplitude = curve["amplitude"].sort_values(ascending=False).index
    if (curve["q"] <= level).any():
        return EFFECT, curve["q"][by_amplitude].idxmin()
    value_is_its, excess_is_its = (
        (wave["p_max"] <= level) & (residual["amplitude"] < wave["amplitude"] / 2)
        for wave in (value, excess)
    )
    if (of_it := value_is_its | excess_is_its).any():
        return FOOTPRINT, footprint["amplitude"][of_it].idxmax()
    if curve["q"].notna().any():
        return NOTHING, curve["q"][by_amplitude].idxmin()
    return UNTESTED, by_amplitude[0]


def finding(row: pd.Series) -> str:
    """Say one row of `verdict_table` in plain words."""
    if row["verdict"] == UNTESTED:
        return f"no valid test ({row['n_angles']} angles, {row['n_seeds']} seeds)."
    size = (
        f"{row['amplitude']:.3f} [{row['amplitude_ci_low']:.3f}, {row['amplitude_ci_high']:.3f}] "
        f"at period {row['period']:g}°, p = {row['p']:.3g}, q = {row['q']:.3g}"
    )
    if row["verdict"] == NOTHING:
        reach = (
            f"; one test, not corrected, finds about {row['detectable_amplitude']:.3f} and above"
            if np.isfinite(row["detectable_amplitude"])
            else "; with one seed and no replicate nobody knows what could have been missed"
        )
        return f"nothing found. The largest candidate is {size}{reach}."
    if row["verdict"] == FOOTPRINT:
        return (
            f"the footprint's. At period {row['period']:g}° the metric itself has "
            f"{row['value_amplitude']:.3f}, the footprint alone {row['footprint_amplitude']:.3f}, "
            f"and {row['residual_amplitude']:.3f} is left after the share of it that fits best."
        )
    parts = [
        f"an effect that the footprint does not explain, {size}. After the share of the footprint "
        f"that fits best {row['residual_amplitude']:.3f} is left, p = {row['residual_p']:.3g}."
    ]
    # what repeats every 90° has no wave of a longer period
    of_90 = 90 / row["period"]
    if abs(of_90 - round(of_90)) < 1e-3 and row["orientation"] == "rotated":
        parts.append(
            "Multiples of 90° are not resampled and all other angles are: resampling alone can "
            "do this."
        )
    beside = {
        "the footprint": row["footprint_amplitude"],
        "a Sobel map, without any network and without its share of the footprint": row[
            "sobel_amplitude"
        ],
        "the sham rotation": row["sham_amplitude"],
        "noise alone": row["noise_amplitude"],
    }
    known = [f"{name} {value:.3f}" for name, value in beside.items() if np.isfinite(value)]
    if known:
        parts.append(f"At the same period: {', '.join(known)}.")
    if not np.isfinite(row["sham_amplitude"]):
        parts.append("No sham view was run that could tell resampling from turning.")
    return " ".join(parts)


def page(verdicts: pd.DataFrame, interaction: pd.DataFrame, analysis: Mapping[str, Any]) -> str:
    """Write the verdict as a page of Markdown.

    Parameters
    ----------
    verdicts : DataFrame
        Of `verdict_table`.
    interaction : DataFrame
        Of `periodicity.interaction_tests`, with q.
    analysis : mapping
        The configuration's section.
    """
    return "\n".join(_lines(verdicts, interaction, analysis)) + "\n"


def _lines(
    verdicts: pd.DataFrame, interaction: pd.DataFrame, analysis: Mapping[str, Any]
) -> Iterator[str]:
    level = 1 - analysis["confidence"]
    yield "# Does it oscillate with θ?"
    yield ""
    asked = (
        f"{column} {' or '.join(map(str, v))}" for column, v in analysis["confirmatory"].items()
    )
    yield f"The question, declared in the configuration: {', '.join(asked)}."
    yield (
        "p is of that series; q is the largest p of value, excess and residual, corrected for all "
        "tests of the question (Benjamini–Hochberg). A p speaks of other "
        f"training runs on these images, not of other images. Plan {plan_digest(analysis)}."
    )
    if verdicts.empty:
        yield ""
        yield "No curve is what was declared: too few angles, or other names."
    elif analysis["permutations"] < (enough := ceil(verdicts["n_tests"].iloc[0] / level) - 1):
        yield (
            f"With {analysis['permutations']} permutations an effect that stands alone cannot be "
            f"found among so many tests: `analysis.permutations` would have to be {enough}."
        )
    for arm, rows in verdicts.groupby(RUN):
        yield ""
        yield f"## {' · '.join(map(str, arm))}"
        yield ""
        effects, nulls = ((rows["verdict"] == kind).sum() for kind in (EFFECT, FOOTPRINT))
        of_footprint = f"; what {nulls} show is the footprint's" if nulls else ""
        yield f"{effects} of {len(rows)} curves differ from chance after the null{of_footprint}."
        yield ""
        for _, row in rows.iterrows():
            curve = f"{row['model']}, {row['orientation']}, {row['metric']}"
            yield f"- **{curve}**: {finding(row)}"
    tests = interaction[interaction["confirmatory"] & interaction["q"].notna()]
    yield ""
    yield "## Do the data sets differ?"
    yield ""
    if tests.empty:
        yield "Not testable: it takes two data sets over the same angles, and enough of those."
    else:
        best = tests.sort_values("q").iloc[0]
        verb = "differ" if best["q"] <= level else "cannot be told apart"
        yield (
            f"Their curves {verb}: the smallest q of {len(tests)} tests is {best['q']:.3g} "
            f"({best['model']}, {best['orientation']}, {best['metric']}, period "
            f"{best['period']:g}°, {best['n_datasets']} data sets)."
        )
