"""The verdict at a glance: one sentence, one table, its words, and what to do next."""

from __future__ import annotations

import numpy as np
import pandas as pd

from thetascope.analysis.cases import MIN_CASES
from thetascope.analysis.curves import KEY
from thetascope.analysis.designs import ANGLES
from thetascope.analysis.planner import seeds_needed
from thetascope.analysis.settings import Analysis
from thetascope.analysis.verdict import CANVAS, NO_WAVE, OPEN, RESAMPLING, UNTESTED, WAVE

OTHERS = {
    OPEN: "open",
    NO_WAVE: "without a wave that matters",
    CANVAS: "with a wave that the canvas makes",
    RESAMPLING: "with a wave that resampling makes",
    UNTESTED: "not testable",
}
INPUTS = {"original": "x", "rotated": "R_θ x", "pair": "both"}
WORDS = {
    "model": "pretrained is the encoder before it is fine-tuned on masks, finetuned the network "
    "after it.",
    "map of": "x is the image as it is, R_θ x the image rotated by θ.",
    "metric": "{metrics}.",
    "above chance": "yes, if the mean score over all θ is above what a random map or a guess would "
    "score; by how much, and the interval for other cases. If yes, maps find the foreground, and a "
    "probe tells pairs apart. The answer is corrected for the number of curves, the interval is of "
    "one curve: it may leave out 0 where the answer is that one cannot tell.",
    "over others": "the map's score less that of the mean map of other cases, with the "
    "interval for other cases. Where it is about 0, the place of the foreground is enough to find "
    "it, without a look at the picture.",
    "wave": "a sinusoid over θ in the score over chance or, for maps of R_θ x, in the score over "
    "the same model's map of x on the same pixels.",
    "amplitude": "half the height of the wave from trough to crest; in brackets its interval for "
    "other training runs. The largest wave stands here, even where it may be noise.",
    "no wave above": "the bound: with {confidence:g} % confidence there is no larger wave, and a "
    "smaller one than {smallest:g} would not matter.",
    "open": "neither a wave nor its absence is shown: there may be one as large as the bound. The "
    "answer is corrected for the number of curves; bound and interval are of one curve. The bound "
    "is one-sided and the interval two-sided, so that the interval may end beyond the bound.",
}
RIGHTLY = "says rightly whether they are an image and its rotated copy, or two images"
METRICS = {
    "auroc": "auroc is 1 if a map is brighter everywhere in the mask than outside",
    "dice_area": "dice_area is 1 if as many of its brightest pixels as the mask has are the mask",
    "dice_otsu": "dice_otsu is 1 if the map cut by Otsu's method is the mask",
    "probe_accuracy": "probe_accuracy is the share of pairs of which a linear classifier "
    f"{RIGHTLY}",
    "perceptron_accuracy": "perceptron_accuracy is the share of pairs of which a perceptron "
    f"{RIGHTLY}",
    "dice_macro": "dice_macro is 1 if the fine-tuned model's segmentation is the mask",
    "cka": "cka is 1 if two encoders have the same features but for a rotation of their space",
}
# columns that are shown where not all curves have the same in them
TELLING = ["view", "encoder", "method", "training", "sweep", "held_angle", "attribution", "series"]


def answer(row: pd.Series) -> str:
    """Say in a few words whether there is a wave, for a row of `verdict.verdict_table`."""
    if row["verdict"] == UNTESTED:
        return "not testable"
    if row["verdict"] == NO_WAVE:
        return f"no wave above {row['amplitude_bound']:.3f}"
    if row["verdict"] == OPEN:
        return f"open: up to {row['amplitude_bound']:.3f}"
    maker = {CANVAS: " that the canvas makes", RESAMPLING: " that resampling makes"}
    of_whom = maker.get(row["verdict"], "")
    return f"wave of {row['period']:g}°{of_whom}, amplitude {row['amplitude']:.2f}"


def sentence(verdicts: pd.DataFrame) -> str:
    """Say in one sentence what all questions found, for `verdict.verdict_table`."""
    if verdicts.empty:
        return "No curve is what a question declared, so there is no verdict."
    waves = [
        f"{(rows == WAVE).sum()} of {len(rows)} ({name})"
        for name, rows in verdicts.groupby("question", sort=False)["verdict"]
    ]
    counts = verdicts["verdict"].value_counts()
    others = [f"{counts[name]} {said}" for name, said in OTHERS.items() if name in counts]
    rest = f"; the others: {', '.join(others)}" if others else ""
    return f"Curves with a wave over θ: {', '.join(waves)}{rest}."


def in_order(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Put the rows of a question together, in the order in which questions come first."""
    return verdicts.sort_values(
        "question", key=lambda names: pd.Series(pd.factorize(names)[0], names.index), kind="stable"
    )


def names(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Say of what the curves are, for `verdict.verdict_table`.

    One row per curve, question by question, all text: `question`, `data set`, what else tells a
    question's curves apart, `model`, `map of` and `metric`; a dash where there is no value.
    """
    verdicts = in_order(verdicts)
    kinds = verdicts.groupby("question")[TELLING].nunique(dropna=False)
    telling = [name for name in TELLING if (kinds[name] > 1).any()]
    named = {
        "question": verdicts["question"],
        "data set": verdicts["dataset"],
        **{
            name: verdicts[name].astype(object).where(verdicts[name].notna(), "–")
            for name in telling
        },
        "model": verdicts["model"],
        "map of": verdicts["input"].replace(INPUTS),
        "metric": verdicts["metric"],
    }
    return pd.DataFrame(named, index=verdicts.index).astype(str)


def table(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Show the verdicts to people.

    Parameters
    ----------
    verdicts : DataFrame
        Of `verdict.verdict_table`.

    Returns
    -------
    DataFrame
        One row per curve, question by question, all text: `verdict` (see `answer`), its `names`,
        `above chance`, `over others` and `amplitude`, with their intervals; a dash where there is
        no value.
    """
    verdicts = in_order(verdicts)
    levels = _with_interval(verdicts, "level", "level_cases", "+.3f")
    shown = {
        "verdict": [answer(row) for _, row in verdicts.iterrows()],
        **names(verdicts),
        "above chance": [
            f"{found}: {level}" for found, level in zip(verdicts["finds"], levels, strict=True)
        ],
        "over others": _with_interval(verdicts, "picture_level", "picture_level", "+.3f"),
        "amplitude": _with_interval(verdicts, "amplitude", "amplitude", ".3f"),
    }
    return pd.DataFrame(shown, index=verdicts.index).astype(str)


def _with_interval(verdicts: pd.DataFrame, name: str, prefix: str, digits: str) -> list[str]:
    """Write value and interval, for example `0.041 [0.021, 0.061]`."""
    columns = [name, f"{prefix}_ci_low", f"{prefix}_ci_high"]
    texts = []
    for value, low, high in verdicts[columns].to_numpy(np.float64):
        text = format(value, digits) if np.isfinite(value) else "–"
        texts.append(f"{text} [{low:{digits}}, {high:{digits}}]" if np.isfinite(low) else text)
    return texts


def words(verdicts: pd.DataFrame, analysis: Analysis) -> dict[str, str]:
    """Explain the words of the table; of metrics those in it that `METRICS` has."""
    of_run = {"confidence": 100 * analysis.confidence, "smallest": analysis.smallest_effect}
    metrics = [meaning for name, meaning in METRICS.items() if name in set(verdicts["metric"])]
    said = {name: meaning for name, meaning in WORDS.items() if metrics or name != "metric"}
    return {w: meaning.format(metrics="; ".join(metrics), **of_run) for w, meaning in said.items()}


def next_step(
    verdicts: pd.DataFrame, noise: pd.DataFrame, benchmarks: pd.DataFrame, analysis: Analysis
) -> str:
    """Say what to do to learn more.

    Parameters
    ----------
    verdicts : DataFrame
        Of `verdict.verdict_table`.
    noise : DataFrame
        Of `planner.noise_table`.
    benchmarks : DataFrame
        Of `tables.benchmarks_table`: what the jobs of this experiment took.
    analysis : Analysis
        The configuration's section.

    Returns
    -------
    str
        A few sentences of Markdown. Of the designs with equal steps round the circle that find a
        wave of `smallest_effect` with probability 0.8 in half of the open curves they name the one
        with the fewest runs.
    """
    is_open = verdicts["verdict"] == OPEN
    if not is_open.any():
        if len(verdicts) == 0 or (verdicts["verdict"] == UNTESTED).any():
            return "To learn more: more angles, seeds or cases. These are too few for a test."
        return "Nothing is open. To learn more: other image sets, or a smaller `smallest_effect`."
    deviations = noise[[*KEY, "cell_sd"]].drop_duplicates(KEY)
    found = verdicts[is_open].merge(deviations, how="left", on=KEY, validate="m:1")
    design, cases = _design(found, analysis), found["n_cases"].min()
    few = ""
    if cases < MIN_CASES:
        few = (
            " Intervals of levels are for other cases, such as patients. The fewest test cases of "
            f"a curve are {cases}: with more of them intervals get narrower, with more runs hardly."
        )
    if design is None:
        return (
            "To learn more: more test cases, or maps with less noise (`saliency.samples`). More "
            f"angles and seeds alone do not settle half of the open curves.{few}"
        )
    angles, seeds = design
    return (
        f"To learn more: {angles} angles (`angles: {{start: 0, stop: {360 - 360 // angles}, step: "
        f"{360 // angles}}}`) and {seeds} {'seed' if seeds == 1 else 'seeds'}. If noise is as it "
        f"is here, at least half of the {len(found)} open curves would then show a wave of "
        f"{analysis.smallest_effect:g} with probability 0.8. "
        f"That is {angles * seeds} runs of every arm{_time(angles * seeds, benchmarks)}.{few}"
    )


def _design(found: pd.DataFrame, analysis: Analysis) -> tuple[int, int] | None:
    """Choose angles and seeds for curves with these columns `cell_sd` and `n_tests`."""
    noise = found["cell_sd"].median()
    level = analysis.level / found["n_tests"].max()
    here = (found["n_angles_per_seed"] * found["n_seeds"]).max()
    designs = []
    for angles in ANGLES:
        seeds = seeds_needed(angles, analysis.periods, noise, analysis.smallest_effect, level)
        if np.isfinite(seeds) and angles * seeds > here:
            designs.append((angles * int(seeds), angles, int(seeds)))
    return min(designs)[1:] if designs else None


def _time(runs: int, benchmarks: pd.DataFrame) -> str:
    """Say what so many runs of every arm take, if it was measured."""
    of_runs = benchmarks[benchmarks["training"] == "fixed"]
    first = of_runs[of_runs["rule"] == "pretrain"]
    if first.empty:
        return ""
    arms = len(first[["dataset", "view", "encoder", "method"]].drop_duplicates())
    minutes = of_runs["s"].sum() / len(first) * runs * arms / 60
    said = f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.2g} hours"
    return f", together about {said} of jobs, one after the other, on this machine"
