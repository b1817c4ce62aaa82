"""The verdict at a glance: what is said is what the table holds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from factories import VERDICT, analysis

from thetascope.analysis import glance
from thetascope.analysis.curves import KEY
from thetascope.analysis.planner import detectable_amplitude
from thetascope.analysis.verdict import COLUMNS

ANALYSIS = analysis(confidence=0.95, smallest_effect=0.02, periods=[360, 180, 90])
NO_BENCHMARKS = pd.DataFrame(columns=["rule", "dataset", "training", "s"])

PICTURE = {"picture_level": 0.0312}
PICTURE |= {"picture_level_ci_low": -0.0111, "picture_level_ci_high": 0.0555}


def verdicts(*rows):
    return pd.DataFrame([VERDICT | row for row in rows]).reindex(columns=COLUMNS)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("wave", "wave of 90°, amplitude 0.04"),
        ("canvas", "wave of 90° that the canvas makes, amplitude 0.04"),
        ("resampling", "wave of 90° that resampling makes, amplitude 0.04"),
        ("no wave", "no wave above 0.058"),
        ("open", "open: up to 0.058"),
        ("not testable", "not testable"),
    ],
)
def test_every_verdict_has_a_few_words_for_a_figure(verdict, words):
    assert glance.answer(pd.Series(VERDICT | {"verdict": verdict})) == words


# -- the sentence ----------------------------------------------------------------------------------


def test_the_sentence_counts_every_curve_once():
    kinds = ["wave", "open", "open", "no wave", "canvas", "not testable"]
    rows = [{"verdict": kind, "question": "turning"} for kind in kinds]
    said = glance.sentence(verdicts({}, {}, *rows))
    assert said == (
        "Curves with a wave over θ: 2 of 2 (training), 1 of 6 (turning); the others: 2 open, 1 "
        "without a wave that matters, 1 with a wave that the canvas makes, 1 not testable."
    )
    of_one = "Curves with a wave over θ: {} of 1 (training)"
    said = glance.sentence(verdicts({"verdict": "open"}))
    assert said == f"{of_one.format(0)}; the others: 1 open."
    assert glance.sentence(verdicts({})) == f"{of_one.format(1)}."
    assert "no verdict" in glance.sentence(verdicts({})[:0])


# -- the table -------------------------------------------------------------------------------------


def test_a_row_has_its_numbers_with_their_intervals_and_says_so_where_there_are_none():
    nothing = {"amplitude": np.nan, "amplitude_ci_low": np.nan, "amplitude_ci_high": np.nan}
    nothing |= {"level_cases_ci_low": np.nan, "level_cases_ci_high": np.nan}
    first, second = glance.table(
        verdicts({}, nothing | {"finds": "not testable", "input": "rotated"})
    ).to_dict("records")
    assert first == {
        **{"verdict": "wave of 90°, amplitude 0.04", "question": "training", "data set": "waves"},
        **{"model": "m", "map of": "x", "metric": "auroc"},
        **{"above chance": "yes: +0.120 [+0.070, +0.310]", "over others": "–"},
        **{"amplitude": "0.041 [0.021, 0.061]"},
    }
    assert second["map of"] == "R_θ x" and second["amplitude"] == "–"
    assert second["above chance"] == "not testable: +0.120"
    (said,) = glance.table(verdicts(PICTURE))["over others"]
    assert said == "+0.031 [-0.011, +0.056]"


def test_curves_that_differ_in_more_have_more_columns_and_stand_by_question():
    rows = [{"view": "disc"}, {"question": "turning", "series": "turning"}, {"view": "plain"}]
    table = glance.table(verdicts(*rows))
    assert table["question"].tolist() == ["training", "training", "turning"]
    assert table["view"].tolist() == ["disc", "plain", "plain"]
    assert not {"encoder", "series", "held_angle"} & set(table)  # the question tells the series


def test_the_words_that_are_explained_are_in_the_table_or_in_its_answers():
    rows = verdicts(PICTURE, {"verdict": "no wave"}, {"verdict": "open"})
    explained = glance.words(rows, ANALYSIS)
    assert len(explained) == 9
    table = glance.table(rows)
    shown = " ".join([*table, *table["verdict"], *table["above chance"]])
    assert all(word in shown for word in explained)
    assert "95 % confidence" in explained["no wave above"] and "0.02" in explained["no wave above"]
    assert "80 % confidence" in glance.words(rows, analysis(confidence=0.8))["no wave above"]


def test_metrics_are_explained_where_they_are_shown():
    def said(*metrics):
        return glance.words(verdicts(*({"metric": name} for name in metrics)), ANALYSIS)

    assert said("auroc")["metric"].startswith("auroc is 1") and ";" not in said("auroc")["metric"]
    assert said("cka", "auroc")["metric"].split("; ")[1].startswith("cka is 1")
    assert "metric" not in said("deletion") and "wave" in said("deletion")


# -- the next step ---------------------------------------------------------------------------------


def step(noise, *rows, benchmarks=NO_BENCHMARKS):
    shown = verdicts(*rows)
    floors = shown[KEY].assign(cell_sd=noise)
    return glance.next_step(shown, floors, benchmarks, ANALYSIS)


def smallest(angles, seeds, noise, level):
    """Amplitude that such a design finds."""
    theta = np.repeat(np.arange(angles)[:, None] * 360 / angles, seeds, axis=1)
    return detectable_amplitude(theta, [360, 180, 90], noise, level=level).max()


def test_the_next_step_finds_the_smallest_effect_and_no_smaller_design_does():
    sds = [0.01, 0.03, 0.5]
    names = [{"verdict": "open", "dataset": name, "n_seeds": 1, "n_tests": 9} for name in "abc"]
    said = step(sds, *names)
    angles, seeds = int(said.split()[3]), int(said.split(") and ")[1].split()[0])
    level = 0.05 / 9
    assert smallest(angles, seeds, 0.03, level) <= 0.02 < smallest(angles, seeds - 1, 0.03, level)
    assert f"step: {360 // angles}}}" in said and f"stop: {360 - 360 // angles}," in said
    assert "at least half of the 3 open curves" in said
    assert f"{angles * seeds} runs of every arm." in said


@pytest.mark.parametrize("noise", [0.03, 9.0])
def test_the_next_step_says_where_test_cases_are_few(noise):
    for cases, said in ([9, 8], False), ([9, 3], True):
        rows = [{"verdict": "open", "dataset": name} for name in "ab"]
        rows = [row | {"n_cases": n} for row, n in zip(rows, cases, strict=True)]
        assert ("fewest test cases of a curve are 3:" in step(noise, *rows)) == said


def test_the_design_has_the_fewest_runs_for_open_curves_and_their_strictest_test():
    """At this noise 24 runs are enough at 24 angles and not at 12; 24 may have been run already."""
    assert smallest(24, 1, 0.0179, 0.2 / 9) <= 0.02 < smallest(12, 2, 0.0179, 0.2 / 9)
    section = replace(ANALYSIS, confidence=0.8)
    designs = {1: ("24 angles", "stop: 345", "and 1 seed."), 2: ("12 angles", "and 3 seeds.")}
    for seeds, words in designs.items():
        curves = [{"n_tests": 3, "n_seeds": seeds}, {"n_tests": 9, "n_seeds": 1}]
        curves = [{"verdict": "open", "dataset": f"d{i}"} | one for i, one in enumerate(curves)]
        curves.append(curves[1] | {"dataset": "d2"})
        shown = verdicts(*curves, {"dataset": "of a wave", "n_tests": 99, "n_angles_per_seed": 72})
        floors = shown[KEY].assign(cell_sd=[0.5, 0.0179, 0.001, 0.5])
        said = glance.next_step(shown, floors, NO_BENCHMARKS, section)
        assert all(word in said for word in (*words, "half of the 3 open curves"))


def test_time_is_what_the_jobs_took_and_is_not_said_if_nothing_was_measured():
    rows = [{"verdict": "open", "n_seeds": 1}]
    arms = [{"dataset": name, "view": "v", "encoder": "e", "method": "m"} for name in "ab"]
    jobs = [
        {**arm, "rule": rule, "training": "fixed", "s": seconds}
        for arm in arms
        for rule, seconds in (("pretrain", 10.0), ("saliency", 30.0), ("score", 20.0))
    ]
    other = [arms[0] | {"rule": "pretrain", "training": "none", "s": 1e6}]
    said = step(0.03, *rows, benchmarks=pd.DataFrame(jobs + other))
    runs = int(said.split("That is ")[1].split()[0])
    for minutes, words in (89.4, "89 minutes"), (90.6, "1.5 hours"):
        longer = [job | {"s": job["s"] * minutes / (2 * runs)} for job in jobs]
        said = step(0.03, *rows, benchmarks=pd.DataFrame(longer + other))
        assert f"together about {words} of jobs" in said
    assert "minutes" not in step(0.03, *rows) and "hours" not in step(0.03, *rows)


@pytest.mark.parametrize(
    ("rows", "noise", "words"),
    [
        ([{"verdict": "open"}], np.nan, "more test cases"),
        ([{"verdict": "open"}], 9.0, "more test cases"),
        ([{"verdict": "not testable"}], 0.1, "too few for a test"),
        ([], 0.1, "too few for a test"),
        ([{"verdict": "no wave"}, {}], 0.1, "Nothing is open"),
    ],
)
def test_what_no_number_of_seeds_can_tell_is_not_promised(rows, noise, words):
    assert words in glance.next_step(
        verdicts(*rows) if rows else verdicts({})[:0],
        verdicts({})[KEY].assign(cell_sd=noise),
        NO_BENCHMARKS,
        ANALYSIS,
    )
