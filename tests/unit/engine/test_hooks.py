"""Each hook at work in the Snakemake that is installed, and without what it needs."""

import ast
import inspect
import logging
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from thetascope.engine import hooks
from thetascope.engine.fingerprint import LIBRARY

ROOT = LIBRARY.parents[1]
HOOKS = {name: hook for name, hook in vars(hooks).items() if hasattr(hook, "__wrapped__")}
LOST = "With this version of Snakemake you lose"

PRELUDE = f"""
import sys
sys.path.insert(0, {str(LIBRARY.parent)!r})
from thetascope.engine import hooks

rule all:
    default_target: True
    input: expand("{{i}}.txt", i=range(3)),

rule one:
    output: "{{i}}.txt"
    log: "{{i}}.log"
    resources: gpu=1
    shell: "echo trying >{{log}}; {{SHELL}}"

SHELL = "touch {{output}}"
"""

# runs a job's command at once, here; for Snakemake it is a cluster
CLUSTER = """
import subprocess
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True, implies_no_shared_fs=False, job_deploy_sources=False
)


class Executor(RemoteExecutor):
    def run_job(self, job):
        subprocess.run(self.format_job_exec(job), shell=True)
        self.report_job_submission(SubmittedJobInfo(job=job))

    async def check_active_jobs(self, active_jobs):
        for info in active_jobs:
            self.report_job_success(info)
        for info in []:  # none goes on
            yield info

    def cancel_jobs(self, active_jobs):
        pass
"""


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch):
    monkeypatch.setenv(hooks.TOLD, "")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a small workflow with these lines in it; by default it succeeds and loses nothing."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugins"))

    def run(lines, *arguments, code=0, command="touch {output}", name="Snakefile"):
        arguments = arguments if "--jobs" in arguments else ["--cores", "3", *arguments]
        snakefile = PRELUDE.replace("{{", "{").replace("}}", "}").replace("{SHELL}", command)
        (tmp_path / name).write_text(snakefile + lines)
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert LOST not in said
        return said

    return run


@pytest.fixture
def cluster(tmp_path):
    """Options for a run where jobs are not this machine's."""
    plugin = tmp_path / "plugins" / "snakemake_executor_plugin_here"
    plugin.mkdir(parents=True)
    (plugin / "__init__.py").write_text(CLUSTER)
    return ["--executor", "here", "--jobs", "3", "--seconds-between-status-checks", "1"]


def told(said):
    """What the lines of a Snakefile printed after `told`."""
    return re.findall(r"^told (.*)$", said, re.M)


# -- at work ---------------------------------------------------------------------------------------


def test_configuration_files(run, tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1\n")
    (tmp_path / "more.yaml").write_text("b: 1\n")
    lines = 'configfile: "config.yaml"\nprint("told", *hooks.configuration_files(workflow))'
    (files,) = told(run(lines, "--dry-run", "--configfile", "more.yaml"))
    assert sorted(Path(file).name for file in files.split()) == ["config.yaml", "more.yaml"]


def test_is_module_with_config(run, tmp_path):
    inner = tmp_path / "inner.smk"
    asks = 'print("told", hooks.is_module_with_config(workflow))\n'
    inner.write_text(f"from thetascope.engine import hooks\n{asks}")
    module = '\nmodule inner:\n    snakefile: "inner.smk"{}\n\nuse rule * from inner as in_*\n'
    assert told(run(asks + module.format(""), "--dry-run")) == ["False", "False"]
    with_config = module.format("\n    config: {'a': 1}")
    assert told(run(asks + with_config, "--dry-run")) == ["False", "True"]


def test_snakefile_name(run):
    lines = 'print("told", hooks.snakefile_name(workflow))'
    said = run(lines, "--dry-run", "--snakefile", "other.smk", name="other.smk")
    assert told(said) == ["other.smk"]


def test_is_main_process(run):
    said = run("\nprint('MAIN' if hooks.is_main_process(workflow) else 'JOB', file=sys.stderr)\n")
    assert said.count("MAIN") == 1


LOOK_AGAIN = """
rule first:
    output: "{{name}}.first"
    params: {}
    shell: "echo {{wildcards.name}} {{params}} > {{output}}"

rule second:
    input: "{{name}}.first"
    output: "{{name}}.second"
    shell: "cp {{input}} {{output}}"

rule third:
    input: expand("{{name}}.second", name=["a", "b"])
    output: "third"
    shell: "cat {{input}} > {{output}}"

def as_before(outputs, inputs):
    from os import utime
    if {} and outputs == ["a.first"] and inputs == []:
        utime(outputs[0], (1, 1))
        return True
    return False

onstart:
    to_do = hooks.jobs_to_do(workflow)
    hooks.look_again(workflow, "first", as_before, to_do)
    hooks.follow_progress(to_do, show_logs=False)
"""


@pytest.mark.parametrize("same", [True, False])
def test_look_again(run, tmp_path, same):
    """What follows from a job whose output is as before is not run, what follows from others is."""
    run(LOOK_AGAIN.format(1, same), "third")
    (tmp_path / "third").unlink()  # what it takes to see that it is made
    said = run(LOOK_AGAIN.format(2, same), "third")
    assert (tmp_path / "third").read_text() == f"a {1 if same else 2}\nb 2\n"
    ran = re.findall(r"^(?:local)?rule (\w+):", said, re.M)
    assert sorted(ran) == ["first", "first", *["second"] * (1 if same else 2), "third"]
    assert ("is as it was before: 1 jobs need not run" in said) == same
    assert f"{4 if same else 5} of {4 if same else 5} jobs done" in said


def test_cores(run):
    assert told(run('print("told", hooks.cores(workflow))', "--dry-run")) == ["3"]


def test_is_limited(run):
    lines = 'print("told", hooks.is_limited(workflow, "gpu"))'
    assert told(run(lines, "--dry-run")) == ["False"]
    assert told(run(lines, "--dry-run", "--resources", "gpu=2")) == ["True"]


def test_limit(run):
    alone = "mkdir alone && sleep 0.5 && rmdir alone && touch {output}"
    run('hooks.limit(workflow, "gpu", 1)', command=alone)


@pytest.mark.parametrize("lifted", [True, False])
def test_lift_rate_limit(run, lifted):
    timers = """
onsuccess:
    import threading
    print("told", any(isinstance(thread, threading.Timer) for thread in threading.enumerate()))
"""
    lines = "\nonstart:\n    hooks.lift_rate_limit(workflow)\n" if lifted else ""
    said = run(lines + timers, "--max-jobs-per-timespan", "1/1h" if lifted else "100/3s")
    # if Snakemake leaves no timers by itself, there is nothing to work around any more
    assert told(said) == [str(not lifted)]


@pytest.mark.parametrize("hooked", [True, False])
def test_look_once_for_scripts(run, tmp_path, hooked):
    """One look for three jobs; a script that is missing is still said before any job runs."""
    (tmp_path / "two.py").touch()
    lines = """
from snakemake import script

rule two:
    input: expand("{i}.two", i=range(3))

rule of_two:
    output: "{i}.two"
    script: "two.py"

read, looks = script.get_source, []
script.get_source = lambda *given, **names: looks.append(given) or read(*given, **names)
import atexit
atexit.register(lambda: print("told", len(looks)))
"""
    lines += "hooks.look_once_for_scripts()\n" if hooked else ""
    # if Snakemake looks once by itself, there is nothing to work around any more
    assert told(run(lines, "two", "--dry-run")) == ["1" if hooked else "3"]
    (tmp_path / "two.py").unlink()
    assert "two.py" in run(lines, "two", "--dry-run", code=1)


def test_jobs_to_do(run, tmp_path):
    lines = "\nonstart:\n    print('told', sorted(hooks.jobs_to_do(workflow).items()))\n"
    assert told(run(lines)) == ["[('all', 1), ('one', 3)]"]
    (tmp_path / "1.txt").unlink()
    assert told(run(lines)) == ["[('all', 1), ('one', 1)]"]


def test_runs_locally(run):
    lines = "\nonstart:\n    print('told', hooks.runs_locally(workflow))\n"
    assert told(run(lines)) == ["True"]


def test_a_cluster_has_no_cores_and_does_not_run_locally(run, cluster):
    lines = """
print("told", hooks.cores(workflow), "cores")

onstart:
    print("told", hooks.runs_locally(workflow))
"""
    assert {"None cores", "False"} <= {*told(run(lines, "0.txt", *cluster))}


def test_deploys_software(run, tmp_path):
    lines = "\nonstart:\n    print('told', hooks.deploys_software(workflow))\n"
    assert told(run(lines, "0.txt")) == ["False"]
    assert told(run(lines, "1.txt", "--sdm", "env-modules")) == ["True"]


PROGRESS = "\nonstart:\n    hooks.follow_progress(hooks.jobs_to_do(workflow), show_logs={})\n"


def test_follow_progress(run):
    said = run(PROGRESS.format(True), "--cores", "1")
    assert re.search(r"^1 of 4 jobs done; about 1 min to go$", said, re.M)
    assert re.search(r"^4 of 4 jobs done$", said, re.M)
    assert "the last lines of" not in said


def test_progress_can_be_turned_off(run):
    quiet = ["--quiet", "progress"]
    assert "the last lines of" not in run(PROGRESS.format(True), *quiet, command="exit 1", code=1)
    assert "jobs done" not in run(PROGRESS.format(True), *quiet)


@pytest.mark.parametrize("shown", [True, False])
def test_the_log_of_a_failed_job_is_repeated(run, shown):
    said = run(PROGRESS.format(shown), command="exit 1", code=1)
    assert ("the last lines of 0.log:\ntrying\n" in said) == shown


def test_the_reasons_are_the_last_that_is_said(run):
    said = run(PROGRESS.format(False), command="echo no luck >>{log}; exit 1", code=1)
    end = said[said.index("At least one job did not complete") :]
    assert re.search(r"^\d jobs? failed:\n- one \(i=\d\): no luck\n  log: \d.log$", end, re.M)
    assert end.strip().endswith("start the same command again.")
    assert "failed:" not in run(PROGRESS.format(False), "--forceall")


# -- without what they need ------------------------------------------------------------------------


@pytest.fixture
def warnings(caplog):
    """What was said on the level that a user sees."""
    caplog.set_level(logging.INFO, "snakemake.logging")
    return lambda: [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


WITH_WORKFLOW = [
    hook for hook in HOOKS.values() if "workflow" in inspect.signature(hook).parameters
]


@pytest.mark.parametrize("hook", WITH_WORKFLOW)
def test_a_workflow_that_lacks_it_goes_on(hook, warnings):
    others = {"resource": "gpu", "amount": 1}
    given = [others.get(name, object()) for name in inspect.signature(hook).parameters]
    first, second = hook(*given), hook(*given)
    assert first == second
    (said,) = warnings()
    assert said.startswith(LOST) and "AttributeError" in said


def test_values_without_hooks_suit_any_run():
    nothing = object()
    assert list(hooks.configuration_files(nothing)) == []
    assert hooks.snakefile_name(nothing) == "Snakefile"
    assert hooks.cores(nothing) is None
    assert hooks.is_limited(nothing, "gpu")
    assert not hooks.jobs_to_do(nothing)
    assert not hooks.runs_locally(nothing)
    assert hooks.deploys_software(nothing)


def test_a_scheduler_without_rate_limit_does_not_get_one(warnings):
    scheduler = SimpleNamespace()
    hooks.lift_rate_limit(SimpleNamespace(scheduler=scheduler))
    assert len(warnings()) == 1 and not vars(scheduler)


@pytest.mark.parametrize(
    "module",
    ["snakemake.logging", "snakemake.settings.enums", "snakemake_interface_logger_plugins.common"],
)
def test_no_progress_where_a_module_is_gone(monkeypatch, warnings, module):
    monkeypatch.setitem(sys.modules, module, None)
    hooks.follow_progress(hooks.Counter(one=1), show_logs=False)
    (said,) = warnings()
    assert "lines of progress" in said and module in said


def test_no_progress_where_records_have_changed(warnings, caplog):
    from snakemake.logging import logger
    from snakemake_interface_logger_plugins.common import LogEvent

    before = list(logger.handlers)
    hooks.follow_progress(hooks.Counter(one=1), show_logs=False)
    (follower,) = (handler for handler in logger.handlers if handler not in before)
    try:
        for event in (LogEvent.JOB_INFO, LogEvent.JOB_FINISHED, LogEvent.PROGRESS):
            logger.info("without any attribute", extra={"event": event})
    finally:
        logger.removeHandler(follower)
    assert len(warnings()) == 1
    assert "jobs done" not in caplog.text


# -- the module ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOOKS)
def test_each_names_what_it_works_around(name):
    assert re.search(r"#\d{3,}|No upstream issue", HOOKS[name].__doc__)


@pytest.mark.parametrize("name", HOOKS)
def test_each_has_a_test(name):
    tests = [test for test in globals() if test.startswith("test_")]
    assert f"test_{name}" in tests


def test_nothing_else_touches_snakemakes_internals():
    for file in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]:
        used = re.findall(r"\bworkflow\.(\w+)", file.read_text().replace("report/workflow.rst", ""))
        assert set(used) <= {"basedir", "current_basedir"}, (
            file
        )  # without it nothing of ours is found
    for file in ROOT.glob("workflow_scripts/**/*.py"):
        imports = re.findall(r"^\s*(?:from|import) (snakemake\w*)", file.read_text(), re.M)
        assert not imports or file.name == "hooks.py", file


def test_it_needs_neither_torch_nor_snakemake_to_be_imported():
    code = "import sys, thetascope.engine.hooks; print([*sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=LIBRARY.parent, capture_output=True, text=True, check=True)
    assert not {"torch", "snakemake"} & {*ast.literal_eval(done.stdout)}
