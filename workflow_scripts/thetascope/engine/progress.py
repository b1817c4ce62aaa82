"""How far a run of the workflow is: what is done, under way, left, and for how long."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable


class Progress:
    """Keeps account of jobs that begin and end, as `hooks.follow_progress` tells it.

    Parameters
    ----------
    jobs : Counter of str
        How many jobs of each rule there are to do. It is counted down, and who finds that some need
        not be done takes them out.
    clock : callable
        Seconds.

    Notes
    -----
    A rule's jobs take what those that are done took on average, and rules of which none is done
    yet what all others took. The time to go is this work divided by how many jobs were under way
    at a time so far.
    """

    def __init__(self, jobs: Counter[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._done, self._left = 0, jobs
        self._under_way: dict[int, tuple[str, float]] = {}
        self._took: dict[str, list[float]] = defaultdict(list)
        self._began = clock()

    def begin(self, job: int, rule: str) -> None:
        """A job of this rule begins."""
        self._under_way[job] = (rule, self._clock())

    def fail(self, job: int) -> None:
        """A job fails; it may be tried again."""
        self._under_way.pop(job, None)

    def finish(self, job: int) -> None:
        """A job is done."""
        if job in self._under_way:
            rule, begun = self._under_way.pop(job)
            self._took[rule].append(self._clock() - begun)
            self._left[rule] -= 1
            self._done += 1

    def seconds_to_go(self) -> float:
        """Estimate from the jobs that are done, at least one."""
        took = [seconds for all_of_rule in self._took.values() for seconds in all_of_rule]
        mean = {rule: sum(seconds) / len(seconds) for rule, seconds in self._took.items()}
        work = sum(n * mean.get(rule, sum(took) / len(took)) for rule, n in self._left.items())
        now = self._clock()
        spent = [now - begun for _, begun in self._under_way.values()]
        at_a_time = (sum(took) + sum(spent)) / (now - self._began)
        return max(0.0, work - sum(spent)) / at_a_time

    def __str__(self) -> str:
        """One line for a person who waits."""
        left = self._left.total()
        line = f"{self._done} of {self._done + left} jobs done"
        if self._under_way:
            rules = Counter(rule for rule, _ in self._under_way.values())
            line += f", under way: {', '.join(f'{n} {rule}' for rule, n in rules.items())}"
        if left and self._took:
            line += f"; about {duration(self.seconds_to_go())} to go"
        return line


def duration(seconds: float) -> str:
    """Hours and minutes, as exact as an estimate deserves."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
