"""What a job measures of itself; tests/workflow/test_job.py runs whole jobs."""

import resource
import sys
from types import SimpleNamespace

import pytest

from thetascope.engine import job


@pytest.mark.parametrize(("system", "counted"), [("linux", 300 * 1024), ("darwin", 300 * 1024**2)])
def test_memory_is_in_mb_on_every_system(monkeypatch, system, counted):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(resource, "getrusage", lambda who: SimpleNamespace(ru_maxrss=counted))
    assert job._largest_memory() == 300
