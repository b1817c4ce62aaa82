"""The workflow in a Snakemake where what the hooks need is gone: less comfort, the same run."""

import os
import re

import pytest

# Snakemake needs all this itself: it is hidden from hooks.py alone
HIDE = """
import builtins, sys

GONE = {gone!r}
given = builtins.__import__


def hide(kind):
    get = kind.__getattribute__

    def asked(self, name):
        if name in GONE and sys._getframe(1).f_code.co_filename.endswith("/hooks.py"):
            raise AttributeError(f"{{kind.__name__}} has no {{name}}")
        return get(self, name)

    kind.__getattribute__ = asked


def imports(name, globals=None, locals=None, fromlist=(), level=0):
    if (globals or {{}}).get("__name__") == "thetascope.engine.hooks":
        if "snakemake.workflow" in sys.modules and not hidden:
            for module, kind in KINDS:
                hide(getattr(sys.modules[module], kind))
            hidden.append(True)
        if name in GONE:
            raise ImportError(f"no {{name}}")
    return given(name, globals, locals, fromlist, level)


KINDS = [
    ("snakemake.workflow", "Workflow"),
    ("snakemake.dag", "DAG"),
    ("snakemake.scheduling.job_scheduler", "JobScheduler"),
]
hidden = []
builtins.__import__ = imports
"""
GONE = [
    "is_main_process",
    "configfiles",
    "modifier",
    "main_snakefile",
    "global_resources",
    "register_resource",
    "job_rate_limiter",
    "postprocess",
    "needrun_jobs",
    "non_local_exec",
    "deployment_settings",
    "snakemake.dag",
    "snakemake.settings.enums",
    "snakemake_interface_logger_plugins.common",
]
OF_PROGRESS = ("needrun_jobs", *GONE[-2:])
# jobs in this process, quick
QUICK = """
include: "Snakefile"

rule quick:
    output:
        "quick.txt",
    log:
        "quick.log",
    shell:
        "touch {output}"
"""


@pytest.fixture
def lost(fresh, monkeypatch):
    """Run a target where these are gone: what the log says of it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # so that there is a GPU to limit

    def lost(gone, *arguments):
        site = fresh.folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(HIDE.format(gone=gone))
        monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
        (fresh.folder / "quick.smk").write_text(QUICK)
        done = fresh.snakemake(*arguments)
        said = done.stdout + done.stderr
        return said, re.findall(r"With this version of Snakemake you lose (.*) \(\w+Error", said)

    return lost


def test_with_all_of_it_nothing_is_lost(lost):
    said, told = lost([], "quick", "--snakefile", "quick.smk")
    assert told == []
    assert "1 of 1 jobs done" in said


@pytest.mark.parametrize("gone", GONE)
def test_without_one_of_it_a_run_ends_well(lost, fresh, gone):
    said, told = lost([gone], "quick", "--snakefile", "quick.smk")
    assert (fresh.folder / "quick.txt").exists()
    assert 1 <= len(told) == said.count(gone)
    progress = gone not in OF_PROGRESS
    assert ("1 of 1 jobs done" in said) == progress


def test_without_any_of_it_a_run_ends_well_and_jobs_do_not_say_so_again(lost, fresh):
    manifest = "results/data/ihc/manifest.csv"
    said, told = lost(GONE, manifest)
    assert (fresh.folder / manifest).exists()
    assert len(told) >= 7
    assert len(re.findall("no main_snakefile", said)) == 1


def test_without_any_of_it_a_run_can_be_planned(lost):
    said, told = lost(GONE, "--dry-run")
    assert "This was a dry-run" in said
    assert told
