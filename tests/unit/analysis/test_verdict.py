"""The verdict says what the tables hold, and no more."""

import numpy as np
import pandas as pd
import pytest

from thetascope.analysis import inference, planner, verdict, waves
from thetascope.analysis.scores import arrange
from thetascope.angles import label

THETA = np.arange(0, 360, 15.0)
PERIODS = [360, 180, 120, 90]
ANALYSIS = {
    "confidence": 0.95,
    "permutations": 499,
    "confirmatory": {"series": ["excess"], "model": ["m"], "metric": ["auroc"]},
}


def scores(
    curve, dataset, view="plain", model="m", map_="smoothgrad", noise=0.01, seed=0, null=None
):
    null = np.full(len(THETA), 0.5) if null is None else null
    rng = np.random.default_rng(seed)
    rows = [
        {"seed": str(s), "item": f"i{i}", "angle": label(t), "eval_angle": label(t)}
        | {"value": value + shared + 0.001 * rng.normal(), "null": footprint}
        for s in range(3)
        for t, value, footprint in zip(THETA, curve, null, strict=True)
        for shared in [noise * rng.normal()]
        for i in range(4)
    ]
    arm = {"dataset": dataset, "view": view, "encoder": "e", "method": "moco", "model": model}
    return pd.DataFrame(rows).assign(
        **arm, orientation="rotated", map=map_, metric="auroc", case="c"
    )


def wave(amplitude, period):
    return 0.6 + amplitude * np.cos(2 * np.pi * THETA / period)


@pytest.fixture(scope="module")
def tables():
    per_item = pd.concat(
        [
            scores(wave(0.1, 90), "waves"),
            scores(wave(0.04, 90), "waves", view="sham", seed=2),
            # half of the footprint, and a wave of its own a quarter of a period beside it
            scores(
                wave(0.05, 90) + 0.03 * np.sin(2 * np.pi * THETA / 90),
                "waves",
                **{"model": "baseline", "map_": "sobel", "noise": 0, "null": wave(0.1, 90)},
            ),
            scores(wave(0, 180), "flat", seed=5),
            # maps that follow the footprint, partly, that do not notice it, that have a wave
            scores(wave(0.1, 90), "follows", seed=6, null=wave(0.095, 90)),
            scores(wave(0.04, 90), "partly", seed=9, null=wave(0.1, 90)),
            scores(wave(0, 90), "immune", seed=7, null=wave(0.1, 90)),
            scores(wave(0.1, 180), "beside", seed=8, null=wave(0.1, 90)),
        ]
    )
    tests = inference.period_tests(arrange([per_item]), PERIODS, 499, 0)
    tests = inference.false_discovery(tests, ANALYSIS["confirmatory"])
    amplitudes = waves.oscillation_table(arrange([per_item]), PERIODS, 100, 0.95, 0)
    interaction = inference.interaction_tests(arrange([per_item]), PERIODS, 499, 0)
    interaction = inference.false_discovery(interaction, ANALYSIS["confirmatory"])
    noise = planner.noise_table(arrange([per_item]), PERIODS)
    return amplitudes.merge(tests, validate="1:1"), noise, interaction


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
    assert verdict.plan_digest(ANALYSIS) in page


@pytest.mark.parametrize(("permutations", "enough"), [(499, False), (558, False), (559, True)])
def test_too_few_permutations_for_a_lone_effect_are_named(tables, permutations, enough):
    table = verdict.verdict_table(*tables[:2], ANALYSIS, [])
    assert set(table["n_tests"]) == {28}  # seven curves of four periods
    page = verdict.page(table, tables[2], ANALYSIS | {"permutations": permutations})
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


def test_another_plan_has_another_digest():
    assert verdict.plan_digest(ANALYSIS) == verdict.plan_digest(dict(ANALYSIS))
    assert verdict.plan_digest(ANALYSIS) != verdict.plan_digest({**ANALYSIS, "confidence": 0.9})
