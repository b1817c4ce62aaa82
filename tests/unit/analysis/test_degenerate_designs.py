"""Designs that hold less than a curve: tables, verdict, figures and explorer say what there is."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from thetascope.analysis import inference, periodogram, planner, verdict, waves
from thetascope.analysis.scores import arrange
from thetascope.analysis.tables import dice_table
from thetascope.angles import NONE, degrees, label
from thetascope.report import explorer
from thetascope.report.figures import curves
from thetascope.report.figures.style import MAP, MODELS, VIEWS

PERIODS, DRAWS, CONFIDENCE = [360, 180, 90], 9, 0.9
MAPS = [(model, MAP) for model in MODELS]
SCORED = ["dice_area", "auroc"]  # panels of other metrics stay empty
QUARTERS = [label(angle) for angle in (0, 90, 180, 270)]
EIGHTHS = [label(angle) for angle in range(0, 360, 45)]
ANALYSIS = {
    "confidence": CONFIDENCE,
    "permutations": DRAWS,
    "confirmatory": {"sweep": ["diagonal"], "series": ["excess"], "map": ["smoothgrad"]},
}


def scores(pairs, arms=(("plain", "e", "moco"),), seeds="0", scored=lambda item, theta: True):
    """Three items; each scores where `scored` says so."""
    rng = np.random.default_rng(0)
    rows = [
        ("ihc", *arm, *pair, seed, *maps, orientation, metric, item, rng.uniform(), 0.4)
        if scored(item, degrees(pair[1]))
        else ("ihc", *arm, *pair, seed, *maps, orientation, metric, item, np.nan, np.nan)
        for arm, pair, seed, maps, orientation, metric, item in product(
            arms, pairs, seeds, MAPS, VIEWS, SCORED, range(3)
        )
    ]
    keys = ["dataset", "view", "encoder", "method", "angle", "eval_angle", "seed"]
    return pd.DataFrame(
        rows, columns=[*keys, "model", "map", "orientation", "metric", "item", "value", "null"]
    )


def diagonal(angles):
    return [(angle, angle) for angle in angles]


# name → scores, angles of the curves, periods that they resolve, is there training × evaluation?
DESIGNS = {
    "one angle": (scores(diagonal(QUARTERS[:1])), QUARTERS[:1], 0, False),
    "none": (scores([(NONE, angle) for angle in QUARTERS]), QUARTERS, 1, False),
    "one run, all angles": (scores([("000.0", a) for a in EIGHTHS]), ["000.0"], 0, True),
    "two by two": (scores(product(QUARTERS[:2], repeat=2)), QUARTERS[:2], 0, True),
    "arms and seeds": (
        scores(
            diagonal(QUARTERS),
            arms=[("plain", "e", "moco"), ("disc", "f", "simclr")],
            seeds="01",
        ),
        QUARTERS,
        1,
        False,
    ),
    "no mask": (scores(diagonal(QUARTERS), scored=lambda *_: False), QUARTERS, 0, True),
    "a hole": (scores(diagonal(EIGHTHS), scored=lambda i, t: t != 90 and i < 2), EIGHTHS, 1, False),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("design", DESIGNS)
def test_all_that_is_shown_of_a_small_design(design):
    rows, angles, resolved, crossed = DESIGNS[design]
    per_item = arrange([rows])
    dice = dice_table(per_item, DRAWS, CONFIDENCE, 0)
    noise = planner.noise_table(per_item, PERIODS)
    spectrum = periodogram.periodogram_table(per_item, DRAWS, CONFIDENCE, 0)
    theta = [degrees(angle) for angle in angles]

    shown = [
        curves.oscillation_figure(dice, noise, CONFIDENCE),
        curves.polar_figure(dice, noise, CONFIDENCE),
        curves.periodogram_figure(spectrum, dice, CONFIDENCE),
    ]
    if crossed:
        shown.append(curves.factorial_figure(dice, "auroc"))
    if design == "no mask":
        for figure in shown:
            figure.draw_without_rendering()
    first = {line.get_label(): line for line in shown[0].axes[0].get_lines()}
    assert first["map of x"].get_xdata().tolist() == theta
    bars = [len(bars) for axes in shown[2].axes for bars in axes.containers if bars]
    assert set(bars) == ({resolved} if resolved else set())
    assert bool(bars) != any("resolve no period" in text.get_text() for text in shown[2].texts)

    tests = inference.period_tests(per_item, PERIODS, DRAWS, 0)
    tests = inference.false_discovery(tests, ANALYSIS["confirmatory"])
    fits = waves.oscillation_table(per_item, PERIODS, DRAWS, CONFIDENCE, 0)
    judged = verdict.verdict_table(fits.merge(tests, validate="1:1"), noise, ANALYSIS, [])
    of_diagonal = resolved and design != NONE
    arms = len(rows[["view", "encoder", "method"]].drop_duplicates())
    assert len(judged) == (arms * len(MODELS) * len(VIEWS) * len(SCORED) if of_diagonal else 0)
    interaction = inference.interaction_tests(per_item, PERIODS, DRAWS, 0)
    interaction = inference.false_discovery(interaction, ANALYSIS["confirmatory"])
    words = verdict.page(judged, interaction, ANALYSIS)
    assert ("No curve is what was declared" in words) == (not of_diagonal)

    explored = explorer.curves(dice, judged)
    assert explorer.page(explored)
    assert all(series["theta"] == theta for series in explored["series"])
