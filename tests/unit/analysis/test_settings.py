"""Settings of the analysis."""

import json

import pytest
from factories import analysis

from thetascope.analysis.settings import Analysis, Bootstrap, Permutations


def test_intervals_and_tests_have_the_numbers_of_the_section():
    section = analysis(bootstrap=7, confidence=0.8, permutations=11, seed=13)
    assert section.intervals == Bootstrap(draws=7, confidence=0.8, seed=13)
    assert section.tests == Permutations(draws=11, seed=13, level=section.level)
    assert section.level == pytest.approx(0.2)


def test_another_plan_has_another_digest():
    plan = analysis().plan
    assert len(plan) == 16 and int(plan, 16) >= 0
    assert plan == analysis().plan
    changes = [{"confidence": 0.8}, {"bootstrap": 51}, {"permutations": 98}, {"seed": 4}]
    changes += [{"smallest_effect": 0.02}]
    changes += [{"periods": [360]}, {"questions": {"main": {"series": ["excess"]}}}]
    assert len({plan, *(analysis(**change).plan for change in changes)}) == 8


def test_the_digest_is_of_the_names_and_values_alone():
    """As they come from the configuration: lists, in any order of names."""
    section = {"bootstrap": 1, "confidence": 0.5, "periods": [90], "permutations": 2}
    section |= {"smallest_effect": 0.1}
    section |= {"questions": {"q": {"a": [1], "b": [2]}}, "seed": 3}
    turned = dict(reversed(section.items())) | {"questions": {"q": {"b": [2], "a": [1]}}}
    assert Analysis(**section).plan == Analysis(**json.loads(json.dumps(turned))).plan
