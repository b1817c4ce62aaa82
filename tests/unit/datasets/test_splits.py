"""Division of cases."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thetascope.datasets.splits import Split, assign
from thetascope.errors import UserError

CASES = st.sets(st.text("abcdef0123456789-", min_size=1), min_size=3, max_size=60)
SPLIT = Split(train=0.7, validation=0.1, test=0.2, seed=0)


def count(parts):
    return Counter(parts.values())


@given(CASES, st.integers(0, 5))
def test_every_case_in_one_part_and_no_part_empty(cases, seed):
    parts = assign(sorted(cases), replace(SPLIT, seed=seed))
    assert parts.keys() == cases
    assert set(parts.values()) == {"train", "validation", "test"}
    test = sum(part == "test" for part in parts.values())
    assert abs(test - 0.2 * len(cases)) <= 1


@given(CASES, st.randoms())
def test_the_order_of_cases_does_not_matter(cases, random):
    shuffled = sorted(cases)
    random.shuffle(shuffled)
    assert assign(shuffled, SPLIT) == assign(sorted(cases), SPLIT)


def test_the_draw_is_written_down():
    parts = assign(map(str, range(10)), SPLIT)
    assert sorted(c for c, p in parts.items() if p == "test") == ["0", "4"]
    assert parts != assign(map(str, range(10)), replace(SPLIT, seed=1))


def test_every_share_is_the_one_that_was_set():
    parts = assign(map(str, range(100)), Split(train=0.5, validation=0.35, test=0.15, seed=3))
    assert count(parts) == {"train": 50, "validation": 35, "test": 15}


@pytest.mark.parametrize("share", ["train", "validation", "test"])
def test_a_large_share_leaves_the_other_parts_a_case_each(share):
    shares = dict.fromkeys(("train", "validation", "test"), 0.0) | {share: 1.0}
    parts = assign(map(str, range(9)), Split(**shares, seed=0))
    assert count(parts) == {"train": 1, "validation": 1, "test": 1} | {share: 7}


def test_two_cases_are_too_few():
    with pytest.raises(UserError, match="2 cases"):
        assign(["a", "b"], SPLIT)
