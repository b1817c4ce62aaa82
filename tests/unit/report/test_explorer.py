"""What the explorer shows is what the tables hold."""

import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from factories import NAMES, VERDICT, analysis, dice_rows, of, reliability_rows

from thetascope.analysis import glance
from thetascope.analysis.verdict import COLUMNS
from thetascope.report import explorer

ROOT = Path(__file__).parents[3]
ARM = {"dataset": "brains", "view": "plain", "encoder": "e", "method": "moco"}
NO_VERDICTS = pd.DataFrame(columns=COLUMNS)
NO_RELIABILITY = reliability_rows()[:0]


def scores(angles, **names):
    return dice_rows(angles, **{"dataset": "brains", "input": "original"} | names)


def curves(table, verdicts=NO_VERDICTS, reliability=NO_RELIABILITY):
    return explorer.curves(table, verdicts, reliability, 0.05)


def column_of(table, name):
    return table[name].round(6).tolist()


# -- curves ----------------------------------------------------------------------------------------


def test_a_curve_holds_its_rows_in_order_of_theta():
    table = scores([270, 0, 90], input="rotated")
    table.loc[1, ["value", "ci_low", "ci_high", "own_cut"]] = np.nan
    (series,) = curves(table)
    rows = table.sort_values("angle")
    numbers = {"value": "value", "low": "ci_low", "high": "ci_high"}
    numbers |= {"chance": "chance", "own_cut": "own_cut"}
    expected = {name: column_of(rows, column) for name, column in numbers.items()}
    for name in "value", "low", "high", "own_cut":
        expected[name][0] = None
    assert series == NAMES | {"dataset": "brains"} | expected | {
        **{"trained": "theta", "finding": None, "theta": [0, 90, 270]},
        "reliability": None,
        "meaning": "Trained and evaluated at θ",
        **{"items": [12] * 3, "seeds": [1] * 3},
    }
    json.dumps(series, allow_nan=False)


def test_maps_that_were_not_turned_back_have_no_look_and_no_curve():
    """As in the figures: the page's script knows what it draws, and stops at any other."""
    found = curves(scores([0, 90], input=["rotated", "unaligned"]))
    assert [series["input"] for series in found] == ["rotated"]


def test_what_a_question_may_ask_for_has_a_name_here():
    """Two lists of the kinds of maps, one for the configuration and one for the page."""
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text("utf-8"))
    asked = schema["$defs"]["question"]["properties"]["attribution"]["items"]["enum"]
    assert set(asked) == set(explorer.NAMES["attribution"])


def test_the_first_offer_is_the_main_question_and_nothing_is_lost():
    kinds = [("finetuned", "another", "auroc"), ("finetuned", "smoothgrad", "new_metric")]
    kinds += [("baseline", "sobel", "dice_area"), ("pretrained", "smoothgrad", "dice_area")]
    parts = [scores([0], maps=[(model, name)], metric=metric) for model, name, metric in kinds]
    found = curves(pd.concat(parts))
    names = [(s["model"], s["attribution"], s["metric"]) for s in found]
    assert names == [kinds[i] for i in (3, 1, 0, 2)]


def test_a_curve_has_the_reliability_of_its_own_maps():
    names = {"model": ["pretrained", "finetuned"], "input": ["original", "rotated"]}
    reliability = reliability_rows(dataset=["brains", "lungs"], view=["plain", "disc"], **names)
    reliability.loc[1, "reliability"] = np.nan
    found = curves(scores([0, 90, ("none", 0)], **names), reliability=reliability)
    assert len(found) == 8 and {s["trained"] for s in found} == {"theta", "none"}
    for series in found:
        own = {column: series[column] for column in (*ARM, "model", "input")}
        (expected,) = of(reliability, **own)["reliability"].round(2)
        assert series["reliability"] == (None if np.isnan(expected) else expected)
    assert len({s["reliability"] for s in found}) == 4
    json.dumps(found, allow_nan=False)


def test_maps_of_x_have_no_own_cut():
    found = curves(scores([0, 90], input=["original", "rotated"]))
    assert [s["own_cut"] == [None, None] for s in found] == [True, False]


def test_encoders_without_an_angle_are_there_to_compare():
    table = scores([0, 90, ("none", 0), ("none", 90), ("random", 90)])
    found = curves(table)
    assert {s["meaning"] for s in found} == {"Trained and evaluated at θ"}
    series = {s["trained"]: s for s in found}
    theta = {trained: s["theta"] for trained, s in series.items()}
    assert theta == {"theta": [0, 90], "none": [0, 90], "random": [90]}
    for trained, training in ("theta", "fixed"), ("none", "none"), ("random", "random"):
        assert series[trained]["value"] == column_of(of(table, training=training), "value")


def test_where_nothing_was_trained_at_an_angle_its_evaluations_are_the_curve():
    table = scores([("random", 0), ("random", 45), ("none", 45)])
    found = curves(table)
    assert {s["meaning"] for s in found} == {"Trained at random angles, evaluated at θ"}
    assert {s["trained"]: s["theta"] for s in found} == {"theta": [0, 45], "none": [45]}


@pytest.mark.parametrize(
    ("angles", "own", "other"),
    [
        ([0, 90], {"training": "fixed", "sweep": "diagonal"}, {"sweep": "train", "held_angle": 0}),
        (
            [(a, e) for a, e in product([0, 90, 180], [0, 90])],
            {"training": "fixed", "sweep": "train", "held_angle": 0.0},
            {"held_angle": 90.0},
        ),
        ([("random", 0)], {"training": "random", "sweep": "eval"}, {"training": "none"}),
    ],
)
def test_verdicts_stand_with_the_curve_that_is_shown(angles, own, other):
    tested = NAMES | {"dataset": "brains", "verdict": "not testable", "held_angle": np.nan} | own
    tested["question"] = "turning"
    others = {"dataset": "lungs"}, {"input": "pair"}, other
    counts = [{"n_angles": 5 + i, "n_seeds": 9, "n_cases": 8} for i in range(4)]
    rows = [tested | change | n for change, n in zip(({}, *others), counts, strict=True)]
    table = scores(angles, input=["original", "rotated"])
    found = curves(table, pd.DataFrame(rows, columns=COLUMNS))
    assert {s["input"]: s["finding"] for s in found} == {
        **{"original": None, "rotated": "turning: Not testable (5 angles, 9 seeds, 8 cases)."}
    }


@pytest.mark.parametrize(("level", "told"), [(0.1, True), (0.2, False)])
def test_a_verdict_is_said_at_the_level_of_the_tests(level, told):
    row = VERDICT | NAMES | {"dataset": "brains", "input": "original"}
    verdicts = pd.DataFrame([row | {"p_without_0": 0.15}])
    found = explorer.curves(scores([0, 90]), verdicts, NO_RELIABILITY, level)
    assert ("It rests on θ = 0" in found[0]["finding"]) == told


# -- the verdict -----------------------------------------------------------------------------------


def test_the_opening_is_the_glance_and_every_verdict_leads_to_its_curve():
    rows = [VERDICT | {"dataset": "brains"}, VERDICT | {"question": "b", "verdict": "open"}]
    rows.append(VERDICT | {"verdict": "no wave"})  # of the first question
    verdicts = pd.DataFrame(rows).reindex(columns=COLUMNS)
    found = explorer.opening(verdicts, analysis(), "Do more.")
    assert found["sentence"] == glance.sentence(verdicts) and found["next"] == "Do more."
    assert found["words"] == glance.words(verdicts, analysis())
    assert [row["cells"] for row in found["verdicts"]] == glance.table(verdicts).to_dict("records")
    assert [row["verdict"] for row in found["verdicts"]] == ["wave", "no wave", "open"]
    first = found["verdicts"][0]["curve"]
    assert first == {name: rows[0][name] for name in explorer.CURVE}
    assert set(explorer.VERDICTS) >= {row["verdict"] for row in found["verdicts"]}
    json.dumps(found, allow_nan=False)


def test_no_name_ends_the_data_and_no_nan_enters_it():
    name = "</script><!--\u2028@DATA@@SCRIPT@"
    page = explorer.page({"series": [{"dataset": name}]})
    assert page.count("</script>") == page.count("<script") == 2
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page)
    assert json.loads(found[1])["series"][0]["dataset"] == name
    with pytest.raises(ValueError, match="not JSON compliant"):
        explorer.page({"series": [{"mean": [float("nan")]}]})
