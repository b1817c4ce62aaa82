"""What a person reads while the workflow runs."""

from collections import Counter

import pytest

from thetascope.engine.progress import Progress, duration


class Run:
    """Jobs that begin and end at given seconds."""

    def __init__(self, jobs):
        self.now = 0
        self.to_do = Counter(jobs)
        self.progress = Progress(self.to_do, clock=lambda: self.now)

    def begins(self, job, rule, at):
        self.now = at
        self.progress.begin(job, rule)

    def ends(self, job, at):
        self.now = at
        self.progress.finish(job)

    def fails(self, job, at):
        self.now = at
        self.progress.fail(job)


def test_it_says_what_is_done_and_under_way():
    run = Run({"pretrain": 4, "score": 2})
    run.begins(1, "pretrain", at=0)
    run.begins(2, "pretrain", at=0)
    run.begins(3, "score", at=0)
    run.ends(1, at=60)
    said = "1 of 6 jobs done, under way: 1 pretrain, 1 score; about 1 min to go"
    assert str(run.progress) == said


def test_jobs_that_need_not_run_are_not_waited_for():
    run = Run({"data": 1, "pretrain": 4})
    run.begins(1, "data", at=0)
    run.ends(1, at=60)
    run.to_do.subtract(["pretrain", "pretrain", "pretrain"])
    assert str(run.progress) == "1 of 2 jobs done; about 1 min to go"


def test_jobs_of_a_rule_take_as_long_as_those_before():
    run = Run({"pretrain": 11, "score": 101})
    run.begins(1, "pretrain", at=0)
    run.ends(1, at=100)
    run.begins(2, "score", at=100)
    run.ends(2, at=101)
    assert run.progress.seconds_to_go() == pytest.approx(10 * 100 + 100 * 1)


def test_a_rule_of_which_nothing_is_known_takes_as_long_as_the_others():
    run = Run({"pretrain": 1, "saliency": 3})
    run.begins(1, "pretrain", at=0)
    run.ends(1, at=40)
    assert run.progress.seconds_to_go() == pytest.approx(3 * 40)


def test_two_at_a_time_take_half_as_long():
    run = Run({"pretrain": 6})
    for job in (1, 2):
        run.begins(job, "pretrain", at=0)
    for job in (1, 2):
        run.ends(job, at=50)
    assert run.progress.seconds_to_go() == pytest.approx(4 * 50 / 2)


def test_time_that_a_job_has_been_under_way_does_not_come_again():
    run = Run({"pretrain": 2})
    run.begins(1, "pretrain", at=0)
    run.ends(1, at=100)
    run.begins(2, "pretrain", at=100)
    run.now = 175
    assert run.progress.seconds_to_go() == pytest.approx(25)
    run.now = 1000
    assert run.progress.seconds_to_go() == 0


def test_a_failed_job_is_not_under_way_until_it_is_tried_again():
    run = Run({"pretrain": 2})
    run.begins(1, "pretrain", at=0)
    run.fails(1, at=10)
    assert str(run.progress) == "0 of 2 jobs done"
    run.begins(1, "pretrain", at=20)
    assert str(run.progress) == "0 of 2 jobs done, under way: 1 pretrain"
    run.ends(1, at=60)
    assert run.progress.seconds_to_go() == pytest.approx(40 / (40 / 60))


def test_the_end_has_nothing_to_go():
    run = Run({"all": 1})
    run.begins(1, "all", at=0)
    run.ends(1, at=1)
    assert str(run.progress) == "1 of 1 jobs done"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "1 min"), (89, "1 min"), (3569, "59 min"), (3600, "1 h 0 min"), (9000, "2 h 30 min")],
)
def test_duration(seconds, said):
    assert duration(seconds) == said
