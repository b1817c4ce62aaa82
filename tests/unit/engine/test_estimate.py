"""Hours and disk from benchmark files and results that are really there."""

import numpy as np
import pandas as pd
import pytest

from thetascope.engine.estimate import estimate, report, stage_jobs
from thetascope.files import read_record, write_csv, write_npz

RUNS = [
    {"dataset": d, "view": "plain", "encoder": "e", "method": "moco", "angle": a, "seed": "0"}
    for d in ("lung", "brats")
    for a in ("000.0", "090.0", "180.0")
]
SETTINGS = {"epochs": 3, "shares": (1, 2)}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def jobs(settings=SETTINGS, precision="auto", canvas="zero", rule="pretrain"):
    outputs, folder = ["pretrain.csv", "pretrained.pt"], "runs/{dataset}/{angle}"
    views = {"plain": {"canvas": canvas}, "unused": {"canvas": "disc"}}
    return [*stage_jobs(rule, folder, outputs, RUNS, settings, views, precision)]


def run(job, seconds, size, **where):
    job.benchmark.parent.mkdir(parents=True)
    job.benchmark.write_text(f"s\tbytes\n{seconds}\t{size}\n")
    where = {"device": "cuda", "precision": "tf32"} | where
    made_by = {"params": {**job.params, "code": "x"}, **where}
    write_csv(pd.DataFrame({"a": [1]}), job.outputs[0], made_by)
    job.outputs[1].touch()


def test_hours_and_disk_by_hand():
    all_jobs = jobs()
    run(all_jobs[0], 1000, 2000)
    run(all_jobs[1], 3000, 4000)
    table = estimate(all_jobs, "auto").set_index("dataset")
    assert table["jobs"].tolist() == [3, 3]
    assert table["done"].tolist() == [2, 0]
    assert table.loc["lung", ["seconds", "bytes"]].tolist() == [2000, 3000]
    assert table.loc["brats", ["seconds", "bytes"]].isna().all()
    said = report(estimate(all_jobs, "auto"))
    assert "1.67 hours are jobs with networks on a GPU in tf32, 0.56 of them still to do" in said
    assert "3 jobs of which none has run" in said
    assert "pretrain · brats · plain · e · moco" in said


def test_what_is_kept_is_told_apart_although_checkpoints_are_gone():
    all_jobs = jobs()
    run(all_jobs[0], 1000, 1e9)
    csv = all_jobs[0].outputs[0].stat().st_size
    all_jobs[0].outputs[1].unlink()
    table = estimate(all_jobs, "cuda").set_index("dataset")
    assert table.loc["lung", ["done", "bytes", "kept"]].tolist() == [1, 1e9, csv]
    said = report(estimate(all_jobs, "cuda"))
    line = next(line for line in said.splitlines() if line.startswith("pretrain "))
    assert line.split()[-2:] == ["3.000", "0.000"]
    assert "`keep: results` takes up to 1.000 GB more for each run under way" in said


def test_a_run_under_way_holds_the_checkpoints_of_all_its_stages():
    row = {"dataset": "a", "view": "v", "encoder": "e", "method": "m", "jobs": 9, "done": 0}
    row |= {"device": "cpu", "precision": "float32"}
    stages = [("pretrain", 3e9, 1e9), ("finetune", 5e9, 1e9), ("saliency", 1e9, 1e9)]
    rows = [
        row | {"rule": rule, "seconds": 1, "bytes": size, "kept": kept}
        for rule, size, kept in stages
    ]
    small = [r | {"encoder": "small", "bytes": r["kept"] + 1e9} for r in rows]
    assert "up to 6.000 GB more for each run" in report(pd.DataFrame(rows + small))


def test_jobs_of_other_settings_tell_nothing():
    run(jobs({**SETTINGS, "epochs": 2})[0], 1000, 2000)
    assert estimate(jobs(), "auto").set_index("dataset").loc["lung", ["seconds"]].isna().all()


@pytest.mark.parametrize(
    ("device", "seconds"), [("cpu", 1000), ("cuda", 20), ("cuda:1", 20), ("auto", 20)]
)
def test_only_jobs_on_that_kind_of_device_tell_how_long_it_takes(device, seconds):
    all_jobs = jobs()
    run(all_jobs[0], 1000, 1, device="cpu", precision="float32")
    run(all_jobs[1], 20, 1)
    assert estimate(all_jobs, device)["seconds"].tolist()[0] == seconds
    said = report(estimate(all_jobs, device))
    assert ("on CPUs in float32" in said) == (device == "cpu")


def test_another_precision_takes_another_time():
    run(jobs()[0], 1000, 1)
    assert estimate(jobs(precision="bfloat16"), "auto")["seconds"].isna().all()


def test_another_view_takes_another_time():
    run(jobs()[0], 1000, 1)
    assert estimate(jobs(canvas="disc"), "auto")["seconds"].isna().all()


def test_jobs_without_networks_take_as_long_whatever_view_precision_and_device():
    run(jobs(rule="score")[0], 1000, 2000, device="", precision="")
    changed = jobs(rule="score", canvas="disc", precision="bfloat16")
    assert estimate(changed, "cuda")["seconds"].tolist()[0] == 1000
    assert "with networks" not in report(estimate(changed, "cuda"))


def test_unfinished_and_damaged_results_are_no_measurement():
    first, second = jobs()[:2]
    run(first, 1000, 2000)
    first.outputs[0].unlink()
    run(second, 1000, 2000)
    second.outputs[0].write_text("no record\n")
    assert estimate(jobs(), "auto").set_index("dataset").loc["lung", ["seconds"]].isna().all()


def test_the_record_of_arrays_can_be_read():
    write_npz("a.npz", {"params": {"b": 1}}, x=np.zeros(2))
    assert read_record("a.npz") == {"params": {"b": 1}}
