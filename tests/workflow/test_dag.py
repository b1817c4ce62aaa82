"""Targets, wildcards and configuration errors, asked of real dry-runs."""

import re

import pytest
from snakemake_runs import ROOT, copy_workflow, planned_jobs

SMOKE_EVALUATIONS = 8  # 4 angles on the diagonal, and `none` evaluated at each of them


def test_smoke_dag_has_every_stage(fresh):
    assert planned_jobs(fresh.snakemake("--dry-run")) == {
        "all": 1,
        "data": 1,
        "backbone": 1,
        "pretrain": 5,
        "similarity": 1,
        "finetune": 5,
        "saliency": SMOKE_EVALUATIONS,
        "score": SMOKE_EVALUATIONS,
        "dice_per_item": 1,
        "dice_table": 1,
        "oscillation_tables": 1,
        "periodicity_tables": 1,
        "comparison_tables": 1,
        "verdict": 1,
        "segmentation_table": 1,
        "datasets_table": 1,
        "reliability_table": 1,
        "orientation": 1,
        "hog_svm": 1,
        "orientation_tables": 1,
        "orientation_correlation": 1,
        "benchmarks_table": 1,
        "plot_forest": 1,
        "plot_specification": 1,
        "plot_oscillation": 1,
        "plot_saliency": 1,
        "plot_orientation": 1,
        "plot_samples": 1,
        "plot_training": 1,
        "plot_probe": 1,
        "plot_peaks": 1,
        "plot_periodogram": 1,
        "plot_similarity": 1,
        "training_table": 1,
        "verdict_page": 1,
        "table_page": 5,
        "explorer": 1,
        "total": 63,
    }


def bare_set(folder):
    """Three pictures without masks, by their names, and the option that reads them."""
    for i in range(3):
        path = folder / "bare" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return 'bare: {adapter: folder, path: bare, images: "*.png", masks: null}'


def test_what_needs_masks_drops_out_for_a_set_without_them(fresh):
    bare = bare_set(fresh.folder)
    done = fresh.snakemake("--dry-run", "--config", f"datasets={{ihc: null, {bare}}}")
    assert "bare has no masks: no fine-tuned model, no scores of maps" in done.stdout + done.stderr
    plan = planned_jobs(done)
    assert plan["pretrain"] == 5 and plan["saliency"] == SMOKE_EVALUATIONS
    assert plan["plot_probe"] == plan["plot_samples"] == plan["plot_training"] == 1
    assert plan["orientation"] == plan["hog_svm"] == plan["verdict"] == plan["explorer"] == 1
    gone = {"finetune", "score", "segmentation_table", "plot_oscillation", "plot_saliency"}
    assert not {*gone, "plot_periodogram"} & plan.keys()
    # beside a set with masks only that one is fine-tuned
    plan = planned_jobs(fresh.snakemake("--dry-run", "--config", f"datasets={{{bare}}}"))
    assert plan["pretrain"] == 10 and plan["finetune"] == 5
    assert plan["saliency"] == 2 * SMOKE_EVALUATIONS and plan["score"] == SMOKE_EVALUATIONS
    assert plan["plot_probe"] == 2 and plan["plot_oscillation"] == plan["segmentation_table"] == 1
    run = "results/runs/bare/plain/efficientnet_lite0/moco/angle-090.0/seed-0"
    for target in "finetuned.pt", "eval-090.0/dice.csv":
        asked = "--dry-run", f"{run}/{target}", "--config", f"datasets={{{bare}}}"
        done = fresh.snakemake(*asked, check=False)
        assert "MissingRuleException" in done.stdout + done.stderr


def test_torchvision_downloads_where_the_options_say_so(fresh):
    for how, downloads in (("download: true", 1), (f"path: {fresh.folder}", 0)):
        pets = f"pets: {{adapter: torchvision, name: OxfordIIITPet, {how}}}"
        plan = planned_jobs(
            fresh.snakemake("--dry-run", "--config", f"datasets={{ihc: null, {pets}}}")
        )
        assert plan.get("fetch", 0) == downloads
        assert plan["finetune"] == 5


def test_default_config_plans_every_angle(fresh):
    plan = fresh.snakemake("--dry-run", configfile=None).stdout
    assert "angle-330.0" in plan
    assert "angle-360.0" not in plan


def test_maps_are_shown_where_pictures_are_resampled_and_where_they_are_not(fresh):
    figure = "results/plots/saliency-ihc.png"
    plan = fresh.snakemake(figure, "--dry-run", configfile=None).stdout
    inputs = re.search(r"rule plot_saliency:\n +input: (.*)", plan)[1]
    for name in "saliency.npz", "dice.csv":
        angles = re.findall(rf"angle-(\S+?)/seed-0/eval-\1/{name}", inputs)
        assert angles == ["000.0", "030.0", "090.0", "210.0"]


def test_360_is_distinct_from_0(fresh):
    plan = fresh.snakemake("--dry-run", "--config", "angles={start: 0, stop: 360, step: 90}").stdout
    assert "angle-000.0" in plan
    assert "angle-360.0" in plan


def test_staggered_seeds_have_runs_at_their_own_angles_alone(fresh):
    staggered = ["angles={start: 0, stop: 180, step: 60, stagger: true}", "seeds=[3, 1]"]
    plan = fresh.snakemake("--dry-run", "--config", *staggered).stdout
    runs = re.findall(r"rule pretrain:.*?wildcards: [^\n]*angle=(\S+), seed=(\d+)", plan, re.S)
    first, second = ("000.0", "060.0", "120.0", "180.0"), ("030.0", "090.0", "150.0", "210.0")
    assert sorted(runs) == sorted([(a, "3") for a in first] + [(a, "1") for a in second])
    assert plan.count("rule finetune:") == plan.count("rule saliency:") == 8
    for rule in "plot_saliency", "explorer":  # show maps of the first seed
        inputs = re.search(rf"rule {rule}:\n +input: (.*)", plan)[1]
        assert set(re.findall(r"angle-(\S+?)/seed-(\d+)", inputs)) == {(a, "3") for a in first}
    # each evaluated at all, and a figure of an angle of the second seed
    every = "eval_angles=all"
    planned = planned_jobs(fresh.snakemake("--dry-run", "--config", every, *staggered))
    assert (planned["pretrain"], planned["score"]) == (8, 8 * 8)
    # each at its own angle and at 90°, which is one's own; that is no square to draw
    both = "eval_angles=[same, 90]"
    planned = planned_jobs(fresh.snakemake("--dry-run", "--config", both, *staggered))
    assert planned["score"] == 8 + 7 and "plot_factorial" not in planned
    for setting in "eval_angles=same", every:
        target = "results/plots/pairs-ihc-150.0.svg"
        asked = fresh.snakemake("--dry-run", target, "--config", setting, *staggered).stdout
        assert re.findall(r"rule saliency:.*?angle=(\S+), seed=(\d+)", asked, re.S) == [
            ("150.0", "1")
        ]


@pytest.mark.parametrize(
    "target",
    [
        "results/runs/ihc/plain/efficientnet_lite0/moco/angle-045.0/seed-0/pretrained.pt",
        "results/runs/ihd/plain/efficientnet_lite0/moco/angle-090.0/seed-0/pretrained.pt",
        "results/runs/ihc/plain/efficientnet_lite0/moco/angle-90/seed-0/pretrained.pt",
        "results/runs/ihc/plain/efficientnet_lite0/moco/angle-090.0/seed-7/pretrained.pt",
        "results/plots/oscillation-nothing.svg",
    ],
)
def test_a_target_outside_the_configuration_fails_when_the_dag_is_built(fresh, target):
    done = fresh.snakemake("--dry-run", target, check=False)
    assert done.returncode != 0
    assert "MissingRuleException" in done.stdout + done.stderr
    assert target in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("pretrain={temprature: 0.2}", "pretrain.temprature"),
        ("pretrain={batch_size: 0}", "pretrain.batch_size"),
        ("saliency={samples: many}", "saliency.samples"),
        ("angles={start: 0, stop: 400, step: 30}", "angles"),
        ("datasets={ihc: {adapter: ich}}", "ich"),
        ("methods=[byol]", "methods"),
        ("views={plain: {canvas: round}}", "views.plain.canvas"),
        ("colour=red", "colour"),
    ],
)
def test_a_bad_setting_is_named_before_anything_runs(fresh, setting, message):
    done = fresh.snakemake("--dry-run", "--config", setting, check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert message in said
    assert "Traceback" not in said


def name_files(folder):
    """Files of the reference data sets, by their names alone: planning looks no further."""
    names = []
    for i in range(3):
        case = f"BraTS20_Training_{i:03}"
        kinds = ("flair", "t1", "t1ce", "t2", "seg")
        names += [f"BraTS/{case}/{case}_{kind}.nii.gz" for kind in kinds]
        names += [f"LungMask/image/cxrimage_{i}.png", f"LungMask/mask/cxrmask_{i}.jpeg"]
        names += [f"Kvasir-SEG/{kind}/{i}.jpg" for kind in ("images", "masks")]
    for path in (folder / name for name in names):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_what_lies_on_this_machine_is_never_downloaded(fresh):
    weights = fresh.folder / "moco.pth.tar"
    weights.touch()
    moco = ["--config", "encoders=[resnet50]"]
    kvasir = "datasets={ihc: null, kvasir: {adapter: kvasir_seg}}"
    local = "datasets={ihc: null, kvasir: {adapter: kvasir_seg, path: data/Kvasir-SEG}}"
    name_files(fresh.folder / "data")
    for settings, downloads in (
        (["pretrain={init: moco_v2}"], 1),
        ([f"pretrain={{init: moco_v2, weights: {weights}}}"], 0),
        (["pretrain={init: moco_v2}", kvasir], 2),
        (["pretrain={init: random}", local], 0),
    ):
        plan = planned_jobs(fresh.snakemake("--dry-run", *moco, *settings))
        assert plan.get("download", 0) == downloads, settings


@pytest.mark.parametrize(
    "preset",
    [
        *("paper-2024", "notebook-2024", "paper-2025-medical", "paper-2025-patterns"),
        *("reference", "controls"),
    ],
)
def test_presets_can_be_planned(fresh, preset):
    few = "angles=[0]"  # thousands of jobs take their time even to plan
    if preset == "notebook-2024":  # where one encoder is evaluated at all angles
        few = "eval_angles=[0]"
    config = f"experiments/{preset}.yaml"
    name_files(fresh.folder / "data")
    plan = planned_jobs(fresh.snakemake("--dry-run", "--config", few, configfile=config))
    # views × encoders × seeds
    arms = {"paper-2024": 6, "notebook-2024": 2, "paper-2025-medical": 3, "reference": 1}
    arms = {**arms, "paper-2025-patterns": 16, "controls": 24}[preset]
    sets = 5 if preset == "controls" else 3  # those of the default, and one turned
    assert plan["data"] == sets
    assert plan["pretrain"] == plan["saliency"] == sets * arms


@pytest.mark.parametrize(
    ("devices", "device", "slots", "limit"),
    [
        ("0,1", "auto", "auto", 2),
        ("0,1", "auto", "6", 12),
        ("0,1", "cuda:1", "6", 6),
        ("", "auto", "6", None),
        ("0,1", "cpu", "6", None),
    ],
)
def test_no_more_gpu_jobs_at_once_than_slots(fresh, monkeypatch, devices, device, slots, limit):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
    changes = f"device={device}", f"gpu_slots={slots}"
    done = fresh.snakemake("results/data/ihc/manifest.csv", "--config", *changes)
    said = re.search(r"Provided resources: .*\bgpu=\D*(\d+)", done.stdout + done.stderr)
    assert (said and int(said[1])) == limit


def test_braces_in_a_folder_name_are_refused(tmp_path):
    refused = copy_workflow(tmp_path / "a{b}").snakemake("--dry-run", check=False)
    assert refused.returncode
    assert "a{b}: Snakemake takes braces in a folder's name for a wildcard; rename it" in (
        refused.stdout
    )


def test_a_block_of_the_packing_bench_takes_the_place_of_the_jobs_of_its_angles(fresh, monkeypatch):
    monkeypatch.setenv("ANGLES_PER_BLOCK", "4")
    arm = "results/runs/ihc/plain/efficientnet_lite0/moco"
    files = [f"{arm}/angle-{a}/seed-0/eval-{a}/dice.csv" for a in ("000.0", "270.0")]
    options = "--snakefile", ROOT / "bench/packing.smk", "--config", "angles=[0, 90, 180, 270]"
    planned = planned_jobs(fresh.snakemake("--dry-run", *files, *options))
    assert planned == {"backbone": 1, "data": 1, "block_0": 1, "total": 3}
