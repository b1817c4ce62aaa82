"""All that the workflow does with Snakemake's internals.

What Snakemake does not document may be gone in its next version. Each hook says what it works
around. Where it no longer finds what it needs, the log says once what is lost, and the run goes
on. `workflow` is the object of that name in a Snakefile.
"""

from __future__ import annotations

import atexit
import functools
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from thetascope.engine.failures import Failures, last_lines
from thetascope.engine.progress import Progress

P = ParamSpec("P")
T = TypeVar("T")
TOLD = "THETASCOPE_HOOKS_TOLD"  # jobs inherit this environment variable, and do not say it again

log = logging.getLogger("snakemake.logging")


def comfort(lost: str, instead: Any) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Guard a hook: if it fails, say what is `lost` and return `instead`, which suits any run.

    A hook runs nothing that raises a `UserError`: that would be caught too.
    """

    def guard(hook: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(hook)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return hook(*args, **kwargs)
            except Exception as error:
                told = os.environ.get(TOLD, "").split()
                if hook.__name__ not in told:
                    os.environ[TOLD] = " ".join([*told, hook.__name__])
                    log.warning(f"With this version of Snakemake you lose {lost} ({error!r}).")
                return instead

        return guarded

    return guard


@comfort("the check for keys that are listed twice in a configuration", instead=())
def configuration_files(workflow: Any) -> tuple[str | Path, ...]:
    """Name `config.yaml` and its overlays: Snakemake accepts keys that are listed twice (#2323)."""
    return tuple(workflow.configfiles)


@comfort("the default for settings that `config:` of a module leaves out", instead=False)
def is_module_with_config(workflow: Any) -> bool:
    """Tell if `config:` of a `module:` took the place of `config.yaml`. No upstream issue found."""
    return workflow.modifier.skip_configfile


@comfort("`snakemake verify` with a Snakefile of another name", instead="Snakefile")
def snakefile_name(workflow: Any) -> str:
    """Name the file of `--snakefile`. No upstream issue found; see `Workflow.main_snakefile`."""
    return Path(workflow.main_snakefile).name


@comfort("the check of image sets at start-up in the main process alone", instead=True)
def is_main_process(workflow: Any) -> bool:
    """Tell Snakemake itself from the processes of its jobs, which read the Snakefile too (#896)."""
    return workflow.is_main_process


@comfort("the limit of torch jobs to the cores and GPUs that there are", instead=None)
def cores(workflow: Any) -> int | None:
    """Give `--cores`, or None where a cluster schedules: `workflow.cores` raises there (#896)."""
    return workflow.global_resources["_cores"].value


@comfort("the limit of one job at a time per GPU", instead=True)
def is_limited(workflow: Any, resource: str) -> bool:
    """Tell whether there is a limit, as by `--resources`; else any number of jobs runs (#116)."""
    return resource in workflow.global_resources


@comfort("torch jobs side by side on several GPUs", instead=False)
def limit(workflow: Any, resource: str, amount: int) -> bool:
    """Do as `--resources` does, for which a Snakefile has no words (#1866); tell if it is done."""
    workflow.register_resource(resource, amount)
    return True


@comfort("a tenth of the time that planning takes", instead=None)
def look_once_for_scripts() -> None:
    """Look for a rule's script once; Snakemake reads it for each job. No upstream issue found.

    Names of scripts may hold wildcards. Ours do not; of other rules the first job is looked at.
    """
    from snakemake.dag import ScriptProcessor

    look, found = ScriptProcessor.process_job, set()

    def look_once(self: Any, job: Any) -> None:
        if job.rule not in found:
            look(self, job)
            found.add(job.rule)

    ScriptProcessor.process_job = look_once


@comfort("a core to Snakemake's scheduler in a long run", instead=None)
def lift_rate_limit(workflow: Any) -> None:
    """Let jobs start when there is room: `--cores` and `--jobs` limit enough.

    With `--max-jobs-per-timespan`, which has a default, `JobScheduler.schedule` starts a timer
    whenever it looks for jobs that can run, and looks again when the timer ends: every finished
    job adds a circle that never ends, until looking takes a core of its own. Users see that in
    #2967; #3744 is about needless looks too. Both are open.
    """
    scheduler = workflow.scheduler
    lifted = scheduler.job_rate_limiter  # if it is gone, this fails, and setting it would not
    scheduler.job_rate_limiter = None
    log.debug(f"no limit to the rate of jobs instead of {lifted}")


@comfort("results that stay when an image set is prepared again to what it was", instead=None)
def look_again(
    workflow: Any,
    rule: str,
    as_before: Callable[[list[str], list[str]], bool],
    to_do: Counter[str],
) -> None:
    """Plan anew after a job of this rule whose outputs are as before, and count down what is to do.

    Snakemake plans all that follows a job before it knows what comes of it (#280); only after a
    checkpoint does it look again, and so does this.
    """
    dag = workflow.dag
    finish, plan, reasons, running = dag.finish, dag.postprocess, dag._reason, dag._running

    async def finish_and_look_again(job: Any, *args: Any, **kwargs: Any) -> bool:
        ready = await finish(job, *args, **kwargs)
        if job.is_group() or job.rule.name != rule:
            return ready
        if not as_before([*map(str, job.output)], [*map(str, job.input)]):
            return ready
        planned = {job for job in dag.needrun_jobs() if job not in running}
        for waiting in planned:
            if not dag.finished(waiting):
                reasons.pop(waiting, None)
        await plan()
        spared = planned - {*dag.needrun_jobs()}
        to_do.subtract(job.rule.name for job in spared)
        folder = Path(job.output[0]).parent
        log.info(f"{folder} is as it was before: {len(spared)} jobs need not run.")
        return True

    dag.finish = finish_and_look_again


@comfort("lines of progress, and the quick start of torch jobs", instead=Counter())
def jobs_to_do(workflow: Any) -> Counter[str]:
    """Count the jobs of each rule that will run: `onstart` is not told (#1884)."""
    return Counter(job.rule.name for job in workflow.dag.needrun_jobs())


@comfort("the quick start of torch jobs", instead=False)
def runs_locally(workflow: Any) -> bool:
    """Tell a workstation from a cluster; #896 asks how a Snakefile could."""
    return not workflow.non_local_exec


@comfort("the quick start of torch jobs", instead=True)
def deploys_software(workflow: Any) -> bool:
    """Tell if jobs get an environment (`--sdm`). No upstream issue; see `DeploymentSettings`."""
    return bool(workflow.deployment_settings.deployment_method)


@comfort("lines of progress", instead=None)
def follow_progress(jobs: Counter[str], show_logs: bool) -> None:
    """Say how far the run is when a job ends; Snakemake names no rules and no time (#3352, #3151).

    `show_logs` repeats the end of a failed job's log: on a cluster the terminal has not seen it,
    and `--show-failed-logs` shows all of it or, on SLURM, nothing (#2911). A logger plugin (#3107)
    would do, with a package and an option of its own. What failed is said again when all else is
    said: Snakemake ends with "At least one job did not complete", far below the reason.
    """
    from snakemake.logging import logger
    from snakemake.settings.enums import Quietness
    from snakemake_interface_logger_plugins.common import LogEvent

    class Follower(logging.Handler):
        understands = True  # once it does not, it is silent: half of it all would be wrong

        def emit(self, record: Any) -> None:
            self.understands = self.understands and follow(record)

    @comfort("lines of progress", instead=False)
    def follow(record: Any) -> bool:
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:
            progress.begin(record.jobid, record.rule_name)
            failures.begin(record.jobid, record.rule_name, record.wildcards, record.log)
        elif event == LogEvent.JOB_ERROR:
            progress.fail(record.jobid)
            log_of_job = failures.fail(record.jobid, record.log)
            if show_logs and record.log:
                say(last_lines(log_of_job))
        elif event == LogEvent.JOB_FINISHED:
            progress.finish(record.job_id)
            failures.finish(record.job_id)
        elif event == LogEvent.PROGRESS:  # follows the end of a job
            say(str(progress))
        return True

    progress, failures = Progress(jobs), Failures()
    say = functools.partial(logger.info, extra={"quietness": Quietness.PROGRESS})
    if jobs:  # else nobody knows how many there are
        logger.addHandler(Follower())
        atexit.register(lambda: sys.stderr.write(f"{failures}\n" if str(failures) else ""))
