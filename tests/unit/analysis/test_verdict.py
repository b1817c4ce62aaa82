"""The verdict says what the tables hold, and no more."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from factories import FINE, PERIODS, analysis, of, reliability_rows, score_rows, wave

from thetascope.analysis import inference, planner, verdict, waves
from thetascope.analysis.scores import arrange

QUESTIONS = {
    "training": {"model": ["m"], "input": ["original"], "series": ["excess"]},
    "turning": {"model": ["m"], "input": ["rotated"], "series": ["turning"]},
}
ANALYSIS = analysis(confidence=0.95, permutations=499, questions=QUESTIONS)
SETS, VIEWS, INPUTS = ["waves", "flat", "d"], ["plain", "sham"], ["original", "rotated"]
RELIABILITY = reliability_rows(dataset=SETS, view=VIEWS, model="m", input=INPUTS)


def scores(curve, dataset, noise=0.01, seed=0, chance=0.5, own_cut=0.3, angles=FINE, **names):
    """Three runs at every angle, whose four items share a run's noise; maps of x have no cut."""
    rng = np.random.default_rng(seed)
    runs = curve[:, None] + noise * rng.normal(size=(len(curve), 3))
    value = runs[..., None] + 0.001 * rng.normal(size=(*runs.shape, 4))
    names = {"model": "m", "input": "rotated", "dataset": dataset} | names
    if names["input"] == "original":
        own_cut = np.nan
    return score_rows(angles, value, chance, own_cut, seeds=3, items=4, **names)


def cosine(amplitude, period, phase=0.0):
    return 0.6 + wave(FINE, amplitude, period, phase)


def tables_of(rows, section=ANALYSIS):
    """Oscillation with tests, noise and interaction."""
    per_item = arrange(rows)
    tests = inference.period_tests(per_item, PERIODS, section.tests)
    tests = inference.false_discovery(tests, section.questions)
    amplitudes = waves.oscillation_table(per_item, PERIODS, section.intervals)
    interaction = inference.interaction_tests(per_item, PERIODS, section.tests)
    interaction = inference.false_discovery(interaction, section.questions)
    noise = planner.noise_table(per_item, PERIODS)
    return amplitudes.merge(tests, validate="1:1"), noise, interaction


def judged(oscillation, noise, section=ANALYSIS, shams=(), reliability=RELIABILITY):
    return verdict.verdict_table(oscillation, noise, reliability, section, shams)


@pytest.fixture(scope="module")
def tables():
    sobel, random = (
        {"model": "baseline", "attribution": name, "noise": 0} for name in ("sobel", "random")
    )
    return tables_of(
        [
            # of R_θ x: the score swings by 0.1, of which the own cut does 0.03
            scores(cosine(0.1, 90), "waves", own_cut=cosine(0.03, 90)),
            scores(cosine(0.04, 90), "waves", view="sham", seed=2),
            scores(cosine(0.05, 90), "waves", **sobel),
            scores(cosine(0.02, 90), "waves", **random),
            # of x
            scores(cosine(0.08, 180), "waves", seed=3, input="original"),
            scores(cosine(0.015, 180), "waves", input="original", **sobel),
            # chance alone swings
            scores(cosine(0, 180), "flat", seed=5),
            scores(cosine(0.1, 90), "flat", seed=6, chance=cosine(0.1, 90), input="original"),
        ]
    )


def row_of(table, **names):
    (row,) = of(table, **names).to_dict("records")
    return row


def test_effects_are_found_and_stand_beside_what_else_could_have_made_them(tables):
    table = judged(*tables[:2], shams=["sham"])
    row = row_of(table, dataset="waves", view="plain", question="turning")
    assert (row["verdict"], row["series"], row["period"]) == ("effect", "turning", 90)
    assert row["amplitude"] == pytest.approx(0.07, abs=0.01)
    assert row["sobel_amplitude"] == pytest.approx(0.05, abs=0.001)
    assert row["sham_amplitude"] == pytest.approx(0.04, abs=0.01)
    assert row["random_amplitude"] == pytest.approx(0.02, abs=0.001)
    assert row["noise_amplitude"] < 0.01
    row = row_of(table, dataset="waves", question="training")
    assert (row["verdict"], row["series"], row["period"]) == ("effect", "excess", 180)
    assert row["amplitude"] == pytest.approx(0.08, abs=0.01)
    assert row["sobel_amplitude"] == pytest.approx(0.015, abs=0.001)
    assert np.isnan([row["random_amplitude"], row["sham_amplitude"]]).all()
    for question in QUESTIONS:
        row = row_of(table, dataset="flat", question=question)
        assert row["verdict"] == "nothing found"
        assert 0 < row["detectable_amplitude"] < 0.02


def page_of(tables, shams=(), section=ANALYSIS, reliability=RELIABILITY):
    table = judged(*tables[:2], section, shams, reliability)
    return verdict.page(table, tables[2], section)


def test_the_page_answers_question_by_question(tables):
    page = page_of(tables, ["sham"])
    first, second = (page.index(f"## Question {name}: ") for name in QUESTIONS)
    assert first < second
    assert "does the score over chance change with θ?" in page[first:second]
    assert "turning the image did, beyond cutting" in page[second:]
    assert "Curves: model m, input original, series excess." in page[first:second]
    of_training, of_turning = page[first:second], page[second:]
    assert "sham" not in of_training  # which has no maps of x
    of_waves = of_turning[of_turning.index("### waves · plain") :]
    of_waves = of_waves[: of_waves.index("### waves · sham")]
    assert "An effect in 1 of 1 curves." in of_waves
    assert "- **m, rotated, auroc**: an effect, 0.0" in of_waves
    assert "at period 90°" in of_waves
    assert "a Sobel map, without any network 0.050, a random map 0.020, the sham rotation 0.0" in (
        of_waves
    )
    for part in of_training, of_turning:
        of_flat = part[part.index("### flat") : part.index("### waves")]
        assert "An effect in 0 of 1 curves." in of_flat
        assert "nothing found" in of_flat
        assert "One test, not corrected, finds about 0.0" in of_flat
        assert "Do the data sets differ? They do: the smallest q" in part
    assert ANALYSIS.plan in page


def test_resampling_is_named_where_maps_are_turned_back_by_a_part_of_90_degrees(tables):
    table = judged(*tables[:2], shams=["sham"])
    row = of(table, dataset="waves", view="plain", question="turning").iloc[0]
    for period, input_, named in (
        *((90, "rotated", True), (45, "rotated", True), (30, "rotated", True)),
        *((180, "rotated", False), (60, "rotated", False), (90, "original", False)),
    ):
        words = verdict.finding(pd.Series({**row, "period": period, "input": input_}))
        assert ("resampling alone can do this" in words) == named, (period, input_)


def test_that_no_sham_view_was_run_is_said_of_maps_that_were_turned(tables):
    for shams, said in ([], True), (["sham"], False):
        table = judged(*tables[:2], shams=shams)
        rows = of(table, dataset="waves", view="plain").set_index("question")
        words = {name: verdict.finding(row) for name, row in rows.iterrows()}
        assert ("No sham view was run" in words["turning"]) == said
        assert "No sham view" not in words["training"]


@pytest.mark.parametrize(
    ("permutations", "missing"),
    [(158, [159, 239]), (159, [239]), (238, [239]), (239, [])],
)
def test_too_few_permutations_for_a_lone_effect_are_named(tables, permutations, missing):
    table = judged(*tables[:2])
    # of four periods each: curves of two sets, and of three sets and views
    assert table.groupby("question")["n_tests"].unique().map(list).to_dict() == {
        **{"training": [8], "turning": [12]}
    }
    page = page_of(tables, section=replace(ANALYSIS, permutations=permutations))
    # the smallest p, 1 / (permutations + 1), times 8 or 12
    said = [n for n in (159, 239) if f"`analysis.permutations` would have to be {n}." in page]
    assert said == missing


def test_what_cannot_be_tested_is_called_so(tables):
    oscillation = tables[0].assign(p=np.nan, p_max=np.nan, q=np.nan)
    table = judged(oscillation, tables[1])
    assert set(table["verdict"]) == {"not testable"}
    # by the largest wave
    assert row_of(table, dataset="waves", question="training")["period"] == 180
    page = verdict.page(table, tables[2].assign(q=np.nan), ANALYSIS)
    assert "no valid test (24 angles, 3 seeds)" in page
    assert "Do the data sets differ? Not testable" in page


def test_nothing_declared_is_met(tables):
    for question in QUESTIONS:
        oscillation = tables[0].copy()
        asked = oscillation["question"] == question
        oscillation.loc[asked, "question"] = "exploratory"
        table = judged(oscillation, tables[1])
        assert set(table["question"]) == set(QUESTIONS) - {question}
        page = verdict.page(table, tables[2], ANALYSIS)
        of_it = page[page.index(f"## Question {question}") :].split("Do the data sets differ?")[0]
        assert "No curve is what was declared" in of_it
        assert page.count("No curve is what was declared") == 1


def test_a_question_of_another_series_has_no_words_but_its_name(tables):
    section = replace(ANALYSIS, questions={"own": {"series": ["value"], "metric": ["auroc"]}})
    page = verdict.page(judged(*tables[:2], section).iloc[:0], tables[2], section)
    assert "\n## Question own\n\nCurves: series value, metric auroc.\n" in page


# -- the right number from the right row -----------------------------------------------------------


def test_all_numbers_of_a_row_are_of_its_own_curve_and_period():
    """Value, excess and turning, of x and of R_θ x, that differ in amplitude and in p."""
    series = {"noise": 0.09, "chance": cosine(0.02, 90), "own_cut": cosine(0.03, 90, 50)}
    rows = [
        scores(cosine(0.012, 90, 12), "d", **series),
        scores(cosine(0.015, 90, 30), "d", **series, seed=1, input="original"),
    ]
    oscillation, noise, _ = tables_of(rows)
    table = judged(oscillation, noise)
    assert len(table) == 2
    for question, asked in QUESTIONS.items():
        row = row_of(table, question=question)
        place = {"input": asked["input"][0], "series": asked["series"][0]}
        at = {"sweep": "diagonal", "period": row["period"], **place}
        assert {column: row[column] for column in at} == at
        own = ["amplitude", "amplitude_ci_low", "amplitude_ci_high", "phase_deg", "p", "q"]
        own += ["n_angles", "n_items", "n_seeds"]
        found = row_of(oscillation, **at)
        assert {column: row[column] for column in own} == {column: found[column] for column in own}
        assert row["n_tests"] == 4 and row["plan"] == ANALYSIS.plan
        of_noise = row_of(noise, **at)
        for column in "noise_amplitude", "detectable_amplitude":
            assert row[column] == of_noise[column] > 0
        halves = row_of(RELIABILITY, dataset="d", view="plain", input=place["input"])
        for column in "reliability", "reliability_ci_low", "reliability_ci_high":
            assert row[column] == halves[column]
    waves_ = oscillation.query("period == 90 and series != 'chance'")
    assert len(waves_) == waves_["amplitude"].nunique() == 5
    assert (table[["p", "q", "amplitude", "reliability"]].nunique() == 2).all()


def test_the_smallest_q_decides_and_of_several_the_largest_wave(tables):
    oscillation = tables[0].copy()
    own = (oscillation["dataset"] == "waves") & (oscillation["question"] == "training")
    by_period = oscillation.loc[own, "period"]
    amplitude = {360: 0.2, 180: 0.1, 120: 0.4, 90: 0.3}
    oscillation.loc[own, "amplitude"] = by_period.map(amplitude)
    for q, period in (
        ({360: 0.03, 180: 0.02, 120: 0.9, 90: 0.04}, 180),
        ({360: 0.03, 180: 0.03, 120: 0.9, 90: 0.04}, 360),
        ({360: 0.03, 180: 0.03, 120: 0.9, 90: 0.03}, 90),
        ({360: np.nan, 180: 0.03, 120: np.nan, 90: 0.04}, 180),
    ):
        oscillation.loc[own, "q"] = by_period.map(q)
        row = row_of(judged(oscillation, tables[1]), dataset="waves", question="training")
        assert (row["period"], row["amplitude"]) == (period, amplitude[period])
        assert row["verdict"] == "effect"


def test_the_level_is_that_of_the_confidence(tables):
    oscillation, noise, interaction = tables
    waves_ = oscillation["dataset"] == "waves"
    doubtful = oscillation.assign(q=oscillation["q"].mask(waves_, 0.15))
    for confidence, verdict_ in (0.9, "nothing found"), (0.8, "effect"):
        section = replace(ANALYSIS, confidence=confidence)
        table = judged(doubtful, noise, section)
        assert set(of(table, dataset="waves")["verdict"]) == {verdict_}
        uncertain = interaction.assign(q=interaction["q"].mask(interaction["q"].notna(), 0.15))
        page = verdict.page(table, uncertain, section)
        assert ("cannot be told apart" in page) == (verdict_ != "effect")


def test_data_sets_differ_by_q_and_not_by_p_and_each_question_by_its_own(tables):
    interaction = tables[2].assign(p=0.001, p_max=0.001)
    tested = interaction["q"].notna()
    for name, q in ("training", 0.3), ("turning", 0.4), ("exploratory", 0.001):
        own = tested & (interaction["question"] == name)
        interaction["q"] = interaction["q"].mask(own, q)
    page = verdict.page(judged(*tables[:2]), interaction, ANALYSIS)
    said = page.split("Do the data sets differ? ")[1:]
    assert len(said) == 2
    for words, q, input_ in zip(said, (0.3, 0.4), INPUTS, strict=True):
        assert words.startswith("They cannot be told apart: the smallest q of 4 tests is ")
        assert f"is {q} (m, {input_}, auroc, period" in words and "2 data sets)" in words


@pytest.mark.parametrize("held", [None, 30.0])
def test_curves_with_and_without_a_held_angle_have_verdicts_of_their_own(held):
    """Each finds its waves, noise and baselines beside it, and no other's: a NaN is a name too."""
    angles = [*FINE, *((angle, 30.0) for angle in FINE if angle != 30)]

    def both(of_diagonal, of_train):
        return np.concatenate([of_diagonal, of_train[FINE != 30]])

    curve = both(cosine(0.1, 90), cosine(0.05, 180))
    cut = both(cosine(0.02, 90), cosine(0.01, 180))
    section = replace(
        ANALYSIS,
        questions={"main": {"series": ["turning"], "model": ["m"], "sweep": ["diagonal", "train"]}},
    )
    sobel, random = (
        {"model": "baseline", "attribution": name, "noise": 0} for name in ("sobel", "random")
    )
    rows = [
        scores(curve, "d", own_cut=cut, angles=angles),
        scores(curve / 2, "d", own_cut=cut, angles=angles, **sobel),
        scores(curve / 3, "d", own_cut=cut, angles=angles, **random),
        scores(curve - cut, "d", own_cut=cut, angles=angles, seed=2, view="sham"),
    ]
    oscillation, noise, _ = tables_of(rows, section)
    table = judged(oscillation, noise, section, ["sham"])
    assert len(table) == 4 and set(table["n_tests"]) == {16}
    row = row_of(table, view="plain", held_angle=held)
    assert row["sweep"] == ("train" if held else "diagonal") and row["verdict"] == "effect"
    assert row["period"] == (180 if held else 90)
    at = {"held_angle": held, "period": row["period"], "series": "turning"}
    beside = {
        "": {"view": "plain", "model": "m"},
        "sobel_": {"attribution": "sobel"},
        "random_": {"attribution": "random"},
        "sham_": {"view": "sham"},
    }
    for prefix, names in beside.items():
        assert row[f"{prefix}amplitude"] == row_of(oscillation, **at, **names)["amplitude"]
    assert len({row[f"{prefix}amplitude"] for prefix in beside}) == 4
    of_noise = row_of(noise, **at, view="plain", model="m")
    assert row["noise_amplitude"] == of_noise["noise_amplitude"]


def test_a_sham_of_several_is_the_one_with_the_largest_wave(tables):
    smaller = tables[0][tables[0]["view"] == "sham"].assign(view="still")
    smaller["amplitude"] /= 2
    oscillation = pd.concat([tables[0], smaller], ignore_index=True)
    still = tables[1][tables[1]["view"] == "sham"].assign(view="still")
    table = judged(oscillation, pd.concat([tables[1], still]), shams=["sham", "still"])
    row = row_of(table, dataset="waves", view="plain", question="turning")
    assert row["sham_amplitude"] == pytest.approx(0.04, abs=0.01)


# -- reliability -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("reliability", "noisy"), [(0.49, True), (0.5, False), (np.nan, False)])
def test_maps_that_are_mostly_noise_are_called_so_whatever_was_found(tables, reliability, noisy):
    oscillation = tables[0].copy()
    untested = (oscillation["dataset"] == "waves") & (oscillation["question"] == "turning")
    oscillation.loc[untested, "q"] = np.nan
    table = judged(oscillation, tables[1], reliability=RELIABILITY.assign(reliability=reliability))
    assert set(table["verdict"]) == {"effect", "nothing found", "not testable"}
    for _, row in table.iterrows():
        words = verdict.finding(row)
        warned = "the map is mostly noise (reliability 0.49): raise `saliency.samples`" in words
        assert warned == noisy


def test_what_has_no_reliability_keeps_its_verdict(tables):
    """A task, which the user may declare."""
    table = judged(*tables[:2], reliability=RELIABILITY[:0])
    assert len(table) == len(judged(*tables[:2])) and table["reliability"].isna().all()
