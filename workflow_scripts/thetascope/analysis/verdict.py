"""What the tables say about the declared questions, in one row and one sentence per curve."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import ceil
from typing import Any

import numpy as np
import pandas as pd

from thetascope.analysis import reliability as reliabilities
from thetascope.analysis.curves import KEY
from thetascope.analysis.inference import EXPLORATORY
from thetascope.analysis.settings import Analysis
from thetascope.vocabulary import ARM

FOUND = ["period", "amplitude", "amplitude_ci_low", "amplitude_ci_high", "phase_deg", "p", "q"]
BESIDE = ["sobel_amplitude", "random_amplitude", "sham_amplitude"]
BESIDE += ["noise_amplitude", "detectable_amplitude"]
RELIABILITY = ["reliability", "reliability_ci_low", "reliability_ci_high"]
COUNTS = ["n_angles", "n_items", "n_seeds", "n_tests"]
COLUMNS = ["question", *KEY, "verdict", *FOUND, *BESIDE, *RELIABILITY, *COUNTS, "plan"]

EFFECT, NOTHING, UNTESTED = "effect", "nothing found", "not testable"

ASKED = {
    "excess": "does the score over chance change with θ?",
    "turning": "does it change with θ what turning the image did, beyond cutting its corners off?",
}


def verdict_table(
    oscillation: pd.DataFrame,
    noise: pd.DataFrame,
    reliability: pd.DataFrame,
    analysis: Analysis,
    shams: Collection[str],
) -> pd.DataFrame:
    """Judge every curve of a declared question by its most significant period.

    Parameters
    ----------
    oscillation : DataFrame
        As `oscillation.csv` holds it, with tests.
    noise : DataFrame
        `planner.noise_table`.
    reliability : DataFrame
        `reliability.reliability_table`.
    analysis : Analysis
        The configuration's section.
    shams : collection of str
        Views that do not turn.

    Returns
    -------
    DataFrame
        One row per curve of a question, with its `verdict`: `effect` if at some period
        q ≤ 1 − `confidence`, else `nothing found`, and `not testable` where there is no q.

        The row stands for the period of the smallest q (of several: the largest wave) with
        amplitude, p and q; beside it, at the same period, the amplitudes of the Sobel map, which
        needs no network, of the random map, which knows nothing, and of the sham view, which is not
        turned, where that was run; what noise alone gives and the smallest amplitude that one test
        at p ≤ 0.05 finds with probability 0.8; and the reliability of the maps. `n_tests` is the
        number of tests that q was corrected for, `plan` the digest of the analysis that was
        declared.
    """
    declared = oscillation[(oscillation["question"] != EXPLORATORY) & oscillation["resolved"]]
    waves = declared.assign(n_tests=declared.groupby("question")["p"].transform("count"))
    baselines = oscillation[oscillation["model"] == "baseline"]
    for name in ("sobel", "random"):
        of_map = baselines[baselines["attribution"] == name]
        waves = _beside(waves, of_map, name, ["model", "attribution"])
    of_shams = oscillation[oscillation["view"].isin(shams)]
    wave = [column for column in [*KEY, "period"] if column != "view"]
    largest = of_shams.groupby(wave, dropna=False)["amplitude"].max().reset_index()
    waves = _beside(waves, largest, "sham", ["view"])
    noises = noise[[*KEY, "period", "noise_amplitude", "detectable_amplitude"]]
    waves = waves.merge(noises, how="left", on=[*KEY, "period"], validate="1:1")
    halves = reliability[[*reliabilities.KIND, *RELIABILITY]]
    waves = waves.merge(halves, how="left", on=reliabilities.KIND, validate="m:1")
    rows = []
    for _, curve in waves.groupby(["question", *KEY], sort=False, dropna=False):
        verdict, index = _judge(curve, analysis.level)
        rows.append(curve.loc[index].to_dict() | {"verdict": verdict})
    return pd.DataFrame(rows, columns=COLUMNS).assign(plan=analysis.plan)


def _beside(waves: pd.DataFrame, others: pd.DataFrame, name: str, free: list[str]) -> pd.DataFrame:
    """Put the amplitude of other waves beside those that differ in the columns `free`."""
    on = [column for column in [*KEY, "period"] if column not in free]
    others = others[[*on, "amplitude"]].rename(columns={"amplitude": f"{name}_amplitude"})
    return waves.merge(others, how="left", on=on, validate="m:1")


def _judge(waves: pd.DataFrame, level: float) -> tuple[str, Any]:
    """Verdict on a curve's waves, and the index of that on which it rests (see `verdict_table`)."""
    by_amplitude = waves["amplitude"].sort_values(ascending=False).index
    if waves["q"].isna().all():
        return UNTESTED, by_amplitude[0]
    best = waves["q"][by_amplitude].idxmin()
    return EFFECT if waves["q"].min() <= level else NOTHING, best


def finding(row: pd.Series) -> str:
    """Say one row of `verdict_table` in plain words."""
    return " ".join(_sentences(row))


def _sentences(row: pd.Series) -> Iterator[str]:
    """Yield the verdict, what stands beside it, and whether the maps can carry it."""
    size = (
        f"{row['amplitude']:.3f} [{row['amplitude_ci_low']:.3f}, {row['amplitude_ci_high']:.3f}] "
        f"at period {row['period']:g}°, p = {row['p']:.3g}, q = {row['q']:.3g}"
    )
    if row["verdict"] == UNTESTED:
        yield f"no valid test ({row['n_angles']} angles, {row['n_seeds']} seeds)."
    elif row["verdict"] == NOTHING:
        yield f"nothing found. The largest candidate is {size}."
        if np.isfinite(row["detectable_amplitude"]):
            reach = f"about {row['detectable_amplitude']:.3f} and above"
            yield f"One test, not corrected, finds {reach}."
        else:
            yield "With one seed and no replicate nobody knows what could have been missed."
    else:
        yield f"an effect, {size}."
        yield from _explanations(row)
    if row["reliability"] < reliabilities.NOISE:
        yield (
            f"But the map is mostly noise (reliability {row['reliability']:.2f}): raise "
            "`saliency.samples` or `saliency.blur`."
        )


def _explanations(row: pd.Series) -> Iterator[str]:
    """Yield what else could have made an effect."""
    # what repeats every 90° has no wave of a longer period
    of_90 = 90 / row["period"]
    if abs(of_90 - round(of_90)) < 1e-3 and row["input"] == "rotated":
        yield (
            "Multiples of 90° are not resampled and all other angles are: resampling alone can "
            "do this."
        )
    beside = {
        "a Sobel map, without any network": row["sobel_amplitude"],
        "a random map": row["random_amplitude"],
        "the sham rotation": row["sham_amplitude"],
        "noise alone": row["noise_amplitude"],
    }
    known = [f"{name} {value:.3f}" for name, value in beside.items() if np.isfinite(value)]
    if known:
        yield f"At the same period: {', '.join(known)}."
    if row["input"] == "rotated" and not np.isfinite(row["sham_amplitude"]):
        yield "No sham view was run that could tell resampling from turning."


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
    yield "# Does it oscillate with θ?"
    yield ""
    yield (
        "The questions were declared in the configuration. p is of one test; q is corrected for "
        "all tests of its question (Benjamini–Hochberg). A p is about other training runs on these "
        f"images, not about other images. Plan {analysis.plan}."
    )
    for name, asked in analysis.questions.items():
        words = [ASKED[one] for one in asked.get("series", ()) if one in ASKED]
        yield ""
        yield f"## Question {name}{': ' if words else ''}{' '.join(words)}"
        yield ""
        curves = (f"{column} {' or '.join(map(str, v))}" for column, v in asked.items())
        yield f"Curves: {', '.join(curves)}."
        yield from _answers(verdicts[verdicts["question"] == name], analysis)
        if "dataset" not in asked:
            yield ""
            yield _difference(interaction[interaction["question"] == name], analysis.level)


def _answers(verdicts: pd.DataFrame, analysis: Analysis) -> Iterator[str]:
    """Yield what one question found, arm by arm."""
    if verdicts.empty:
        yield ""
        yield "No curve is what was declared: too few angles, or other names."
        return
    if analysis.permutations < (enough := ceil(verdicts["n_tests"].iloc[0] / analysis.level) - 1):
        yield (
            f"With {analysis.permutations} permutations an effect that stands alone cannot be "
            f"found among so many tests: `analysis.permutations` would have to be {enough}."
        )
    for arm, rows in verdicts.groupby(ARM):
        yield ""
        yield f"### {' · '.join(map(str, arm))}"
        yield ""
        yield f"An effect in {(rows['verdict'] == EFFECT).sum()} of {len(rows)} curves."
        yield ""
        for _, row in rows.iterrows():
            yield f"- **{row['model']}, {row['input']}, {row['metric']}**: {finding(row)}"


def _difference(tests: pd.DataFrame, level: float) -> str:
    """Say whether the curves of the data sets differ."""
    tests = tests[tests["q"].notna()]
    if tests.empty:
        return (
            "Do the data sets differ? Not testable: it takes two data sets over the same angles, "
            "and enough of those."
        )
    best = tests.sort_values("q").iloc[0]
    verb = "They do" if best["q"] <= level else "They cannot be told apart"
    return (
        f"Do the data sets differ? {verb}: the smallest q of {len(tests)} tests is "
        f"{best['q']:.3g} ({best['model']}, {best['input']}, {best['metric']}, period "
        f"{best['period']:g}°, {best['n_datasets']} data sets)."
    )
