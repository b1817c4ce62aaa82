"""Division of cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thetascope.datasets.splits import assign
from thetascope.errors import UserError

CASES = st.sets(st.text("abcdef0123456789-", min_size=1), min_size=3, max_size=60)


@given(CASES, st.integers(0, 5))
def test_every_case_in_one_part_and_no_part_empty(cases, seed):
    parts = assign(sorted(cases), 0.7, 0.1, 0.2, seed)
    assert parts.keys() == cases
    assert set(parts.values()) == {"train", "validation", "test"}
    test = sum(part == "test" for part in parts.values())
    assert abs(test - 0.2 * len(cases)) <= 1


@given(CASES, st.randoms())
def test_the_order_of_cases_does_not_matter(cases, random):
    shuffled = sorted(cases)
    random.shuffle(shuffled)
    assert assign(shuffled, 0.7, 0.1, 0.2, 0) == assign(sorted(cases), 0.7, 0.1, 0.2, 0)


def test_the_draw_is_written_down():
    parts = assign(map(str, range(10)), 0.7, 0.1, 0.2, 0)
    assert sorted(c for c, p in parts.items() if p == "test") == ["0", "4"]
    assert parts != assign(map(str, range(10)), 0.7, 0.1, 0.2, 1)


def test_two_cases_are_too_few():
    with pytest.raises(UserError, match="2 cases"):
        assign(["a", "b"], 0.7, 0.1, 0.2, 0)
