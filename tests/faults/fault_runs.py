"""Real runs of the smallest experiment in which something goes wrong."""

import subprocess
import sys
import time
from contextlib import suppress
from hashlib import sha256

import psutil

RUN = "results/runs/ihc/plain/efficientnet_lite0/moco/angle-090.0/seed-0"
LOGS = RUN.replace("results/", "logs/")
# stage → a file that it makes, its log
STAGES = {
    "data": ("results/data/ihc/manifest.csv", "logs/data/ihc.log"),
    "pretrain": (f"{RUN}/pretrained.pt", f"{LOGS}/pretrain.log"),
    "finetune": (f"{RUN}/finetuned.pt", f"{LOGS}/finetune.log"),
    "saliency": (f"{RUN}/eval-090.0/saliency.npz", f"{LOGS}/eval-090.0/saliency.log"),
    "score": (f"{RUN}/eval-090.0/dice.csv", f"{LOGS}/eval-090.0/score.log"),
    "dice_per_item": ("results/tables/dice_per_item.parquet", "logs/tables/dice_per_item.log"),
    "periodicity_tables": ("results/tables/noise.csv", "logs/tables/periodicity.log"),
}


def contents(folder):
    """Every file but the unfinished states: path → digest."""
    files = (p for p in folder.rglob("*") if p.is_file() and "state" not in p.parts)
    return {p.relative_to(folder): sha256(p.read_bytes()).hexdigest() for p in files}


def start(project, *arguments):
    """Start Snakemake there; what it says is in `said.txt`."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    command += ["--configfile", "experiments/smoke.yaml"]
    with (project.folder / "said.txt").open("w") as file:
        streams = {"stdout": file, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=project.folder, **streams)


def said(project):
    return (project.folder / "said.txt").read_text()


def _writers(log):
    """Processes that have this log open: whoever does the job, however it was started."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it ended meanwhile
            if any(file.path == str(log) for file in process.open_files()):
                yield process


def job_of(project, snakemake, stage, but=()):
    """The stage's process once it works, other than those that did so before."""
    log = project.folder / STAGES[stage][1]
    while snakemake.poll() is None:
        for process in _writers(log):
            if process not in but and "start" in log.read_text():
                return process
        time.sleep(0.01)
    raise AssertionError(f"{stage} never started: {said(project)}")
