"""The verdict in words: each sentence where it is true, and nowhere else."""

import numpy as np
import pandas as pd
import pytest
from factories import VERDICT as ROW
from factories import analysis

from thetascope.analysis import glance
from thetascope.analysis.statements import finding, page
from thetascope.analysis.verdict import COLUMNS

QUESTIONS = {
    "training": {"model": ["m"], "series": ["excess"]},
    "turning": {"model": ["m"], "series": ["turning"]},
}
ANALYSIS = analysis(confidence=0.95, questions=QUESTIONS, smallest_effect=0.02)


def say(level=0.05, **changes):
    return finding(pd.Series(ROW | changes), level)


def test_a_wave_has_its_size_crest_and_aliases():
    assert say() == (
        "It finds the foreground (+0.120 [+0.070, +0.310] over chance). Wave of 0.041 [0.021, "
        "0.061] at period 90°, p = 0.0012, q = 0.0096. Crest at 12° [3°, 24°]. On this grid waves "
        "of 45, 22.5 degrees look the same."
    )


@pytest.mark.parametrize(
    ("finds", "words"),
    [
        ("below chance", "It looks away from the foreground (+0.120"),
        ("cannot tell", "Whether it finds the foreground is open (+0.120"),
        ("not testable", "Wave of"),
    ],
)
def test_levels_have_words_of_their_own(finds, words):
    assert say(finds=finds).startswith(words)


@pytest.mark.parametrize(("finds", "said"), [("yes", True), ("below chance", False)])
def test_what_is_over_maps_of_other_cases_stands_beside_a_level_above_chance(finds, said):
    interval = {"picture_level_ci_low": -0.0111, "picture_level_ci_high": 0.0555}
    words = say(finds=finds, picture_level=0.0312, **interval)
    over = "It has +0.031 [-0.011, +0.056] over the mean map of other cases."
    assert (f"over chance). {over} Wave" in words) == said
    assert "other cases" not in say(finds=finds)


@pytest.mark.parametrize(
    ("p", "of_picture", "said"),
    [(0.01, 0.2, True), (0.01, 0.05, False), (0.06, 0.2, False), (np.nan, np.nan, False)],
)
def test_a_wave_that_maps_of_other_cases_have_too_is_called_so(p, of_picture, said):
    words = say(others_p=p, picture_p=of_picture, others_amplitude=0.0234)
    expected = "other cases has it too, 0.023 (p of the difference: 0.2): it may lie"
    assert (expected in words) == ("has it too" in words) == said
    at_another = say(level=0.1, others_p=0.07, picture_p=0.2, others_amplitude=0.0234)
    assert expected in at_another


OF_PAIRS = "tells pairs apart", "tells pairs apart less often than a guess would"


@pytest.mark.parametrize(
    ("metric", "yes", "no"),
    [
        ("probe_accuracy", *OF_PAIRS),
        ("perceptron_accuracy", *OF_PAIRS),
        ("cka", "is above chance", "is below chance"),
        ("equivariance", "is above chance", "is below chance"),
    ],
)
def test_what_meets_no_mask_finds_no_foreground(metric, yes, no):
    assert say(metric=metric).startswith(f"It {yes} (+0.120")
    assert say(metric=metric, finds="below chance").startswith(f"It {no} (+0.120")
    assert say(metric=metric, finds="cannot tell").startswith(f"Whether it {yes} is open (+0.120")


def test_no_wave_and_open_say_what_could_have_been_missed():
    assert "No wave above 0.058." in say(verdict="no wave")
    words = say(verdict="open", seeds_needed=7.0)
    assert "Open: there may be a wave of up to 0.058." in words
    assert "The largest candidate is 0.041 [0.021, 0.061] at period 90°" in words
    assert "7 seeds at as many angles could tell." in words
    assert "could tell" not in say(verdict="open")
    assert "Not testable (12 angles, 3 seeds, 5 cases)." in say(verdict="not testable")
    for sweep, cases, too_few in ("eval", 7, True), ("eval", 8, False), ("diagonal", 7, False):
        words = say(verdict="not testable", sweep=sweep, n_cases=cases)
        assert ("A test of one model seen from all angles takes 8 cases." in words) == too_few


def test_what_else_made_a_wave_is_named():
    assert "Canvas of 0.041" in say(verdict="canvas")
    assert "which has no corners: the canvas makes it" in say(verdict="canvas")
    assert "resampled and not turned, has it too" in say(verdict="resampling")
    assert "It rests on θ = 0: without it p = 0.2." in say(p_without_0=0.2)
    assert "rests on" not in say(p_without_0=np.nan)
    assert "rests on" not in say(p_without_0=0.07, level=0.1)
    assert "rests on" in say(p_without_0=0.03, level=0.01)


@pytest.mark.parametrize(
    ("period", "input_", "sham_q", "named"),
    [
        *((90, "rotated", np.nan, True), (45, "rotated", np.nan, True)),
        *((30, "rotated", np.nan, True), (180, "rotated", np.nan, False)),
        *((60, "rotated", np.nan, False), (90, "original", np.nan, False)),
        (90, "rotated", 0.01, False),
    ],
)
def test_resampling_is_named_where_no_sham_could_rule_it_out(period, input_, sham_q, named):
    words = say(period=period, input=input_, sham_q=sham_q)
    assert ("resampling alone can do this, and no sham view was run" in words) == named


@pytest.mark.parametrize(("reliability", "noisy"), [(0.49, True), (0.5, False), (np.nan, False)])
def test_maps_that_are_mostly_noise_are_called_so_whatever_was_found(reliability, noisy):
    for verdict in "wave", "no wave", "open", "not testable":
        words = say(verdict=verdict, reliability=reliability)
        warned = "the map is mostly noise (reliability 0.49): raise `saliency.samples`" in words
        assert warned == noisy


@pytest.mark.parametrize(
    ("sameness", "of_masks", "warned"),
    [
        *((0.71, 0.1, True), (0.71, np.nan, True), (0.7, 0.1, False), (np.nan, 0.1, False)),
        *((0.9, 0.95, False), (0.95, 0.9, True)),  # lungs are where lungs are
    ],
)
def test_maps_that_are_the_same_for_all_pictures_are_called_so(sameness, of_masks, warned):
    for verdict in "wave", "no wave", "open", "not testable":
        words = say(verdict=verdict, sameness=sameness, mask_sameness=of_masks)
        said = f"much the same (sameness {sameness:.2f}, that of the masks {of_masks:.2f})" in words
        assert said == warned == ("show the network" in words)


# -- the page --------------------------------------------------------------------------------------


def tables(**given):
    contrast = {"question": "training", "factor": "dataset", "levels": "a, b", "model": "m"}
    contrast |= {"metric": "auroc", "period": 90.0, "q": 0.011}
    crest = {"question": "turning", "first": "a", "second": "b", "first_phase": 10.0}
    crest |= {"second_phase": 40.0, "period": 90.0, "q": 0.3}
    joint = {"question": ["training", "turning"], "p_any_curve": [0.004, 0.6]}
    return {
        "contrasts": pd.DataFrame([contrast | {"q": q} for q in (np.nan, 0.02, 0.011)]).assign(
            levels=["a, c", "b, c", "a, b"]
        ),
        "phases": pd.DataFrame([crest | {"q": 0.4, "first": "c"}, crest]),
        "questions": pd.DataFrame(joint),
        "noise": pd.DataFrame([ROW | {"cell_sd": 0.02}]),
        "benchmarks": pd.DataFrame(columns=["rule", "training", "s"]),
    } | given


def verdicts(*rows):
    return pd.DataFrame([ROW | row for row in rows]).reindex(columns=COLUMNS)


def test_the_page_opens_with_a_sentence_a_table_a_figure_its_words_and_a_next_step():
    rows = [{}, {"verdict": "open"}, {"verdict": "open", "question": "turning", "finds": "no"}]
    shown = verdicts(*rows)
    text = page(shown, tables(), ANALYSIS)
    head = text[: text.index("## Question by question")]
    blocks = head.strip().split("\n\n")
    assert blocks[:2] == ["# Does it oscillate with θ?", f"**{glance.sentence(shown)}**"]
    lines = blocks[2].splitlines()
    assert lines[0].startswith("| verdict | question | data set |")
    assert lines[2] == "| " + " | ".join(glance.table(shown).iloc[0]) + " |"
    assert len(lines) == 2 + 3
    assert blocks[3].endswith("(../plots/forest.svg)")
    assert len(blocks[4].splitlines()) == len(glance.WORDS)
    assert blocks[5].startswith("To learn more: ")


def test_a_bar_in_a_name_makes_no_column():
    lines = page(verdicts({"dataset": "a|b"}), tables(), ANALYSIS).splitlines()
    (line,) = (line for line in lines if "a\\|b" in line)
    columns = len(glance.table(verdicts({})).columns)
    assert line.replace("\\|", "").count("|") == 1 + columns


def test_the_questions_have_one_table():
    rows = [{}, {"verdict": "open"}, {"verdict": "open", "question": "turning", "finds": "no"}]
    text = page(verdicts(*rows), tables(), ANALYSIS)
    lines = text[text.index("## Question by question") :].splitlines()
    assert lines[2] == "| question | curves | above chance | wave | open | p of any wave |"
    assert lines[4] == "| training | 2 | 2 | 1 | 1 | 0.004 |"
    assert lines[5] == "| turning | 1 | 0 | 0 | 1 | 0.6 |"
    assert ANALYSIS.plan in text and "A wave below 0.02 would not matter" in lines[7]


def test_the_page_answers_question_by_question():
    said = page(verdicts({}, {"question": "turning", "dataset": "flat"}), tables(), ANALYSIS)
    first, second = (said.index(f"## Question {name}: ") for name in QUESTIONS)
    of_training, of_turning = said[first:second], said[second:]
    assert "does the score over chance change with θ?" in of_training
    assert "turning the image did, beyond cutting" in of_turning
    assert "Curves: model m, series excess." in of_training
    assert "### waves · plain · e · moco" in of_training and "### flat" in of_turning
    assert "- **m, original, auroc**: It finds the foreground" in of_training
    shapes = "They do: the smallest q of 2 tests is 0.011 (a, b; m, auroc, period 90°)."
    assert f"different data sets differ in shape? {shapes}" in of_training
    assert "differ in shape" not in of_turning
    assert "crest at the same angle" not in of_training
    crests = "the smallest q is 0.3 (a and b: 10° and 40°, period 90°)."
    assert f"Of 2 pairs they cannot be told apart: {crests}" in said


def test_curves_of_one_question_that_differ_in_more_have_names_of_their_own():
    held = [{"sweep": "train", "held_angle": angle} for angle in (30.0, 60.0)]
    said = page(verdicts({}, *held), tables(), ANALYSIS)
    for names in "diagonal", "train, 30.0", "train, 60.0":
        assert said.count(f"- **{names}, m, original, auroc**: ") == 1


def test_differences_that_are_not_there_are_not_claimed():
    contrasts = tables()["contrasts"].assign(q=0.2)
    phases = tables()["phases"].assign(q=0.01)
    said = page(verdicts({}), tables(contrasts=contrasts, phases=phases), ANALYSIS)
    assert "differ in shape? They cannot be told apart" in said
    assert "Of 2 pairs some do not" in said


@pytest.mark.parametrize(("confidence", "told"), [(0.9, False), (0.8, True)])
def test_the_page_is_at_the_level_of_the_confidence(confidence, told):
    weak = {name: tables()[name].assign(q=0.15) for name in ("contrasts", "phases")}
    section = analysis(confidence=confidence, questions=QUESTIONS)
    said = page(verdicts({"p_without_0": 0.15}), tables(**weak), section)
    assert ("It rests on θ = 0" in said) == (not told)
    assert ("differ in shape? They do" in said) == told
    assert ("Of 2 pairs some do not" in said) == told


def test_a_question_that_no_curve_answers_says_so():
    said = page(verdicts({}), tables(), ANALYSIS)
    assert said.count("No curve is what was declared: too few angles, or other names.") == 1
    assert "| turning | 0 | 0 | 0 | 0.6 |" in said


def test_a_question_of_another_series_has_no_words_but_its_name():
    section = analysis(questions={"own": {"series": ["value"], "metric": ["auroc"]}})
    said = page(verdicts()[:0], tables(), section)
    assert "| question | curves | above chance | p of any wave |\n|" in said
    assert "\n| own | 0 | 0 | – |\n" in said
    assert "\n## Question own\n\nCurves: series value, metric auroc.\n" in said
