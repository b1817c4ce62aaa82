"""A wildcard takes the names of the configuration and no other."""

import re

from hypothesis import given
from hypothesis import strategies as st

from thetascope.angles import expand
from thetascope.engine.patterns import one_of

# what a class of characters or an expression could take for its own
texts = st.text("ab01.-^]\\[|(", min_size=1, max_size=4)


@given(names=st.lists(texts, min_size=1, max_size=8), others=st.lists(texts, max_size=8))
def test_names_match_and_nothing_else(names, others):
    pattern = re.compile(one_of(names))
    assert [bool(pattern.fullmatch(text)) for text in names + others] == [
        text in names for text in names + others
    ]


def test_many_angles_are_short():
    angles = expand({"start": 0, "stop": 359.9, "step": 0.1})
    assert len(angles) == 3600
    assert len(one_of([*angles, "none", "random"])) < 300
