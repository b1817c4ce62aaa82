"""The verdict says what the tables hold, and no more."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from factories import FINE, PERIODS, analysis, of, score_rows, wave

from thetascope.analysis import inference, planner, verdict, waves
from thetascope.analysis.scores import arrange

QUESTION = {"series": ["excess"], "model": ["m"], "metric": ["auroc"]}
ANALYSIS = analysis(confidence=0.95, permutations=499, confirmatory=QUESTION)


def scores(curve, dataset, noise=0.01, seed=0, null=0.5, model="m", angles=FINE, **names):
    """Three runs at every angle, whose four items share a run's noise."""
    rng = np.random.default_rng(seed)
    runs = curve[:, None] + noise * rng.normal(size=(len(curve), 3))
    value = runs[..., None] + 0.001 * rng.normal(size=(*runs.shape, 4))
    return score_rows(angles, value, null, seeds=3, items=4, dataset=dataset, model=model, **names)


def cosine(amplitude, period, phase=0.0):
    return 0.6 + wave(FINE, amplitude, period, phase)


def tables_of(rows, section=ANALYSIS):
    """Oscillation with tests, noise and interaction."""
    per_item = arrange(rows)
    tests = inference.period_tests(per_item, PERIODS, section.tests)
    tests = inference.false_discovery(tests, section.confirmatory)
    amplitudes = waves.oscillation_table(per_item, PERIODS, section.intervals)
    interaction = inference.interaction_tests(per_item, PERIODS, section.tests)
    interaction = inference.false_discovery(interaction, section.confirmatory)
    noise = planner.noise_table(per_item, PERIODS)
    return amplitudes.merge(tests, validate="1:1"), noise, interaction


@pytest.fixture(scope="module")
def tables():
    sobel = {"model": "baseline", "attribution": "sobel", "noise": 0}
    # half of the footprint, and a wave of its own a quarter of a period beside it
    edges = cosine(0.05, 90) + wave(FINE, 0.03, 90, 22.5)
    return tables_of(
        [
            scores(cosine(0.1, 90), "waves"),
            scores(cosine(0.04, 90), "waves", view="sham", seed=2),
            scores(edges, "waves", null=cosine(0.1, 90), **sobel),
            scores(cosine(0, 180), "flat", seed=5),
            # maps that follow the footprint, partly, that do not notice it, that have a wave
            scores(cosine(0.1, 90), "follows", seed=6, null=cosine(0.095, 90)),
            scores(cosine(0.04, 90), "partly", seed=9, null=cosine(0.1, 90)),
            scores(cosine(0, 90), "immune", seed=7, null=cosine(0.1, 90)),
            scores(cosine(0.1, 180), "beside", seed=8, null=cosine(0.1, 90)),
        ]
    )


def test_effects_are_found_and_stand_beside_their_nulls(tables):
    table = verdict.verdict_table(*tables[:2], ANALYSIS, ["sham"]).set_index(["dataset", "view"])
    waves, flat = table.loc[("waves", "plain")], table.loc[("flat", "plain")]
    assert waves["verdict"] == "effect"
    assert waves["period"] == 90
    assert waves["amplitude"] == pytest.approx(0.1, abs=0.01)
    assert waves["sham_amplitude"] == pytest.approx(0.04, abs=0.01)
    assert waves["sobel_amplitude"] == pytest.approx(0.03, abs=0.001)
    assert waves["footprint_amplitude"] == 0
    assert waves["value_amplitude"] == pytest.approx(waves["amplitude"])
    assert waves["noise_amplitude"] < 0.01
    assert flat["verdict"] == "nothing found"
    assert np.isnan(flat["sham_amplitude"])
    assert 0 < flat["detectable_amplitude"] < 0.02


@pytest.mark.parametrize("dataset", ["follows", "partly", "immune"])
def test_what_the_footprint_does_is_its_own(tables, dataset):
    table = verdict.verdict_table(*tables[:2], ANALYSIS, []).set_index("dataset")
    row = table.loc[dataset]
    assert row["verdict"] == "footprint"
    assert row["period"] == 90
    assert row["footprint_amplitude"] == pytest.approx(0.1, abs=0.01)
    assert row["residual_amplitude"] < 0.01
    page = verdict.page(table.reset_index(), tables[2], ANALYSIS)
    of_it = page[page.index(f"## {dataset}") :]
    assert "0 of 1 curves differ from chance after the null; what 1 show is the footprint's" in (
        of_it
    )
    assert "the footprint's. At period 90°" in of_it


def test_a_wave_that_is_mostly_left_is_not_the_footprints(tables):
    doubtful = tables[0].assign(q=tables[0]["q"].mask(tables[0]["dataset"] == "waves", 0.06))
    table = verdict.verdict_table(doubtful, tables[1], ANALYSIS, [])
    assert set(table[table["dataset"] == "waves"]["verdict"]) == {"nothing found"}


def test_a_wave_beside_the_footprint_is_an_effect(tables):
    table = verdict.verdict_table(*tables[:2], ANALYSIS, [])
    row = table.set_index("dataset").loc["beside"]
    # resampling repeats every 90°
    assert "resampling alone" not in verdict.finding(row)
    assert row["verdict"] == "effect"
    assert row["period"] == 180
    assert row["residual_amplitude"] == pytest.approx(0.1, abs=0.01)


def test_the_page_says_it_in_words(tables):
    table = verdict.verdict_table(*tables[:2], ANALYSIS, ["sham"])
    page = verdict.page(table, tables[2], ANALYSIS)
    of_waves = page[page.index("## waves · plain") : page.index("## waves · sham")]
    assert "1 of 1 curves differ from chance" in of_waves
    assert "at period 90°" in of_waves
    assert "the sham rotation 0.0" in of_waves
    assert "resampling alone can do this" in of_waves
    of_flat = page[page.index("## flat") : page.index("## waves")]
    assert "0 of 1 curves differ" in of_flat
    assert "nothing found" in of_flat
    assert "one test, not corrected, finds about 0.0" in of_flat
    assert "Their curves differ" in page
    assert ANALYSIS.plan in page


@pytest.mark.parametrize(("permutations", "enough"), [(499, False), (558, False), (559, True)])
def test_too_few_permutations_for_a_lone_effect_are_named(tables, permutations, enough):
    table = verdict.verdict_table(*tables[:2], ANALYSIS, [])
    assert set(table["n_tests"]) == {28}  # seven curves of four periods
    page = verdict.page(table, tables[2], replace(ANALYSIS, permutations=permutations))
    # the smallest p, 1 / (permutations + 1), times 28
    assert ("`analysis.permutations` would have to be 559" in page) != enough


def test_what_cannot_be_tested_is_called_so(tables):
    oscillation_table = tables[0].assign(p=np.nan, p_max=np.nan, q=np.nan)
    table = verdict.verdict_table(oscillation_table, tables[1], ANALYSIS, [])
    assert set(table["verdict"]) == {"not testable"}
    assert "no valid test" in verdict.page(table, tables[2].assign(q=np.nan), ANALYSIS)


def test_nothing_declared_is_met(tables):
    table = verdict.verdict_table(tables[0].assign(confirmatory=False), tables[1], ANALYSIS, [])
    assert table.empty
    assert "No curve is what was declared" in verdict.page(table, tables[2], ANALYSIS)


# -- the right number from the right row -----------------------------------------------------------


def test_what_stands_beside_a_wave_is_of_its_own_series_and_period():
    """A value, an excess and a residual that differ in amplitude and in p."""
    rows = [scores(cosine(0.012, 90, 12), "d", noise=0.035, null=cosine(0.02, 90))]
    oscillation, noise, _ = tables_of(rows)
    (row,) = verdict.verdict_table(oscillation, noise, ANALYSIS, []).to_dict("records")
    at = {"sweep": "diagonal", "period": row["period"]}
    found = of(oscillation, **at).set_index("series")
    assert row["series"] == "excess"
    own = ["amplitude", "amplitude_ci_low", "amplitude_ci_high", "phase_deg", "p", "p_max", "q"]
    own += ["n_angles", "n_items", "n_seeds"]
    assert {column: row[column] for column in own} == found.loc["excess", own].to_dict()
    for series in "value", "residual":
        assert row[f"{series}_amplitude"] == found.loc[series, "amplitude"]
        assert row[f"{series}_p"] == found.loc[series, "p"]
    assert row["footprint_amplitude"] == found.loc["footprint", "amplitude"]
    assert found["amplitude"].nunique() == 4 and found["p"].nunique() == 3
    assert row["p"] != row["p_max"] and row["n_tests"] == 4 and row["plan"] == ANALYSIS.plan
    of_noise = of(noise, series="excess", **at)
    for column in "noise_amplitude", "detectable_amplitude":
        assert row[column] == of_noise[column].item() > 0


def test_the_level_is_that_of_the_confidence(tables):
    oscillation, noise, interaction = tables
    waves_ = oscillation["dataset"] == "waves"
    doubtful = oscillation.assign(q=oscillation["q"].mask(waves_, 0.15))
    for confidence, verdict_ in (0.9, "nothing found"), (0.8, "effect"):
        section = replace(ANALYSIS, confidence=confidence)
        table = verdict.verdict_table(doubtful, noise, section, [])
        assert set(of(table, dataset="waves")["verdict"]) == {verdict_}
        uncertain = interaction.assign(q=interaction["q"].mask(interaction["q"].notna(), 0.15))
        page = verdict.page(table, uncertain, section)
        assert ("cannot be told apart" in page) == (verdict_ != "effect")


def test_the_footprint_is_judged_by_p_max_and_not_by_p(tables):
    of_null = tables[0]["dataset"] == "immune"
    doubtful = tables[0].assign(p_max=tables[0]["p_max"].mask(of_null, 0.06))
    table = verdict.verdict_table(doubtful, tables[1], ANALYSIS, []).set_index("dataset")
    assert table.loc["immune", "verdict"] == "nothing found"
    assert table.loc["partly", "verdict"] == "footprint"


def test_data_sets_differ_by_q_and_not_by_p(tables):
    interaction = tables[2].assign(p=0.001, p_max=0.001)
    interaction["q"] = interaction["q"].mask(interaction["q"].notna(), 0.3)
    page = verdict.page(verdict.verdict_table(*tables[:2], ANALYSIS, []), interaction, ANALYSIS)
    assert "Their curves cannot be told apart: the smallest q" in page and "is 0.3 (" in page


@pytest.mark.parametrize("held", [None, 30.0])
def test_curves_with_and_without_a_held_angle_have_verdicts_of_their_own(held):
    """Each finds its waves, noise and nulls beside it, and no other's: a NaN is a name too."""
    angles = [*FINE, *((angle, 30.0) for angle in FINE if angle != 30)]
    of_diagonal, of_train = cosine(0.1, 90), cosine(0.05, 180)
    curve = np.concatenate([of_diagonal, of_train[FINE != 30]])
    null = np.concatenate([cosine(0.02, 90), cosine(0.01, 90)[FINE != 30]])
    question = {"series": ["excess"], "model": ["m"], "sweep": ["diagonal", "train"]}
    section = replace(ANALYSIS, confirmatory=question)
    sobel = {"model": "baseline", "attribution": "sobel", "noise": 0}
    rows = [
        scores(curve, "d", null=null, angles=angles),
        scores(null / 2, "d", null=null, angles=angles, **sobel),
        scores(curve - null, "d", null=null, angles=angles, seed=2, view="sham"),
    ]
    oscillation, noise, _ = tables_of(rows, section)
    table = verdict.verdict_table(oscillation, noise, section, ["sham"])
    assert len(table) == 4 and set(table["n_tests"]) == {16}
    (row,) = of(table, view="plain", held_angle=held).to_dict("records")
    assert row["sweep"] == ("train" if held else "diagonal") and row["verdict"] == "effect"
    assert row["period"] == (180 if held else 90)
    at = {"held_angle": held, "period": row["period"]}
    mine = of(oscillation, view="plain", model="m", **at).set_index("series")["amplitude"]
    assert row["value_amplitude"] == mine["value"]
    assert row["footprint_amplitude"] == mine["footprint"]
    sham = of(oscillation, view="sham", series="excess", model="m", **at)["amplitude"].item()
    edges = of(oscillation, model="baseline", series="residual", **at)["amplitude"].item()
    assert (row["sham_amplitude"], row["sobel_amplitude"]) == (sham, edges)
    of_noise = of(noise, view="plain", series="excess", model="m", **at)
    assert row["noise_amplitude"] == of_noise["noise_amplitude"].item()


def test_a_sham_of_several_is_the_one_with_the_largest_wave(tables):
    smaller = tables[0][tables[0]["view"] == "sham"].assign(view="still")
    smaller["amplitude"] /= 2
    oscillation = pd.concat([tables[0], smaller], ignore_index=True)
    judged = verdict.verdict_table(
        oscillation,
        pd.concat([tables[1], tables[1][tables[1]["view"] == "sham"].assign(view="still")]),
        ANALYSIS,
        ["sham", "still"],
    )
    row = judged.set_index(["dataset", "view"]).loc[("waves", "plain")]
    assert row["sham_amplitude"] == pytest.approx(0.04, abs=0.01)
