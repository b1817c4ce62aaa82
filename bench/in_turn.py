"""Ways to do the same, timed in turn, since a machine's speed drifts."""

import time

import numpy as np


def in_turn(ways, rounds, clock=time.process_time):
    """Seconds of each way in each round, after one round to warm up."""
    seconds = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            start = clock()
            way()
            seconds[name].append(clock() - start)
    return {name: np.array(s[1:]) for name, s in seconds.items()}


def compare(ways, rounds):
    """Print what each way takes, and how much that is of the first one in the same round."""
    seconds = in_turn(ways, rounds)
    limit, *_ = seconds
    for name, times in seconds.items():
        low, middle, high = np.quantile(times / seconds[limit], [0.25, 0.5, 0.75])
        print(f"{name}: {np.median(times):.3f} s, {middle:.3f} ({low:.3f}-{high:.3f}) of {limit}")
