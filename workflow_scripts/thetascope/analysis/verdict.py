"""What the tables say about the declared question, in one row and one sentence per curve."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import ceil
from typing import Any

import numpy as np
import pandas as pd

from thetascope.analysis.curves import KEY
from thetascope.analysis.settings import Analysis
from thetascope.vocabulary import ARM

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


def verdict_table(
    oscillation: pd.DataFrame,
    noise: pd.DataFrame,
    analysis: Analysis,
    shams: Collection[str],
) -> pd.DataFrame:
    """Judge every confirmatory curve by its most significant period.

    Parameters
    ----------
    oscillation : DataFrame
        As `oscillation.csv` holds it, with tests.
    noise : DataFrame
        `planner.noise_table`.
    analysis : Analysis
        The configuration's section.
    shams : collection of str
        Views that do not turn.

    Returns
    -------
    DataFrame
        One row per confirmatory curve, with its `verdict`; 0.05 stands for 1 − `confidence`:

        - `effect`: at some period q ≤ 0.05, which is that of the largest p of value, excess and
          residual (`inference.false_discovery`): the wave is there whether none, all, or as much
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
    declared = oscillation[oscillation["confirmatory"] & oscillation["resolved"]]
    waves = declared
    for series in SERIES:
        waves = _beside(waves, oscillation[oscillation["series"] == series], series, ["series"])
    edges = oscillation[
        (oscillation["model"] == "baseline")
        & (oscillation["attribution"] == "sobel")
        & (oscillation["series"] == "residual")
    ]
    waves = _beside(waves, edges, "sobel", ["series", "model", "attribution"])
    of_shams = oscillation[oscillation["view"].isin(shams)]
    wave = [column for column in [*KEY, "period"] if column != "view"]
    largest = of_shams.groupby(wave, dropna=False, as_index=False)["amplitude"].max()
    waves = _beside(waves, largest.assign(p=np.nan, p_max=np.nan), "sham", ["view"])
    noises = noise[[*KEY, "period", "noise_amplitude", "detectable_amplitude"]]
    waves = waves.merge(noises, how="left", on=[*KEY, "period"], validate="1:1")
    rows = []
    for _, curve in waves.groupby(KEY, sort=False, dropna=False):
        verdict, index = _judge(curve, analysis.level)
        rows.append(curve.loc[index].to_dict() | {"verdict": verdict})
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(n_tests=declared["p"].count(), plan=analysis.plan)


def _beside(waves: pd.DataFrame, others: pd.DataFrame, name: str, free: list[str]) -> pd.DataFrame:
    """Put amplitude, p and p_max of other waves beside those that differ in the columns `free`."""
    on = [column for column in [*KEY, "period"] if column not in free]
    measures = {column: f"{name}_{column}" for column in ("amplitude", "p", "p_max")}
    others = others[[*on, *measures]].rename(columns=measures)
    return waves.merge(others, how="left", on=on, validate="m:1")


def _judge(waves: pd.DataFrame, level: float) -> tuple[str, Any]:
    """Verdict on a curve's waves, and the index of that on which it rests (see `verdict_table`)."""
    by_amplitude = waves["amplitude"].sort_values(ascending=False).index
    if (waves["q"] <= level).any():
        return EFFECT, waves["q"][by_amplitude].idxmin()
    of_footprint = pd.Series(False, waves.index)
    for series in "value", "excess":
        half = waves[f"{series}_amplitude"] / 2
        of_footprint |= (waves[f"{series}_p_max"] <= level) & (waves["residual_amplitude"] < half)
    if of_footprint.any():
        return FOOTPRINT, waves["footprint_amplitude"][of_footprint].idxmax()
    if waves["q"].notna().any():
        return NOTHING, waves["q"][by_amplitude].idxmin()
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
    if abs(of_90 - round(of_90)) < 1e-3 and row["input"] == "rotated":
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


def page(verdicts: pd.DataFrame, interaction: pd.DataFrame, analysis: Analysis) -> str:
    """Write the verdict as a page of Markdown.

    Parameters
    ----------
    verdicts : DataFrame
        Of `verdict_table`.
    interaction : DataFrame
        Of `inference.interaction_tests`, with q.
    analysis : Analysis
        The configuration's section.
    """
    return "\n".join(_lines(verdicts, interaction, analysis)) + "\n"


def _lines(verdicts: pd.DataFrame, interaction: pd.DataFrame, analysis: Analysis) -> Iterator[str]:
    level = analysis.level
    yield "# Does it oscillate with θ?"
    yield ""
    asked = (f"{column} {' or '.join(map(str, v))}" for column, v in analysis.confirmatory.items())
    yield f"The question, declared in the configuration: {', '.join(asked)}."
    yield (
        "p is of that series; q is the largest p of value, excess and residual, corrected for all "
        "tests of the question (Benjamini–Hochberg). A p is about other "
        f"training runs on these images, not about other images. Plan {analysis.plan}."
    )
    if verdicts.empty:
        yield ""
        yield "No curve is what was declared: too few angles, or other names."
    elif analysis.permutations < (enough := ceil(verdicts["n_tests"].iloc[0] / level) - 1):
        yield (
            f"With {analysis.permutations} permutations an effect that stands alone cannot be "
            f"found among so many tests: `analysis.permutations` would have to be {enough}."
        )
    for arm, rows in verdicts.groupby(ARM):
        yield ""
        yield f"## {' · '.join(map(str, arm))}"
        yield ""
        effects, nulls = ((rows["verdict"] == kind).sum() for kind in (EFFECT, FOOTPRINT))
        of_footprint = f"; what {nulls} show is the footprint's" if nulls else ""
        yield f"{effects} of {len(rows)} curves differ from chance after the null{of_footprint}."
        yield ""
        for _, row in rows.iterrows():
            curve = f"{row['model']}, {row['input']}, {row['metric']}"
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
            f"({best['model']}, {best['input']}, {best['metric']}, period "
            f"{best['period']:g}°, {best['n_datasets']} data sets)."
        )
