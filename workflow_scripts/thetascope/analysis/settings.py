"""Settings of tables and tests: the configuration's section `analysis`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are drawn.

    Attributes
    ----------
    draws : int
        Per interval.
    confidence : float
        Share of the draws within the interval, for example 0.95.
    seed : int
        Of the random state.
    """

    draws: int
    confidence: float
    seed: int


@dataclass(frozen=True)
class Permutations:
    """How permutation tests are drawn.

    Attributes
    ----------
    draws : int
        Number B; a p is at least 1 / (B + 1).
    seed : int
        Of the random state.
    level : float
        Of the tests. Whether a wave rests on θ = 0 is asked where some p is at most this.
    """

    draws: int
    seed: int
    level: float = 0.05


@dataclass(frozen=True)
class Analysis:
    """The whole section.

    Attributes
    ----------
    bootstrap : int
        Draws per interval.
    confidence : float
        Of the intervals; 1 − `confidence` is the level of the tests.
    periods : sequence of float
        Degrees; divisors of 360, each once.
    permutations : int
        Draws per test.
    smallest_effect : float
        Amplitude below which a wave would not matter, in units of the score.
    questions : mapping of str to mapping
        Name → column → values: which rows of the tests were declared to be this question.
    seed : int
        Of all draws.
    """

    bootstrap: int
    confidence: float
    periods: Sequence[float]
    permutations: int
    smallest_effect: float
    questions: Mapping[str, Mapping[str, Sequence[Any]]]
    seed: int

    @property
    def intervals(self) -> Bootstrap:
        """How its intervals are drawn."""
        return Bootstrap(self.bootstrap, self.confidence, self.seed)

    @property
    def tests(self) -> Permutations:
        """How its tests are drawn."""
        return Permutations(self.permutations, self.seed, self.level)

    @property
    def level(self) -> float:
        """Of the tests, for example 0.05."""
        return 1 - self.confidence

    @property
    def plan(self) -> str:
        """Digest of what was declared, 16 hexadecimal digits: another plan has another one."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
