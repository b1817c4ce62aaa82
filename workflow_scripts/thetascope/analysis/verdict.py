"""What the tables say about the declared questions, in one row per curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from thetascope.analysis import reliability as reliabilities
from thetascope.analysis.curves import KEY, by_place, place
from thetascope.analysis.inference import EXPLORATORY, corrected
from thetascope.analysis.planner import seeds_needed
from thetascope.analysis.settings import Analysis
from thetascope.vocabulary import OTHERS

PICTURE = ["picture_level", "picture_level_ci_low", "picture_level_ci_high"]
LEVEL = ["finds", "level", "level_cases_ci_low", "level_cases_ci_high", "level_q", *PICTURE]
FOUND = ["verdict", "period", "aliases", "amplitude", "amplitude_ci_low", "amplitude_ci_high"]
FOUND += ["amplitude_cases_ci_low", "amplitude_cases_ci_high", "amplitude_bound"]
FOUND += ["phase_deg", "phase_ci_low", "phase_ci_high", "p", "q", "p_without_0"]
BESIDE = ["sobel_amplitude", "random_amplitude", "others_amplitude"]
BESIDE += ["others_p", "picture_p", "canvas_q", "sham_q"]
BESIDE += ["noise_amplitude", "detectable_amplitude", "seeds_needed"]
RELIABILITY = ["reliability", "reliability_ci_low", "reliability_ci_high"]
RELIABILITY += ["sameness", "mask_sameness"]
COUNTS = ["n_angles", "n_angles_per_seed", "n_items", "n_cases", "n_seeds", "n_tests"]
COLUMNS = ["question", *KEY, *LEVEL, *FOUND, *BESIDE, *RELIABILITY, *COUNTS, "plan"]

WAVE, NO_WAVE, OPEN, UNTESTED = "wave", "no wave", "open", "not testable"
CANVAS, RESAMPLING = "canvas", "resampling"
VERDICTS = [WAVE, CANVAS, RESAMPLING, NO_WAVE, OPEN, UNTESTED]

CORNERLESS = "disc", "crop"  # canvases that lose no corner, which so can make no wave

OF_VIEWS = [column for column in KEY if column != "view"]
OF_NETWORKS = [column for column in KEY if column != "attribution"]
OF_NONE = [column for column in OF_NETWORKS if column != "model"]

ABOVE, BELOW, AT_CHANCE, UNKNOWN = "yes", "below chance", "cannot tell", "not testable"


def verdict_table(
    tables: Mapping[str, pd.DataFrame], analysis: Analysis, views: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Judge every curve of a declared question: its level, and its most significant wave.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        `oscillation` (with tests), `levels`, `noise`, `contrasts` and `reliability`.
    analysis : Analysis
        The configuration's section.
    views : mapping of str to mapping
        View → its settings.

    Returns
    -------
    DataFrame
        One row per curve of a question.

        Level: `finds` (do maps find the foreground, or probes tell pairs apart?) is `yes` or `below
        chance` where the mean score over chance differs from 0 (`level_q` ≤ 1 − confidence,
        corrected for the curves of the question), else `cannot tell`, and `not testable` with a
        single case. Beside it what of the level is owed to the own picture: that of the series
        `picture`.

        Wave: `verdict` is `wave` if at some period q ≤ 1 − confidence; `canvas` if that wave, of a
        view that loses corners, is not there in one with the canvas `disc` and differs from that
        view's (`canvas_q`);
        `resampling` if a sham view has it too and it does not differ from that (`sham_q`);
        otherwise `no wave` if at every period the upper bound is at most `smallest_effect`, or
        `open`: this design cannot tell, and `seeds_needed` says how many seeds could. It is `not
        testable` where there is no q.

        The row stands for the period of the smallest q (of several: the largest wave), and for the
        largest upper bound of all. Beside it, at the same period, the amplitudes of the Sobel
        map, which needs no network, of the random map, which knows nothing, and of the mean map of
        other cases, and p of the difference from that (`picture_p`); what noise alone gives
        and the smallest amplitude that one test at p ≤ 0.05 finds with probability 0.8; and the
        reliability and sameness of the maps. `n_tests` is the number of tests that q was corrected
        for, `plan` the digest of the analysis that was declared.
    """
    oscillation, levels = tables["oscillation"], tables["levels"]
    declared = oscillation[(oscillation["question"] != EXPLORATORY) & oscillation["resolved"]]
    waves = declared.assign(n_tests=declared.groupby("question")["p"].transform("count"))
    for name, on in (("sobel", OF_NONE), ("random", OF_NONE), (OTHERS, OF_NETWORKS)):
        baseline = oscillation[oscillation["attribution"] == name]
        names = {column: f"{name}_{column}" for column in ("amplitude", "p")}
        waves = _beside(waves, baseline, [*on, "period"], names)
    of_picture = oscillation[oscillation["series"] == "picture"]
    waves = _beside(waves, of_picture, [*KEY[:-1], "period"], {"p": "picture_p"})
    noises = tables["noise"][[*KEY, "period", "cell_sd", "noise_amplitude", "detectable_amplitude"]]
    waves = waves.merge(noises, how="left", on=[*KEY, "period"], validate="1:1")
    halves = tables["reliability"][[*reliabilities.KIND, *RELIABILITY]]
    waves = waves.merge(halves, how="left", on=reliabilities.KIND, validate="m:1")
    over_chance = levels[levels["series"] == "excess"]
    same = "level", "level_cases_ci_low", "level_cases_ci_high"
    names = dict(zip(same, same, strict=True)) | {"p": "level_p"}
    waves = _beside(waves, over_chance, KEY[:-1], names)
    of_picture = levels[levels["series"] == "picture"]
    waves = _beside(waves, of_picture, KEY[:-1], dict(zip(same, PICTURE, strict=True)))
    controls = _Controls(oscillation, tables["contrasts"], views, analysis.level)
    rows = [
        _judge(curve, controls, analysis)
        for _, curve in waves.groupby(["question", *KEY], sort=False, dropna=False)
    ]
    found = pd.DataFrame(rows, columns=[*COLUMNS, "level_p"]).assign(plan=analysis.plan)
    return _with_levels(found, analysis.level)[COLUMNS]


def _beside(
    waves: pd.DataFrame, others: pd.DataFrame, on: list[str], names: Mapping[str, str]
) -> pd.DataFrame:
    """Put columns of other curves beside waves, under new names."""
    others = others[[*on, *names]].rename(columns=names)
    return waves.merge(others, how="left", on=on, validate="m:1")


def _with_levels(rows: pd.DataFrame, level: float) -> pd.DataFrame:
    """Correct the p of levels, question by question, and say what they mean."""
    q = corrected(rows.assign(p=rows["level_p"]))["q"]
    told = np.where(rows["level"] > 0, ABOVE, BELOW)
    finds = np.where(np.isnan(q), UNKNOWN, np.where(q <= level, told, AT_CHANCE))
    return rows.assign(level_q=q, finds=finds)


def _judge(waves: pd.DataFrame, controls: _Controls, analysis: Analysis) -> dict[Any, Any]:
    """Row of the verdict on a curve, from its waves (see `verdict_table`)."""
    by_amplitude = waves["amplitude"].sort_values(ascending=False).index
    tested = waves["q"].notna().any()
    index = waves["q"][by_amplitude].idxmin() if tested else by_amplitude[0]
    best: dict[Any, Any] = waves.loc[[index]].to_dict("records")[0]
    best["amplitude_bound"] = waves["amplitude_bound"].max(skipna=False)
    best |= {"canvas_q": np.nan, "sham_q": np.nan, "seeds_needed": np.nan}
    if not tested:
        return best | {"verdict": UNTESTED}
    if best["q"] <= analysis.level:
        return best | controls.cause(best)
    if best["amplitude_bound"] <= analysis.smallest_effect:
        return best | {"verdict": NO_WAVE}
    needed = seeds_needed(
        best["n_angles_per_seed"],
        analysis.periods,
        best["cell_sd"],
        analysis.smallest_effect,
        analysis.level / best["n_tests"],
    )
    return best | {"verdict": OPEN, "seeds_needed": needed}


class _Controls:
    """What other views say about a wave of a map of R_θ x."""

    def __init__(
        self,
        oscillation: pd.DataFrame,
        contrasts: pd.DataFrame,
        views: Mapping[str, Mapping[str, Any]],
        level: float,
    ) -> None:
        pairs = contrasts[contrasts["factor"] == "view"]
        self.p = by_place(oscillation, [*KEY, "period"], "p")
        self.q = by_place(pairs, ["question", *OF_VIEWS, "period", "levels"], "q")
        # a sham is not turned, so that it shows no wave either, whatever its canvas is
        turned = {name: view["canvas"] for name, view in views.items() if not view["sham"]}
        self.discs = [name for name, canvas in turned.items() if canvas == "disc"]
        self.cornered = [name for name, canvas in turned.items() if canvas not in CORNERLESS]
        self.shams = [name for name, view in views.items() if view["sham"]]
        self.level = level

    def _other(self, wave: Mapping[Any, Any], view: str) -> tuple[float, float]:
        """P of the same wave in another view, and q of the difference; NaN if unknown."""
        own = self.p.get(place({**wave, "view": view}, [*KEY, "period"]), np.nan)
        at = place(wave, ["question", *OF_VIEWS, "period"])
        pairs = f"{wave['view']} − {view}", f"{view} − {wave['view']}"
        return own, next((self.q[(*at, pair)] for pair in pairs if (*at, pair) in self.q), np.nan)

    def cause(self, wave: Mapping[Any, Any]) -> dict[str, Any]:
        """Verdict on a wave, `canvas_q`, `sham_q`: of the first view that explains it, if any."""
        found: dict[str, Any] = {"verdict": WAVE, "sham_q": np.nan, "canvas_q": np.nan}
        if wave["input"] == "rotated":
            for view in self.shams:
                own, found["sham_q"] = self._other(wave, view)
                if own <= self.level < found["sham_q"]:
                    found["verdict"] = RESAMPLING
                    break
            for view in self.discs if wave["view"] in self.cornered else []:
                own, found["canvas_q"] = self._other(wave, view)
                if found["canvas_q"] <= self.level < own:
                    found["verdict"] = CANVAS
                    break
        return found
