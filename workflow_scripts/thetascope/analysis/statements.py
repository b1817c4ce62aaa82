"""The verdict in words: a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from thetascope.analysis import glance
from thetascope.analysis import reliability as reliabilities
from thetascope.analysis.cases import MIN_CASES
from thetascope.analysis.settings import Analysis
from thetascope.analysis.sweeps import OF_ONE_MODEL
from thetascope.analysis.verdict import (
    ABOVE,
    AT_CHANCE,
    BELOW,
    CANVAS,
    NO_WAVE,
    OPEN,
    PICTURE,
    RESAMPLING,
    UNTESTED,
    VERDICTS,
    WAVE,
)
from thetascope.vocabulary import ARM

ASKED = {
    "excess": "does the score over chance change with θ?",
    "turning": "does it change with θ what turning the image did, beyond cutting its corners off?",
}
# what it means to score above chance, and below it: of a mask, of pairs, and of all else
OF_MASKS = "finds the foreground", "looks away from the foreground"
OF_PAIRS = "tells pairs apart", "tells pairs apart less often than a guess would"
LEVELS = dict.fromkeys(("probe_accuracy", "perceptron_accuracy"), OF_PAIRS)
NO_MASK = ("equivariance", "similarity_rank", "similarity_ssim", "deletion", "insertion")
LEVELS |= dict.fromkeys((*NO_MASK, "cka", "cosine"), ("is above chance", "is below chance"))
FOREST = "../plots/forest.svg"  # from results/tables and from results/pages
FACTORS = {
    "dataset": "data sets",
    "view": "views",
    "input": "inputs",
    "encoder": "encoders",
    "method": "methods",
}


def finding(row: pd.Series, level: float) -> str:
    """Say one row of `verdict.verdict_table` in plain words; its tests have this level."""
    return " ".join(_sentences(row, level))


def _sentences(row: pd.Series, level: float) -> Iterator[str]:
    """Yield the level, the verdict, what stands beside it, and whether the maps can carry it."""
    over_chance = (
        f"{row['level']:+.3f} [{row['level_cases_ci_low']:+.3f}, {row['level_cases_ci_high']:+.3f}]"
    )
    above, below = LEVELS.get(row["metric"], OF_MASKS)
    if row["finds"] == ABOVE:
        yield f"It {above} ({over_chance} over chance)."
    elif row["finds"] == BELOW:
        yield f"It {below} ({over_chance} over chance)."
    elif row["finds"] == AT_CHANCE:
        yield f"Whether it {above} is open ({over_chance} over chance)."
    wave = (
        f"{row['amplitude']:.3f} [{row['amplitude_ci_low']:.3f}, {row['amplitude_ci_high']:.3f}] "
        f"at period {row['period']:g}°"
    )
    test = f"p = {row['p']:.2g}, q = {row['q']:.2g}"
    if row["finds"] == ABOVE and np.isfinite(row["picture_level"]):
        owed, low, high = row[PICTURE]
        size = f"{owed:+.3f} [{low:+.3f}, {high:+.3f}]"
        yield f"It has {size} over the mean map of other cases."
    if row["verdict"] == UNTESTED:
        design = f"{row['n_angles']} angles, {row['n_seeds']} seeds, {row['n_cases']} cases"
        yield f"Not testable ({design})."
        if row["sweep"] in OF_ONE_MODEL and row["n_cases"] < MIN_CASES:
            yield f"A test of one model seen from all angles takes {MIN_CASES} cases."
    elif row["verdict"] == NO_WAVE:
        yield f"No wave above {row['amplitude_bound']:.3f}."
    elif row["verdict"] == OPEN:
        yield f"Open: there may be a wave of up to {row['amplitude_bound']:.3f}."
        yield f"The largest candidate is {wave}, {test}."
        if np.isfinite(row["seeds_needed"]):
            yield f"{row['seeds_needed']:.0f} seeds at as many angles could tell."
    else:
        yield f"{row['verdict'].capitalize()} of {wave}, {test}."
        yield from _explanations(row, level)
    if row["reliability"] < reliabilities.NOISE:
        yield (
            f"But the map is mostly noise (reliability {row['reliability']:.2f}): raise "
            "`saliency.samples` or `saliency.blur`."
        )
    if row["sameness"] > np.fmax(reliabilities.SAME, row["mask_sameness"]):
        yield (
            f"But maps of different cases are much the same (sameness {row['sameness']:.2f}, "
            f"that of the masks {row['mask_sameness']:.2f}): they may show the network, or what "
            "all pictures share."
        )


def _explanations(row: pd.Series, level: float) -> Iterator[str]:
    """Yield where a wave's crest is, and what else could have made it."""
    if row["verdict"] == CANVAS:
        yield "It is not there in a disc, which has no corners: the canvas makes it."
    elif row["verdict"] == RESAMPLING:
        yield "The sham, which is resampled and not turned, has it too: resampling makes it."
    if np.isfinite(row["phase_ci_low"]):
        yield (
            f"Crest at {row['phase_deg']:.0f}° [{row['phase_ci_low']:.0f}°, "
            f"{row['phase_ci_high']:.0f}°]."
        )
    if row["others_p"] <= level < row["picture_p"]:
        size = f"{row['others_amplitude']:.3f} (p of the difference: {row['picture_p']:.2g})"
        yield (
            f"The mean map of other cases has it too, {size}: it may lie in what all maps "
            "have in common."
        )
    if row["aliases"]:
        yield f"On this grid waves of {row['aliases']} degrees look the same."
    if row["p_without_0"] > level:
        yield f"It rests on θ = 0: without it p = {row['p_without_0']:.2g}."
    of_90 = 90 / row["period"]  # what repeats every 90° has no wave of a longer period
    quarter = abs(of_90 - round(of_90)) < 1e-3 and row["input"] == "rotated"
    if quarter and row["verdict"] == WAVE and np.isnan(row["sham_q"]):
        yield (
            "Multiples of 90° are not resampled and all other angles are: resampling alone can do "
            "this, and no sham view was run that could tell."
        )


def page(verdicts: pd.DataFrame, tables: Mapping[str, pd.DataFrame], analysis: Analysis) -> str:
    """Write the verdict as a page of Markdown.

    Parameters
    ----------
    verdicts : DataFrame
        Of `verdict.verdict_table`.
    tables : mapping of str to DataFrame
        `contrasts`, `phases`, `questions`, `noise` and `benchmarks`.
    analysis : Analysis
        The configuration's section.
    """
    return "\n".join(_lines(verdicts, tables, analysis)) + "\n"


def _lines(
    verdicts: pd.DataFrame, tables: Mapping[str, pd.DataFrame], analysis: Analysis
) -> Iterator[str]:
    yield "# Does it oscillate with θ?"
    yield ""
    yield f"**{glance.sentence(verdicts)}**"
    yield ""
    yield from _markdown(glance.table(verdicts))
    yield ""
    yield f"![Amplitudes, their intervals and bounds]({FOREST})"
    yield ""
    yield from (
        f"- **{word}**: {meaning}" for word, meaning in glance.words(verdicts, analysis).items()
    )
    yield ""
    yield glance.next_step(verdicts, tables["noise"], tables["benchmarks"], analysis)
    yield ""
    yield "## Question by question"
    yield ""
    counts = verdicts["verdict"].value_counts()
    columns = [name for name in VERDICTS if name in counts]
    head = ["question", "curves", "above chance", *columns, "p of any wave"]
    yield from (f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head)))
    joint = tables["questions"].set_index("question")["p_any_curve"]
    for name in analysis.questions:
        rows = verdicts[verdicts["question"] == name]
        numbers = [len(rows), (rows["finds"] == ABOVE).sum()]
        numbers += [(rows["verdict"] == column).sum() for column in columns]
        p = f"{joint[name]:.2g}" if name in joint else "–"
        yield f"| {' | '.join([name, *map(str, numbers), p])} |"
    yield ""
    yield (
        "The questions were declared in the configuration. p is of one test; q is corrected for "
        "all tests of its question (Benjamini–Hochberg). A wave below "
        f"{analysis.smallest_effect:g} would not matter. Brackets of waves are about other "
        "training runs on these images, those of levels about other cases too. "
        f"Digest of this plan: {analysis.plan}."
    )
    for name, asked in analysis.questions.items():
        words = [ASKED[one] for one in asked.get("series", ()) if one in ASKED]
        yield ""
        yield f"## Question {name}{': ' if words else ''}{' '.join(words)}"
        yield ""
        of_curves = (f"{column} {' or '.join(map(str, v))}" for column, v in asked.items())
        yield f"Curves: {', '.join(of_curves)}."
        yield from _answers(verdicts[verdicts["question"] == name], analysis.level)
        contrasts, phases = (
            tables[key][tables[key]["question"] == name] for key in ("contrasts", "phases")
        )
        yield ""
        yield from _differences(contrasts, analysis.level)
        yield from _peaks(phases, analysis.level)


def _markdown(table: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of a table of text."""
    yield f"| {' | '.join(map(str, table))} |"
    yield f"|{'---|' * table.shape[1]}"
    for row in table.itertuples(index=False, name=None):
        yield f"| {' | '.join(text.replace('|', chr(92) + '|') for text in row)} |"


def _answers(verdicts: pd.DataFrame, level: float) -> Iterator[str]:
    """Yield what one question found, arm by arm."""
    if verdicts.empty:
        yield ""
        yield "No curve is what was declared: too few angles, or other names."
        return
    telling = [name for name in glance.TELLING if verdicts[name].nunique(dropna=False) > 1]
    named = [*(name for name in telling if name not in ARM), "model", "input", "metric"]
    for arm, rows in verdicts.groupby(ARM):
        yield ""
        yield f"### {' · '.join(map(str, arm))}"
        yield ""
        for _, row in rows.iterrows():
            yield f"- **{', '.join(map(str, row[named].dropna()))}**: {finding(row, level)}"


def _differences(contrasts: pd.DataFrame, level: float) -> Iterator[str]:
    """Yield whether the curves of the levels of each factor differ in shape."""
    for factor, tests in contrasts[contrasts["q"].notna()].groupby("factor", sort=False):
        best = tests.sort_values("q").iloc[0]
        verb = "They do" if best["q"] <= level else "They cannot be told apart"
        yield (
            f"- Do curves of different {FACTORS[str(factor)]} differ in shape? {verb}: the "
            f"smallest q of {len(tests)} tests is {best['q']:.2g} ({best['levels']}; "
            f"{best['model']}, {best['metric']}, period {best['period']:g}°)."
        )


def _peaks(phases: pd.DataFrame, level: float) -> Iterator[str]:
    """Yield whether data sets that have a wave have its crest at the same angle."""
    if len(phases):
        best = phases.sort_values("q").iloc[0]
        verb = "some do not" if best["q"] <= level else "they cannot be told apart"
        crests = f"{best['first_phase']:.0f}° and {best['second_phase']:.0f}°"
        yield (
            f"- Do data sets with a wave have its crest at the same angle? Of {len(phases)} pairs "
            f"{verb}: the smallest q is {best['q']:.2g} ({best['first']} and {best['second']}: "
            f"{crests}, period {best['period']:g}°)."
        )
