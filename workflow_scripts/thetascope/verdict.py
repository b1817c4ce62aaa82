"""What the tables say about the declared question, in one row and one sentence per curve."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from thetascope.oscillation import KEY
from thetascope.tables import RUN

CURVE = [column for column in KEY if column != "series"]
FOUND = ["period", "amplitude", "amplitude_ci_low", "amplitude_ci_high", "phase_deg"]
FOUND += ["p", "p_max", "q"]
BESIDE = ["value_amplitude", "footprint_amplitude", "sobel_amplitude", "sham_amplitude"]
BESIDE += ["noise_amplitude", "detectable_amplitude"]
COLUMNS = [*KEY, *FOUND, *BESIDE, "n_angles", "n_items", "n_seeds", "verdict", "plan"]

EFFECT, NOTHING, UNTESTED = "effect", "nothing found", "not testable"


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
        One row per confirmatory curve: the period of the smallest q (of equals the largest
        amplitude) with its amplitude, p and q; beside it, at the same period, the amplitude of the
        value itself, of the footprint, of the same series of the Sobel map, which needs no network,
        and of the sham view, which is not turned, where those were run; what noise alone gives and
        the smallest amplitude that the design finds with probability 0.8; and the `verdict`:
        `effect` if q ≤ 1 − `confidence`, `nothing found`, or `not testable`. `plan` is the digest
        of the analysis that was declared.
    """
    declared = oscillation[oscillation["confirmatory"] & oscillation["resolved"]]
    at = oscillation.set_index([*KEY, "period"])["amplitude"].sort_index()
    noise = noise.set_index([*KEY, "period"]).sort_index()
    rows = []
    for _, curve in declared.groupby(KEY, sort=False):
        best = curve.sort_values(["q", "amplitude"], ascending=[True, False]).iloc[0]
        row: dict[str, Any] = {k: best[k] for k in COLUMNS if k in best}
        place = {key: row[key] for key in [*KEY, "period"]}
        for name, other in (("value", {"series": "value"}), ("footprint", {"series": "footprint"})):
            row[f"{name}_amplitude"] = at.get(tuple((place | other).values()), np.nan)
        sobel = place | {"model": "baseline", "map": "sobel"}
        row["sobel_amplitude"] = at.get(tuple(sobel.values()), np.nan)
        of_sham = [at.get(tuple((place | {"view": v}).values()), np.nan) for v in sorted(shams)]
        row["sham_amplitude"] = np.nanmax(of_sham) if np.isfinite(of_sham).any() else np.nan
        for name in ("noise_amplitude", "detectable_amplitude"):
            row[name] = noise.loc[tuple(place.values()), name]
        tested = np.isfinite(row["q"])
        found = tested and row["q"] <= 1 - analysis["confidence"]
        row["verdict"] = EFFECT if found else NOTHING if tested else UNTESTED
        row["plan"] = plan_digest(analysis)
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


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
            f"; amplitudes below about {row['detectable_amplitude']:.3f} would have been missed"
            if np.isfinite(row["detectable_amplitude"])
            else "; with one seed and no replicate nobody knows what could have been missed"
        )
        return f"nothing found. The largest candidate is {size}{reach}."
    parts = [f"an effect that the footprint does not explain, {size}."]
    if row["period"] in (45, 90, 180) and row["orientation"] == "rotated":
        parts.append(
            "Multiples of 90° are not resampled and all other angles are: resampling alone can "
            "do this."
        )
    beside = {
        "the footprint": row["footprint_amplitude"],
        "a Sobel map, without any network": row["sobel_amplitude"],
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
    yield "# Does it oscillate with θ?"
    yield ""
    asked = (
        f"{column} {' or '.join(map(str, v))}" for column, v in analysis["confirmatory"].items()
    )
    yield f"The question, declared in the configuration: {', '.join(asked)}."
    yield (
        "q is p after correction for all tests of it (Benjamini–Hochberg). A p speaks of other "
        f"training runs on these images, not of other images. Plan {plan_digest(analysis)}."
    )
    if verdicts.empty:
        yield ""
        yield "No curve is what was declared: too few angles, or other names."
    for arm, rows in verdicts.groupby(RUN):
        yield ""
        yield f"## {' · '.join(map(str, arm))}"
        yield ""
        effects = (rows["verdict"] == EFFECT).sum()
        yield f"{effects} of {len(rows)} curves differ from chance after the null."
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
        verb = "differ" if best["q"] <= 1 - analysis["confidence"] else "cannot be told apart"
        yield (
            f"Their curves {verb}: the smallest q of {len(tests)} tests is {best['q']:.3g} "
            f"({best['model']}, {best['orientation']}, {best['metric']}, period "
            f"{best['period']:g}°, {best['n_datasets']} data sets)."
        )
