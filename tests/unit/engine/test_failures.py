"""What a person reads last when jobs have failed."""

import logging
from types import SimpleNamespace

import pytest

from thetascope.engine.failures import SILENT, Failures, last_lines, reason
from thetascope.engine.job import job
from thetascope.errors import UserError

WILDCARDS = {"dataset": "mine", "seed": "0"}
NAME = "pretrain (dataset=mine, seed=0)"


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "logs/pretrain.log"


@pytest.fixture
def fails(log):
    """Let a job raise an error inside of its frame, which writes its log."""

    def fail(error):
        root = logging.getLogger()
        before, level = root.handlers[:], root.level
        root.handlers[:] = []
        try:
            with pytest.raises(SystemExit), job(as_given(log)):
                raise error
        finally:
            for handler in root.handlers:
                handler.close()
            root.handlers[:] = before
            root.setLevel(level)

    return fail


def as_given(log):
    what = {"wildcards": WILDCARDS, "rule": "pretrain", "output": [], "config": {}}
    return SimpleNamespace(log=[str(log)], **what)


def begun(log, number=1):
    failures = Failures()
    failures.begin(number, "pretrain", WILDCARDS, [str(log)])
    return failures


def test_without_failures_there_is_nothing_to_say(log):
    assert str(Failures()) == ""
    assert str(begun(log)) == ""


def test_a_mistake_of_the_user_is_repeated_as_it_was_said(log, fails):
    failures = begun(log)
    fails(UserError("labels: [3]: no mask has it; choose one"))
    assert failures.fail(1, [str(log)]) == log
    said = str(failures).splitlines()
    assert said[1:4] == [
        "1 job failed:",
        f"- {NAME}: labels: [3]: no mask has it; choose one",
        f"  log: {log}",
    ]
    assert "start the same command again" in said[-1]


def test_the_reason_is_read_when_a_job_fails_since_the_path_may_lead_elsewhere_later(
    log, fails, monkeypatch
):
    failures = begun(log)
    fails(UserError("labels: [3]: no mask has it"))
    failures.fail(1, ["logs/pretrain.log"])
    monkeypatch.chdir("/")
    assert "labels: [3]: no mask has it" in str(failures)


def test_of_any_other_error_the_last_line_is_the_reason(log, fails):
    failures = begun(log)
    fails(ValueError("shapes do not match"))
    failures.fail(1, [str(log)])
    assert f"- {NAME}: ValueError: shapes do not match" in str(failures).splitlines()


def test_of_an_error_with_advice_below_it_the_error_is_the_reason(log, fails):
    failures = begun(log)
    fails(RuntimeError("CUDA error: illegal address\nFor debugging consider\n\nCompile with X"))
    failures.fail(1, [str(log)])
    assert f"- {NAME}: RuntimeError: CUDA error: illegal address" in str(failures).splitlines()


@pytest.mark.parametrize(
    "message",
    [
        "CUDA out of memory. Tried to allocate 84.00 MiB.",
        "CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation'\nCompile with X",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_of_a_full_gpu_what_to_lower_is_the_reason(log, fails, message):
    failures = begun(log)
    fails(RuntimeError(message))
    failures.fail(1, [str(log)])
    assert f"- {NAME}: the GPU's memory is full: lower `gpu_slots`" in str(failures)


def test_the_log_of_an_earlier_run_is_no_reason(log, fails):
    fails(UserError("what was wrong yesterday"))
    failures = begun(log)
    assert failures.fail(1, [str(log)]) is None
    assert "yesterday" not in str(failures) and SILENT in str(failures)
    assert last_lines(None) == "the job left no log"


def test_where_the_job_left_no_log_that_of_the_cluster_is_shown(log, tmp_path):
    other = tmp_path / "12.log"
    other.write_text("slurmstepd: error: Detected 1 oom_kill event\n")
    failures = begun(log)
    assert failures.fail(1, [str(log), str(other)]) == other
    assert "oom_kill" in str(failures)


def test_a_job_that_was_killed_says_nothing(log):
    failures = begun(log)
    log.parent.mkdir()
    log.write_text("2026-01-01 00:00:00,000 INFO thetascope.pretrain: epoch 1\n")
    assert failures.fail(1, [str(log)]) == log
    assert SILENT in str(failures) and "epoch 1" not in str(failures)


def test_a_job_that_was_tried_again_and_finished_did_not_fail(log):
    failures = begun(log)
    failures.fail(1, [str(log)])
    failures.begin(1, "pretrain", WILDCARDS, [str(log)])
    failures.finish(1)
    assert str(failures) == ""


def test_many_failures_are_counted():
    failures = Failures()
    for number in range(12):
        failures.begin(number, "score", {"seed": number}, [])
        failures.fail(number, [])
    said = str(failures)
    assert "12 jobs failed:" in said and said.count("- score (seed=") == 5
    assert "- and 7 more, named above" in said


def test_of_a_log_that_is_not_ours_the_last_line_is_the_reason(log):
    log.parent.mkdir()
    log.write_text("trying\nfailed badly\n")
    assert reason(log) == "failed badly"


def test_of_a_log_only_the_end_is_shown(log):
    log.parent.mkdir()
    log.write_text("".join(f"line {n}\n" for n in range(30)))
    said = last_lines(log).splitlines()
    assert said == [f"the last lines of {log}:", *(f"line {n}" for n in range(20, 30))]
