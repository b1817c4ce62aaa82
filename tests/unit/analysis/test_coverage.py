"""Intervals of waves and levels cover the truth in the designs that studies have."""

from itertools import product

import numpy as np
import pytest
from factories import PERIODS, grid, wave
from scipy import stats

from thetascope.analysis.bounds import (
    Error,
    amplitude_bound,
    amplitude_interval,
    level_interval,
    phase_margin,
)
from thetascope.analysis.curves import Curve
from thetascope.analysis.waves import fit

STUDIES = 200
KEY = {"model": "pretrained", "attribution": "smoothgrad", "series": "excess", "sweep": "diagonal"}
DESIGNS = list(product((12, 24), (1, 3), ((3, 3), (9, 1), (12, 1))))


def study(rng, angles, seeds, cases, items, amplitude):
    """A curve at a level of 0.3, and the mean wave of its own cases at 90°."""
    theta = grid(np.arange(angles) * 360 / angles, seeds)
    own = rng.normal(0, 0.02, (cases, 4)) + 1j * rng.normal(0, 0.02, (cases, 4))
    own[:, 3] += amplitude
    waves = sum(
        wave(theta[..., None], one.real, p) + wave(theta[..., None], one.imag, p, p / 4)
        for one, p in zip(own.T, PERIODS, strict=True)
    )
    shape = angles, seeds, cases, items
    values = 0.3 + waves[..., None] + rng.normal(0, 0.05, shape)  # noise of items
    values += rng.normal(0, 0.1, (cases, 1)) + rng.normal(0, 0.03, (angles, seeds, 1, 1))
    names = np.repeat([f"c{i}" for i in range(cases)], items)
    return Curve(KEY, theta, values.reshape(angles, seeds, -1), names, {}), own[:, 3].mean()


def stacked(errors):
    """Errors of several fits as one: of their waves the last."""
    pairs = [(np.ravel(e.variance)[-1], np.ravel(e.freedom)[-1]) for e in errors]
    return Error(*np.transpose(pairs))


def covered(studies, amplitude):
    """Whether each kind of interval holds the truth, bool [studies] each."""
    fits = [fit(curve, PERIODS) for curve, _ in studies]
    found = np.array([f.waves[3] for f in fits])
    own = np.array([mean for _, mean in studies])
    runs, both = (stacked(getattr(f, name) for f in fits) for name in ("runs", "both"))
    low, high = amplitude_interval(abs(found), runs, 0.95)
    new_low, new_high = amplitude_interval(abs(found), both, 0.95)
    level = np.array([f.level for f in fits])
    level_low, level_high = level_interval(level, stacked(f.level_both for f in fits), 0.95)
    return {
        "new runs": (low <= abs(own)) & (abs(own) <= high),
        "new cases": (new_low <= amplitude) & (amplitude <= new_high),
        "bound": amplitude_bound(abs(found), runs, 0.95) >= abs(own),
        "phase": abs(np.angle(found * own.conj())) <= phase_margin(abs(found), runs, 0.95),
        "level": (level_low <= 0.3) & (level_high >= 0.3),
    }


def may_be(hits, low, high):
    """Whether the rate lies between two, but for chance in one of 10,000 such samples."""
    fewest = stats.binom.ppf(1e-4, len(hits), low)
    return fewest <= hits.sum() <= stats.binom.isf(1e-4, len(hits), high)


@pytest.mark.parametrize("amplitude", [0, 0.02, 0.05])
def test_the_truth_is_covered_in_every_design(amplitude):
    """Between 0.93 and 0.985; where there is no wave only the low end of an interval can miss.

    It then holds 0.975 or more, and a bound everything.
    """
    rng = np.random.default_rng(int(100 * amplitude))
    of_all = {}
    for design in DESIGNS:
        studies = [study(rng, *design[:2], *design[2], amplitude) for _ in range(STUDIES)]
        for name, hits in covered(studies, amplitude).items():
            most = (
                1 if name == "bound" else 0.995 if (name, amplitude) == ("new cases", 0) else 0.985
            )
            assert may_be(hits, 0.93, most), (design, name, hits.mean())
            of_all.setdefault(name, []).append(hits)
    for name, hits in of_all.items():  # 2,400 studies
        assert 0.94 <= np.mean(hits) <= (1 if name == "bound" else 0.985), name
