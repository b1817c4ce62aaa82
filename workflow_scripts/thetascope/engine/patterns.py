"""Regular expressions of wildcards."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby


def one_of(names: Iterable[object]) -> str:
    """Regular expression of these names and nothing else, short where they have parts in common.

    Snakemake goes through it for every file of every job; with 3,600 angles, one beside the other,
    it would have 25,000 characters instead of 121.
    """
    words = sorted(set(map(str, names)))
    starts: dict[str, str] = defaultdict(str)
    for first, group in groupby(filter(None, words), key=lambda word: word[0]):
        starts[one_of(word[1:] for word in group)] += re.escape(first)
    branches = "|".join(f"[{first}]{rest}" for rest, first in starts.items())
    return f"(?:{branches}){'?' * ('' in words)}" if branches else ""
