"""The verdict judges every curve by what the tables hold, and no more."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from factories import FINE, PERIODS, analysis, curves_of, of, reliability_rows, score_rows, wave
from scipy import stats

from thetascope.analysis import contrasts, inference, oscillation, planner, verdict
from thetascope.analysis.statements import finding

QUESTIONS = {
    "training": {"model": ["m"], "input": ["original"], "series": ["excess"]},
    "turning": {"model": ["m"], "input": ["rotated"], "series": ["turning"], "view": ["plain"]},
}
ANALYSIS = analysis(confidence=0.95, permutations=499, questions=QUESTIONS, smallest_effect=0.015)
SETS, INPUTS = ["canvas", "flat", "resampled", "turned", "d"], ["original", "rotated"]
VIEWS = {name: {"canvas": "zero", "sham": name == "sham"} for name in ("plain", "sham")}
VIEWS["disc"] = {"canvas": "disc", "sham": False}
RELIABILITY = reliability_rows(dataset=SETS, view=list(VIEWS), model="m", input=INPUTS)


def scores(curve, dataset, noise=0.01, seed=0, chance=0.5, own_cut=0.3, angles=FINE, **names):
    """Three runs at every angle, whose four items share a run's noise; maps of x have no cut."""
    rng = np.random.default_rng(seed)
    runs = curve[:, None] + noise * rng.normal(size=(len(curve), 3))
    value = runs[..., None] + 0.001 * rng.normal(size=(*runs.shape, 4))
    names = {"model": "m", "input": "rotated", "dataset": dataset} | names
    if names["input"] == "original":
        own_cut = np.nan
    return score_rows(angles, value, chance, own_cut, seeds=3, items=4, **names)


def cosine(amplitude, period, phase=0.0, level=0.6):
    return level + wave(FINE, amplitude, period, phase)


def tables_of(rows, section=ANALYSIS, reliability=RELIABILITY):
    found = curves_of(*rows)
    tests = inference.period_tests(found, PERIODS, section.tests)
    tests = inference.false_discovery(tests, section.questions)
    fits = oscillation.oscillation_table(found, PERIODS, section.confidence)
    return {
        "oscillation": fits.merge(tests, validate="1:1"),
        "levels": oscillation.levels_table(found, PERIODS, section.confidence),
        "noise": planner.noise_table(found, PERIODS),
        "contrasts": contrasts.contrast_table(found, section),
        "reliability": reliability,
    }


def judged(tables, section=ANALYSIS, views=VIEWS):
    return verdict.verdict_table(tables, section, views)


def row_of(table, **names):
    (row,) = of(table, **names).to_dict("records")
    return row


@pytest.fixture(scope="module")
def tables():
    sobel, random = (
        {"model": "baseline", "attribution": name, "noise": 0} for name in ("sobel", "random")
    )
    return tables_of(
        [
            # of R_θ x: the score swings by 0.1, of which the own cut does 0.03
            scores(cosine(0.1, 90), "turned", own_cut=cosine(0.03, 90)),
            scores(cosine(0, 90), "turned", view="sham", seed=2),
            scores(cosine(0.08, 90), "turned", view="disc", seed=8),
            scores(cosine(0.05, 90), "turned", **sobel),
            scores(cosine(0.04, 90, level=0.5), "turned", attribution="others"),
            scores(cosine(0.02, 90), "turned", **random),
            # the corners of the canvas make the wave: a disc has none
            scores(cosine(0.06, 90), "canvas", seed=9),
            scores(cosine(0, 90), "canvas", seed=10, view="disc"),
            # resampling makes it: what is not turned has it too
            scores(cosine(0.05, 90), "resampled", seed=11),
            scores(cosine(0.05, 90), "resampled", seed=12, view="sham"),
            # of x
            scores(cosine(0.08, 180), "turned", seed=3, input="original"),
            scores(cosine(0.015, 180), "turned", input="original", **sobel),
            # chance alone swings; below chance on the whole
            scores(cosine(0, 180), "flat", seed=5, noise=0.05),
            scores(
                cosine(0.1, 90, 0, 0.4),
                "flat",
                seed=6,
                chance=cosine(0.1, 90, 0, 0.5),
                input="original",
            ),
        ]
    )


# -- verdicts --------------------------------------------------------------------------------------


def test_each_verdict_is_that_of_the_truth_that_was_put_in(tables):
    table = judged(tables).set_index(["dataset", "question"])["verdict"].to_dict()
    assert table == {
        ("turned", "training"): "wave",
        ("turned", "turning"): "wave",
        ("canvas", "turning"): "canvas",
        ("resampled", "turning"): "resampling",
        ("flat", "training"): "no wave",
        ("flat", "turning"): "open",
    }


def test_a_wave_has_its_size_and_what_could_have_made_it_beside_it(tables):
    row = row_of(judged(tables), dataset="turned", question="turning")
    assert (row["series"], row["period"]) == ("turning", 90)
    assert row["amplitude"] == pytest.approx(0.07, abs=0.01)
    assert row["amplitude_ci_low"] < 0.07 < row["amplitude_ci_high"] < row["amplitude_bound"] * 1.1
    assert row["sobel_amplitude"] == pytest.approx(0.05, abs=0.001)
    assert row["random_amplitude"] == pytest.approx(0.02, abs=0.001)
    assert row["others_amplitude"] == pytest.approx(0.04, abs=0.01)
    assert row["others_p"] <= 0.05 and row["picture_p"] <= 0.05  # theirs is another wave
    assert row["picture_level"] == pytest.approx(0.1, abs=0.01)
    assert f"It has {row['picture_level']:+.3f} [" in finding(pd.Series(row), 0.05)
    assert row["sham_q"] <= 0.05  # the turned wave is another than the sham's, which is none
    assert row["canvas_q"] > 0  # known
    assert row["noise_amplitude"] < 0.01
    row = row_of(judged(tables), dataset="turned", question="training")
    assert (row["series"], row["period"]) == ("excess", 180)
    assert row["amplitude"] == pytest.approx(0.08, abs=0.01)
    beside = ["random_amplitude", "sham_q", "canvas_q"]
    beside += ["others_amplitude", "others_p", "picture_p", "picture_level"]
    assert np.isnan([row[name] for name in beside]).all()
    assert "other cases" not in finding(pd.Series(row), 0.05)


def test_controls_change_nothing_where_their_view_was_not_run(tables):
    table = judged(tables, views={"plain": VIEWS["plain"]})
    assert set(of(table, question="turning", dataset="canvas")["verdict"]) == {"wave"}
    assert set(of(table, dataset="resampled")["verdict"]) == {"wave"}
    assert table[["sham_q", "canvas_q"]].isna().all(axis=None)


def test_only_corners_can_make_a_wave_and_only_a_turned_disc_tells(tables):
    """A sham has no wave since it is not turned, on a disc as on any other canvas."""
    of_sham = {"plain": VIEWS["plain"], "sham": {"canvas": "disc", "sham": True}}
    row = row_of(judged(tables, views=of_sham), dataset="turned", question="turning")
    assert row["verdict"] == "wave" and row["sham_q"] <= 0.05 and np.isnan(row["canvas_q"])
    for canvas, verdict_ in ("disc", "wave"), ("crop", "wave"), ("reflect", "canvas"):
        own = VIEWS | {"plain": {"canvas": canvas, "sham": False}}
        row = row_of(judged(tables, views=own), dataset="canvas", question="turning")
        assert row["verdict"] == verdict_ and np.isnan(row["canvas_q"]) == (verdict_ == "wave")


def test_no_wave_takes_a_bound_below_what_matters_at_every_period(tables):
    for effect, verdict_ in (0.001, "open"), (0.1, "no wave"):
        table = judged(tables, replace(ANALYSIS, smallest_effect=effect))
        row = row_of(table, dataset="flat", question="training")
        assert row["verdict"] == verdict_
        at = of(tables["oscillation"], dataset="flat", input="original", series="excess", model="m")
        assert row["amplitude_bound"] == at["amplitude_bound"].max()


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_an_open_curve_says_how_many_seeds_could_tell(tables, confidence):
    table = judged(tables, replace(ANALYSIS, confidence=confidence))
    row = row_of(table, dataset="flat", question="turning")
    found = tables["noise"].query("dataset == 'flat' and series == 'turning'")["cell_sd"].iloc[0]
    theta = np.repeat(FINE[:, None], int(row["seeds_needed"]), axis=1)
    level = (1 - confidence) / row["n_tests"]
    reach = planner.detectable_amplitude(theta, PERIODS, found, level=level)
    assert reach.max() <= 0.015
    reach = planner.detectable_amplitude(theta[:, 1:], PERIODS, found, level=level)
    assert reach.max() > 0.015


def test_what_cannot_be_tested_is_called_so(tables):
    untested = tables["oscillation"].assign(p=np.nan, p_max=np.nan, q=np.nan)
    table = judged(tables | {"oscillation": untested})
    assert set(table["verdict"]) == {"not testable"}
    # by the largest wave
    assert row_of(table, dataset="turned", question="training")["period"] == 180


def test_the_smallest_q_decides_and_of_several_the_largest_wave(tables):
    changed = tables["oscillation"].copy()
    own = (changed["dataset"] == "turned") & (changed["question"] == "training")
    by_period = changed.loc[own, "period"]
    amplitude = {360: 0.2, 180: 0.1, 120: 0.4, 90: 0.3}
    changed.loc[own, "amplitude"] = by_period.map(amplitude)
    for q, period in (
        ({360: 0.03, 180: 0.02, 120: 0.9, 90: 0.04}, 180),
        ({360: 0.03, 180: 0.03, 120: 0.9, 90: 0.04}, 360),
        ({360: 0.03, 180: 0.03, 120: 0.9, 90: 0.03}, 90),
        ({360: np.nan, 180: 0.03, 120: np.nan, 90: 0.04}, 180),
    ):
        changed.loc[own, "q"] = by_period.map(q)
        table = judged(tables | {"oscillation": changed})
        row = row_of(table, dataset="turned", question="training")
        assert (row["period"], row["amplitude"]) == (period, amplitude[period])
        assert row["verdict"] == "wave"


def test_the_level_is_that_of_the_confidence(tables):
    changed = tables["oscillation"].copy()
    changed.loc[changed["q"].notna(), "q"] = 0.15
    for confidence, verdicts in (0.9, {"open"}), (0.8, {"wave"}):
        section = replace(ANALYSIS, confidence=confidence, smallest_effect=0.001)
        table = judged(tables | {"oscillation": changed}, section)
        assert set(of(table, dataset="turned")["verdict"]) == verdicts


def test_controls_are_held_against_the_level_of_the_confidence(tables):
    """The sham has the wave at p = 0.15, and the disc is another one at q = 0.15."""
    views, pairs = tables["oscillation"]["view"], tables["contrasts"]["levels"]
    p = np.where(views == "sham", 0.15, np.where(views == "disc", 0.3, 0.001))
    q = np.where(pairs.str.contains("sham"), 0.3, 0.15)
    changed = {"oscillation": tables["oscillation"].assign(p=p)}
    changed |= {"contrasts": tables["contrasts"].assign(q=q)}
    for confidence, verdicts in (0.9, ["wave", "wave"]), (0.8, ["canvas", "resampling"]):
        table = judged(tables | changed, replace(ANALYSIS, confidence=confidence))
        found = of(table, question="turning").set_index("dataset")["verdict"]
        assert found[["canvas", "resampled"]].tolist() == verdicts


def test_what_was_not_tested_is_no_test_to_correct_for(tables):
    waves = tables["oscillation"]
    of_x = of(waves[waves["resolved"]], question="training")
    untested = waves.assign(p=waves["p"].mask(waves.index == of_x.index[0]))
    assert set(of(judged(tables), question="training")["n_tests"]) == {len(of_x)}
    table = judged(tables | {"oscillation": untested})
    assert set(of(table, question="training")["n_tests"]) == {len(of_x) - 1}


@pytest.mark.parametrize("order", ["ab", "ba"])
@pytest.mark.parametrize(
    ("control", "dataset", "p", "q", "column", "said"),
    [
        ("sham", "resampled", [0.01, 0.5], [0.6, 0.02], "sham_q", "resampling"),
        ("disc", "canvas", [0.5, 0.01], [0.01, 0.6], "canvas_q", "canvas"),
    ],
)
def test_of_two_such_views_the_one_that_explains_a_wave_gives_its_q(
    tables, order, control, dataset, p, q, column, said
):
    """View a explains it and b does not, whichever comes first."""
    waves, pairs = tables["oscillation"], tables["contrasts"]
    own = waves[waves["view"] == control]
    of_pairs = pairs[pairs["levels"].str.contains(control)]
    copies = [own.assign(view=view, p=each) for view, each in zip("ab", p, strict=True)]
    tests = [
        of_pairs.assign(levels=of_pairs["levels"].str.replace(control, view), q=each)
        for view, each in zip("ab", q, strict=True)
    ]
    known = {"oscillation": pd.concat([waves, *copies]), "contrasts": pd.concat(tests)}
    views = {"plain": VIEWS["plain"], **dict.fromkeys(order, VIEWS[control])}
    row = row_of(judged(tables | known, views=views), dataset=dataset, question="turning")
    assert (row["verdict"], row[column]) == (said, q[0])


def test_a_wave_that_differs_from_that_of_the_sham_is_a_wave():
    """The sham has one of its own at this period, and the turned picture another one."""
    rows = [
        scores(cosine(0.1, 90), "d", own_cut=0.6),
        scores(cosine(0.03, 90, 45), "d", own_cut=0.6, view="sham", seed=2),
    ]
    found = tables_of(rows)
    row = row_of(judged(found), question="turning")
    sham = row_of(found["oscillation"], view="sham", series="turning", period=90)
    assert sham["p"] <= 0.05 and row["sham_q"] <= 0.05 and row["verdict"] == "wave"


def test_seeds_of_a_staggered_grid_are_counted_with_the_angles_of_one():
    rng = np.random.default_rng(0)
    names = {"model": "m", "input": "original", "dataset": "d"}
    values = 0.6 + 0.05 * rng.normal(size=(2, len(FINE) // 2, 1, 4))
    rows = [
        score_rows(FINE[seed::2], value, items=4, **names).assign(seed=seed)
        for seed, value in enumerate(values)
    ]
    tables = tables_of(rows)
    row = row_of(judged(tables), question="training")
    assert (row["verdict"], row["n_angles"]) == ("open", len(FINE))
    noise = row_of(tables["noise"], series="excess", period=row["period"])["cell_sd"]
    of_test = 0.015, 0.05 / row["n_tests"]
    assert row["seeds_needed"] == planner.seeds_needed(len(FINE) // 2, PERIODS, noise, *of_test)
    assert row["seeds_needed"] > planner.seeds_needed(len(FINE), PERIODS, noise, *of_test)


# -- levels ----------------------------------------------------------------------------------------


def test_levels_are_of_the_excess_whatever_series_is_asked(tables):
    table = judged(tables)
    row = row_of(table, dataset="turned", question="turning")
    assert row["finds"] == "yes" and row["level"] == pytest.approx(0.1, abs=0.01)
    row = row_of(table, dataset="flat", question="training")
    assert row["finds"] == "below chance" and row["level"] == pytest.approx(-0.1, abs=0.01)
    levels = of(tables["levels"], series="excess", view="plain", model="m", input="rotated")
    q = stats.false_discovery_control(levels["p"])
    expected = dict(zip(levels["dataset"], q, strict=True))
    found = of(table, question="turning").set_index("dataset")["level_q"].to_dict()
    assert found == pytest.approx(expected)


def test_a_level_at_chance_is_open_and_of_one_case_not_testable(tables):
    for p, finds in (0.9, "cannot tell"), (np.nan, "not testable"):
        levels = tables["levels"].assign(p=p)
        assert set(judged(tables | {"levels": levels})["finds"]) == {finds}
    weak = tables | {"levels": tables["levels"].assign(p=0.15)}
    for confidence, unsure in (0.9, True), (0.8, False):
        finds = judged(weak, replace(ANALYSIS, confidence=confidence))["finds"]
        assert (finds == "cannot tell").tolist() == [unsure] * len(finds)


# -- the right number from the right row -----------------------------------------------------------


def test_all_numbers_of_a_row_are_of_its_own_curve_and_period():
    """Value, excess and turning, of x and of R_θ x, that differ in amplitude and in p."""
    series = {"noise": 0.09, "chance": cosine(0.02, 90), "own_cut": cosine(0.03, 90, 50)}
    rows = [
        scores(cosine(0.012, 90, 12), "d", **series),
        scores(cosine(0.015, 90, 30), "d", **series, seed=1, input="original"),
    ]
    tables = tables_of(rows)
    table = judged(tables)
    assert len(table) == 2
    for question, asked in QUESTIONS.items():
        row = row_of(table, question=question)
        place = {"input": asked["input"][0], "series": asked["series"][0]}
        at = {"sweep": "diagonal", "period": row["period"], **place}
        assert {column: row[column] for column in at} == at
        own = ["amplitude", "amplitude_ci_low", "amplitude_ci_high", "phase_deg", "p", "q"]
        own += ["amplitude_cases_ci_low", "phase_ci_low", "p_without_0", "aliases"]
        own += ["n_angles", "n_angles_per_seed", "n_items", "n_cases", "n_seeds"]
        found = row_of(tables["oscillation"], **at)
        pd.testing.assert_series_equal(pd.Series(row)[own], pd.Series(found)[own])
        assert row["n_tests"] == 4 and row["plan"] == ANALYSIS.plan
        of_noise = row_of(tables["noise"], **at)
        for column in "noise_amplitude", "detectable_amplitude":
            assert row[column] == of_noise[column] > 0
        halves = row_of(RELIABILITY, dataset="d", view="plain", input=place["input"])
        for column in "reliability", "reliability_ci_low", "reliability_ci_high":
            assert row[column] == halves[column]
    assert (table[["p", "q", "amplitude", "reliability", "level"]].nunique() == 2).all()


@pytest.mark.parametrize("held", [None, 30.0])
def test_curves_with_and_without_a_held_angle_have_verdicts_of_their_own(held):
    """Each finds its waves, controls and baselines, and no other's: a NaN is a name too."""
    angles = [*FINE, *((angle, 30.0) for angle in FINE if angle != 30)]

    def both(of_diagonal, of_train):
        return np.concatenate([of_diagonal, of_train[FINE != 30]])

    curve = both(cosine(0.1, 90), cosine(0.05, 180))
    cut = both(cosine(0.02, 90), cosine(0.01, 180))
    asked = {"series": ["turning"], "model": ["m"], "sweep": ["diagonal", "train"]}
    section = replace(ANALYSIS, questions={"main": asked})
    sobel, random = (
        {"model": "baseline", "attribution": name, "noise": 0} for name in ("sobel", "random")
    )
    rows = [
        scores(curve, "d", own_cut=cut, angles=angles),
        scores(curve / 2, "d", own_cut=cut, angles=angles, **sobel),
        scores(curve / 3, "d", own_cut=cut, angles=angles, **random),
        scores(curve, "d", own_cut=cut, angles=angles, seed=2, view="sham"),
    ]
    tables = tables_of(rows, section)
    table = judged(tables, section)
    assert len(table) == 4 and set(table["n_tests"]) == {16}
    row = row_of(table, view="plain", held_angle=held)
    assert row["sweep"] == ("train" if held else "diagonal")
    assert row["verdict"] == "resampling"  # the sham has the same wave
    assert row["period"] == (180 if held else 90)
    at = {"held_angle": held, "period": row["period"], "series": "turning"}
    beside = {
        "": {"view": "plain", "model": "m"},
        "sobel_": {"attribution": "sobel"},
        "random_": {"attribution": "random"},
    }
    for prefix, names in beside.items():
        found = row_of(tables["oscillation"], **at, **names)
        assert row[f"{prefix}amplitude"] == found["amplitude"]
    assert len({row[f"{prefix}amplitude"] for prefix in beside}) == 3
    pair = of(tables["contrasts"], factor="view", held_angle=held, period=row["period"])
    assert row["sham_q"] == pair["q"].item()


def test_what_has_no_reliability_keeps_its_verdict(tables):
    """A task, which the user may declare."""
    table = judged(tables | {"reliability": RELIABILITY[:0]})
    assert len(table) == len(judged(tables)) and table["reliability"].isna().all()


def test_nothing_declared_is_met(tables):
    for question in QUESTIONS:
        changed = tables["oscillation"].copy()
        changed.loc[changed["question"] == question, "question"] = "exploratory"
        table = judged(tables | {"oscillation": changed})
        assert set(table["question"]) == set(QUESTIONS) - {question}


def test_an_empty_study_has_an_empty_verdict(tables):
    empty = {name: table.iloc[:0] for name, table in tables.items()}
    assert judged(empty).empty
    assert isinstance(judged(empty), pd.DataFrame)


def test_the_mean_map_of_the_others_is_that_of_the_same_network_and_input():
    """It has a part of the wave; of the picture is what is left."""
    others = {"attribution": "others", "noise": 0}
    tables = tables_of(
        [
            scores(cosine(0.1, 90, level=1.3), "d"),
            scores(cosine(0.1, 90, level=1.5), "d", input="original", seed=1),
            scores(cosine(0.02, 90, level=0.7), "d", **others),
            scores(cosine(0.03, 90, level=0.8), "d", input="original", **others),
            scores(cosine(0.04, 90, level=0.9), "d", model="n", **others),
            scores(cosine(0.05, 90, level=1.0), "d", model="n", input="original", **others),
        ]
    )
    levels = of(tables["levels"], series="picture")
    waves = of(tables["oscillation"], series="picture", period=90)
    assert len(levels) == len(waves) == 2
    for question, amplitude, level in ("turning", 0.02, 0.6), ("training", 0.03, 0.7):
        row = row_of(judged(tables), question=question)
        assert row["period"] == 90
        assert row["others_amplitude"] == pytest.approx(amplitude, abs=0.001)
        of_picture = row_of(waves, input=row["input"])
        assert row["picture_p"] == of_picture["p"] < 0.01
        assert of_picture["amplitude"] == pytest.approx(0.1 - amplitude, abs=0.01)
        found = row_of(levels, input=row["input"])
        assert row["picture_level"] == found["level"] == pytest.approx(level, abs=0.01)
        for end in "low", "high":
            assert row[f"picture_level_ci_{end}"] == found[f"level_cases_ci_{end}"]


def test_of_several_held_angles_each_has_others_of_its_own():
    angles = [*product([0.0, 90.0, 180.0, 270.0], repeat=2)]
    trained, evaluated = np.array(angles).T
    curve = 0.6 + wave(trained, 0.1, 360)
    asked = {"series": ["excess"], "model": ["m"], "sweep": ["train"]}
    section = replace(ANALYSIS, questions={"main": asked})
    rows = [
        scores(curve, "d", angles=angles),
        scores(0.5 * curve + evaluated / 1000, "d", angles=angles, attribution="others"),
    ]
    tables = tables_of(rows, section)
    table = judged(tables, section)
    table = of(table, attribution="smoothgrad")
    assert table["held_angle"].tolist() == [0, 90, 180, 270]
    levels = of(tables["levels"], series="picture", sweep="train")
    assert table["picture_level"].tolist() == levels.sort_values("held_angle")["level"].tolist()
    assert table["picture_level"].nunique() == 4
