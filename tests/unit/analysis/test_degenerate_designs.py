"""Designs that hold less than a curve: tables, verdict, figures and explorer say what there is."""

import io
from itertools import product

import numpy as np
import pandas as pd
import pytest
from factories import analysis, curves_of, reliability_rows, score_rows

from thetascope.analysis import (
    contrasts,
    downstream,
    inference,
    oscillation,
    periodogram,
    planner,
    signatures,
    statements,
    together,
    verdict,
)
from thetascope.analysis.scores import arrange
from thetascope.analysis.tables import dice_table
from thetascope.files import read_table, write_table
from thetascope.report import explorer
from thetascope.report.figures import curves
from thetascope.report.figures.forest import forest_figure
from thetascope.report.figures.periods import factorial_figure, periodogram_figure
from thetascope.report.figures.specification import specification_figure
from thetascope.report.figures.style import INPUTS, MODELS
from thetascope.report.pages import table_page, verdict_page
from thetascope.vocabulary import ARM, ATTRIBUTION

MEASURES = ["value", "chance", "own_cut"]
VIEWS = {name: {"canvas": name, "sham": False} for name in ("plain", "disc")}
SCORED = ["dice_area", "auroc"]
QUARTERS = [0.0, 90.0, 180.0, 270.0]
EIGHTHS = [float(angle) for angle in range(0, 360, 45)]
QUESTION = {"sweep": ["diagonal"], "series": ["excess"], "attribution": ["smoothgrad"]}
ANALYSIS = analysis(
    periods=[360, 180, 90], permutations=9, bootstrap=9, questions={"main": QUESTION}
)


def scores(angles, seeds=1, unscored=lambda rows: rows["seed"] < 0, **names):
    """Three items of both models; those without a score have no chance either."""
    maps = [(model, ATTRIBUTION) for model in MODELS]
    names = {"input": list(INPUTS), "metric": SCORED} | names
    rows = score_rows(angles, 0.0, seeds=seeds, items=3, maps=maps, **names)
    rows[MEASURES] = np.random.default_rng(0).uniform(size=(len(rows), 3))
    rows.loc[unscored(rows), MEASURES] = np.nan
    rows.loc[rows["input"] == "original", "own_cut"] = np.nan
    return rows


# name → scores, angles of the curves, periods that they resolve, is there training × evaluation?
DESIGNS = {
    "one angle": (scores([0]), [0], 0, False),
    "none": (scores([("none", angle) for angle in QUARTERS]), QUARTERS, 1, False),
    "one run, all angles": (scores([(0, a) for a in EIGHTHS]), [0], 0, True),
    "two by two": (scores([*product(QUARTERS[:2], repeat=2)]), QUARTERS[:2], 0, True),
    "seen at 0 and 90 alone": (scores([*product(QUARTERS, [0, 90])]), QUARTERS, 1, True),
    "seeds": (scores(QUARTERS, seeds=2, view=["plain", "disc"]), QUARTERS, 1, False),
    "no mask": (scores(QUARTERS, unscored=lambda rows: rows["seed"] >= 0), QUARTERS, 0, True),
    "a hole": (
        scores(EIGHTHS, unscored=lambda r: (r["eval_angle"] == 90) | (r["item"] == "i2")),
        EIGHTHS,
        1,
        False,
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("design", DESIGNS)
def test_all_that_is_shown_of_a_small_design(design, tmp_path):
    rows, theta, resolved, crossed = DESIGNS[design]

    def stored(name, table):
        """The table as the next rule reads it, where types may be those of an empty column."""
        write_table(table, tmp_path / f"{name}.csv", {})
        return read_table(tmp_path / f"{name}.csv")

    found = curves_of(rows)
    periods, tests, confidence = ANALYSIS.periods, ANALYSIS.tests, ANALYSIS.confidence
    dice = stored("dice", dice_table(arrange([rows]), ANALYSIS.intervals))
    halves = reliability_rows(model=list(MODELS), input=list(INPUTS), view=["plain", "disc"])
    reliability = stored("reliability", halves)
    noise = stored("noise", planner.noise_table(found, periods))
    spectrum = periodogram.periodogram_table(found, tests, confidence)
    spectrum = stored("periodogram", spectrum)

    tested = inference.period_tests(found, periods, tests)
    tested = inference.false_discovery(tested, ANALYSIS.questions)
    fits = oscillation.oscillation_table(found, periods, confidence)
    tables = {
        "oscillation": fits.merge(tested, validate="1:1"),
        "levels": oscillation.levels_table(found, periods, confidence),
        "contrasts": contrasts.contrast_table(found, ANALYSIS),
        "phases": contrasts.phase_table(found, tested, ANALYSIS, {}),
        "pooled": together.pooled_table(found, ANALYSIS),
        "questions": together.questions_table(found, ANALYSIS),
    }
    metrics = stored("metrics", together.metrics_table(found, ANALYSIS))
    stored("signatures", signatures.signature_table(found, ANALYSIS))
    stored("peaks", oscillation.peaks_table(found, tested, ANALYSIS.level))
    tables = {name: stored(name, table) for name, table in tables.items()}
    none = pd.DataFrame(columns=["rule", *ARM, "training", "s"])
    tables |= {"noise": noise, "reliability": reliability, "benchmarks": none}
    judged = stored("verdict", verdict.verdict_table(tables, ANALYSIS, VIEWS))
    of_diagonal = resolved and design not in ("none", "seen at 0 and 90 alone")
    arms = len(rows[["view", "encoder", "method"]].drop_duplicates())
    assert len(judged) == (arms * len(MODELS) * len(INPUTS) * len(SCORED) if of_diagonal else 0)

    scored = {"dice": dice, "noise": noise, "reliability": reliability, "verdict": judged}
    shown = [
        periodogram_figure(spectrum, dice, [360], confidence),
        curves.oscillation_figure(scored, confidence),
        specification_figure(judged, tables["oscillation"], metrics, ANALYSIS),
    ]
    if crossed:
        shown.append(factorial_figure(dice, "auroc"))
    if design == "no mask":
        for figure in shown:
            figure.draw_without_rendering()
    first = {line.get_label(): line for line in shown[1].axes[0].get_lines()}
    assert first["map of x"].get_xdata().tolist() == theta
    assert ("no curve" in shown[1].get_suptitle()) == (len(theta) < 3)
    bars = [len(bars) for axes in shown[0].axes for bars in axes.containers if bars]
    assert set(bars) == ({resolved} if resolved else set())
    assert bool(bars) != any("resolve no" in text.get_text() for text in shown[0].texts)

    words = statements.page(judged, tables, ANALYSIS)
    assert ("No curve is what was declared" in words) == (not of_diagonal)
    assert stored("downstream", downstream.downstream_table(found, tests)).empty
    assert "<td>" in table_page(tables["oscillation"], "oscillation", {}) or not of_diagonal
    forest = io.StringIO()
    forest_figure(judged, ANALYSIS).savefig(forest, format="svg")
    assert verdict_page(words, judged, forest.getvalue(), {})

    explored = explorer.curves(dice, judged, reliability, ANALYSIS.level)
    assert explorer.page({"series": explored})
    assert all(series["theta"] == theta for series in explored)
