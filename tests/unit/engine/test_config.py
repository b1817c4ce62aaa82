"""Every wrong setting is refused with its key, its value and a remedy."""

import copy
import re
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from thetascope import angles
from thetascope.engine import config as configuration
from thetascope.engine import config_checks
from thetascope.engine.runs import eval_angles, weights_of
from thetascope.errors import UserError
from thetascope.learning.rotation import View

ROOT = Path(__file__).parents[3]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
SCHEMA = yaml.safe_load(configuration.SCHEMA.read_text("utf-8"))


def changed(path, value):
    """The default configuration with one key set."""
    config = copy.deepcopy(DEFAULT)
    *parents, last = path.split(".")
    node = config
    for key in parents:
        node = node[key]
    node[last] = value
    return config


def refusal(config):
    with pytest.raises(UserError) as error:
        configuration.resolve(config)
    return str(error.value)


def leaves(node, path=()):
    """Paths of all mappings in the default configuration, and of all keys that are none."""
    for key, value in node.items():
        yield (*path, key), value
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))


def objects(schema, path="top level"):
    """Every object in the schema, at any depth."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield path, schema
        for key, value in schema.items():
            yield from objects(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for i, value in enumerate(schema):
            yield from objects(value, f"{path}/{i}")


def test_the_default_is_accepted_and_resolving_again_changes_nothing():
    resolved = configuration.resolve(DEFAULT)
    assert resolved == DEFAULT
    assert configuration.resolve(resolved) == resolved


def test_every_key_of_the_default_is_commented():
    lines = (ROOT / "config.yaml").read_text("utf-8").splitlines()
    plain = {
        "epochs",
        "batch_size",
        "weight_decay",
        "output_dim",
        "plain",
        "mni152",
        "ihc",
        "retina",
        "dataset",
        "model",
        "sweep",
        "input",
        "series",
        "attribution",
        "metric",
        "period",
        "kvasir_seg",
        "moco_v2",
        "noise_level",  # beside samples
    }
    for i, line in enumerate(lines):
        key = re.match(r"\s*([a-z_0-9]+):", line)
        if key and key[1] not in plain:
            assert "#" in line or lines[i - 1].lstrip().startswith("#"), f"{key[1]} has no comment"


def test_schema_and_default_have_the_same_keys():
    assert SCHEMA["properties"].keys() == set(SCHEMA["required"]) == DEFAULT.keys()
    for section in (
        "split",
        "pretrain",
        "finetune",
        "saliency",
        "probe",
        "orientation",
        "analysis",
    ):
        schema = SCHEMA["properties"][section]
        assert schema["properties"].keys() == set(schema["required"]) == DEFAULT[section].keys()


def test_no_object_of_the_schema_takes_unknown_keys():
    for path, schema in objects(SCHEMA):
        if not path.endswith("datasets/additionalProperties"):  # options: the adapter's to check
            assert schema.get("additionalProperties") is not None, path
            assert schema["additionalProperties"] is not True, path


@pytest.mark.parametrize(
    "path",
    [()] + [p for p, value in leaves(DEFAULT) if isinstance(value, dict) and p != ("datasets",)],
)
def test_an_unknown_key_is_refused_at_every_depth(path):
    config = copy.deepcopy(DEFAULT)
    node = config
    for key in path:
        node = node[key]
    node["unheard_of"] = {"x": 1} if path == ("views",) else 1
    message = refusal(config)
    assert "unheard_of" in message or ".x" in message


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("pretrain.temprature", 0.2, "pretrain.temprature: unknown key; did you mean `temperature`?"),
        ("pretrain.batch_size", 0, "pretrain.batch_size: 0: must be at least 2"),
        ("pretrain.lr", "fast", "pretrain.lr: 'fast': must be of type number"),
        ("pretrain.lr", 0, "pretrain.lr: 0: must be above 0"),
        ("pretrain.epochs", 1.5, "pretrain.epochs: 1.5: must be of type integer"),
        ("pretrain.epochs", True, "pretrain.epochs: True: must be of type integer"),
        ("pretrain.init", "imagnet", "pretrain.init: 'imagnet': must be one of imagenet, moco_v2"),
        ("pretrain.init", "path", "pretrain.weights: null: `init: path` needs a checkpoint"),
        ("pretrain.init", "moco_v2", "exist for resnet50 only, not for efficientnet_lite0"),
        ("pretrain.weights", "x.pt", "pretrain.weights: 'x.pt': is read only with `init: path`"),
        ("pretrain.spike", {"period": 50, "strength": 0.5}, "pretrain.spike.period: 50: must divide 360; choose"),
        ("pretrain.spike", {"period": 0, "strength": 0.5}, "pretrain.spike.period: 0: must be above 0"),
        ("pretrain.spike", {"period": 60, "strength": 0}, "pretrain.spike.strength: 0: must be above 0"),
        ("pretrain.spike", {"period": 60, "strength": 1.1}, "pretrain.spike.strength: 1.1: must be at most 1"),
        ("pretrain.spike", {"period": 60}, "pretrain.spike: lacks strength; add it"),
        ("datasets.ihc.rotate", -30, "datasets.ihc.rotate: -30: must be at least 0"),
        ("datasets.ihc.rotate", 360, "datasets.ihc.rotate: 360: must be below 360"),
        ("datasets.ihc.rotate", "left", "datasets.ihc.rotate: 'left': must be of type number"),
        ("pretrain.spike", 0.5, "pretrain.spike: 0.5: must be of type object or null"),
        ("pretrain.schedule", "linear", "pretrain.schedule: 'linear': must be one of cosine, step"),
        ("saliency.blur", {"size": 11, "sigma": 5}, "saliency.blur: {'size': 11, 'sigma': 5}: must be of type number"),
        ("saliency.blur", 5, "saliency.blur: 5: must be at most 0.25"),
        ("saliency.blur", -0.1, "saliency.blur: -0.1: must be at least 0"),
        ("saliency.samples", 0, "saliency.samples: 0: must be at least 1"),
        ("saliency.samples", "many", "saliency.samples: 'many': must be of type integer or object"),
        ("saliency.samples", {"pretrained": 8}, "saliency.samples: lacks finetuned; add it"),
        ("saliency.samples.finetuned", 0, "saliency.samples.finetuned: 0: must be at least 1"),
        ("saliency.noise_level.pretrained", -1, "saliency.noise_level.pretrained: -1: must be at least 0"),
        ("saliency.noise_level.baseline", 1, "saliency.noise_level.baseline: unknown key; known are pretrained"),
        ("saliency.logit_over", "none", "saliency.logit_over: 'none': must be one of predicted, all"),
        ("saliency.randomise", [0], "saliency.randomise.0: 0: must be at least 1"),
        ("saliency.randomise", [20, 101], "saliency.randomise.1: 101: must be at most 100"),
        ("saliency.randomise", ["all"], "saliency.randomise.0: 'all': must be of type integer"),
        ("saliency.randomise", [20, 20], "saliency.randomise: [20, 20]: lists an entry more than once"),
        ("saliency.deletion", -1, "saliency.deletion: -1: must be at least 0"),
        ("saliency.extra_metrics", ["dice"], "saliency.extra_metrics.0: 'dice': must be one of"),
        ("probe.perceptron", "mlp", "probe.perceptron: 'mlp': must be of type boolean"),
        ("probe.pictures", "all", "probe.pictures: 'all': must be one of unseen, seen"),
        ("probe.pictures", "seen", "probe.pictures: seen: is read only with `perceptron: true`"),
        ("probe.widths", [], "probe.widths: []: needs at least 1 entries"),
        ("probe.widths", [64, 0], "probe.widths.1: 0: must be at least 1"),
        ("probe.momentum", 1, "probe.momentum: 1: must be below 1"),
        ("downloads.moco_v2.checksum", "md5:xyz", "downloads.moco_v2.checksum: 'md5:xyz': must"),
        ("downloads.moco_v2.checksum", "md5:a04e12f", "downloads.moco_v2.checksum: 'md5:a04e12f': must"),
        ("downloads.moco_v2.url", "ftp://a/b", "downloads.moco_v2.url: 'ftp://a/b': must match"),
        ("downloads.other", {}, "downloads.other: unknown key; known are kvasir_seg, moco_v2"),
        ("finetune.decoder_channels", [8], "finetune.decoder_channels: [8]: needs at least 5"),
        ("saliency.quantile", 1, "saliency.quantile: 1: must be below 1"),
        ("orientation.bins", 2, "orientation.bins: 2: must be at least 4"),
        ("orientation.hog_cells", [300], "orientation.hog_cells.0: 300: must be at most 112"),
        ("orientation.hog_angles", "same", "orientation.hog_angles: 'same': must be all, or angles"),
        ("orientation.hog_angles", [5, 5], "orientation.hog_angles: 005.0 is listed more than once"),
        ("analysis.periods", [90, 90], "analysis.periods: [90, 90]: lists an entry more than once"),
        ("analysis.periods", [90, 100], "analysis.periods: [100]: each period must divide 360"),
        ("analysis.questions.training.held_angle", [22.25], "questions.training.held_angle: 22.25: must be in steps"),
        ("analysis.questions.training.held_angle", ["north"], "questions.training.held_angle.0: 'north': must be"),
        ("analysis.questions.turning.metrc", ["x"], "questions.turning.metrc: unknown key; did you mean `metric`?"),
        ("analysis.questions.turning.series", ["residual"], "series.0: 'residual': must be one of value, excess, turning"),
        ("analysis.questions.own", {"dataset": ["ihc", "icc"]}, "questions.own.dataset: icc: not among `datasets`; correct it"),
        ("analysis.questions.own", {"view": ["crop"]}, "questions.own.view: crop: not among `views`; correct it"),
        ("analysis.questions.own", {"encoder": ["vgg"]}, "questions.own.encoder: vgg: not among `encoders`"),
        ("analysis.questions.own", {"method": ["simclr"]}, "questions.own.method: simclr: not among `methods`"),
        ("analysis.questions.own", {"period": [72]}, "questions.own.period: 72: not among `analysis.periods`"),
        ("analysis.questions.own", {"metric": ["auroc"]}, "questions.own.series: must name one series"),
        ("analysis.questions.own", {"series": ["value", "excess"]}, "questions.own.series: must name one series"),
        ("analysis.questions.turning.model", ["finetune"], "questions.turning.model.0: 'finetune': must match"),
        ("analysis.questions.turning.metric", ["auroc", "dice"], "questions.turning.metric.1: 'dice': must match"),
        ("analysis.questions.turning.attribution", ["smoothgrd"], "attribution.0: 'smoothgrd': must be one of smoothgrad"),
        ("analysis.questions.own", {}, "analysis.questions.own: {}: needs at least 1 entry"),
        ("analysis.questions.own", ["auroc"], "analysis.questions.own: ['auroc']: must be of type object"),
        ("analysis.questions.exploratory", {"metric": ["auroc"]}, "questions.exploratory: means all other rows; choose"),
        ("analysis.questions.a b", {"metric": ["auroc"]}, "a b"),
        ("analysis.questions", {"training": None}, "analysis.questions: {}: needs at least 1 entry"),
        ("analysis.questions", None, "analysis.questions: None: must be of type object"),
        ("split.test", 0.3, "add up to 1.1; they must add up to 1"),
        ("split.test", 0.1, "add up to 0.9; they must add up to 1"),
        ("angles", [0, 400], "angles: [0, 400]: must be {start, stop, step} or a list"),
        ("angles", [0, 0], "angles: 000.0 is listed more than once"),
        ("angles", [0.123], "angles: 0.123"),
        ("angles", {"start": 0, "stop": 90}, "angles: {'start': 0, 'stop': 90}: must be"),
        ("angles", ["none"], "eval_angles: 'same': `angles` holds no number"),
        ("eval_angles", "some", "eval_angles: 'some': must be same or all, or angles"),
        ("eval_angles", ["none"], "eval_angles: ['none']"),
        ("datasets.ihc.adapter", "ich", "datasets.ihc.adapter: 'ich': no such adapter; did you mean `ihc`?"),
        ("datasets.ihc.tlie", 8, "datasets.ihc.tlie: unknown to the adapter ihc; known are block, tile"),
        ("datasets.a/b", {"adapter": "ihc"}, "a/b"),
        ("views.plain.canvas", "round", "views.plain.canvas: 'round': must be one of zero, reflect"),
        ("encoders", ["resnet19"], "encoders: 'resnet19': timm has no such network; did you mean"),
        ("encoders", ["resnet18/x"], "encoders.0: 'resnet18/x': must match"),
        ("encoders", [], "encoders: []: needs at least 1"),
        ("methods", ["byol"], "methods.0: 'byol': must be one of moco, simclr"),
        ("seeds", [0, 0], "seeds: [0, 0]: lists an entry more than once"),
        ("seeds", [-1], "seeds.0: -1: must be at least 0"),
        ("device", "gpu", "device: 'gpu': must match"),
        ("gpu_slots", 0, "gpu_slots: 0: must be at least 1"),
        ("gpu_slots", "many", "gpu_slots: 'many': must match ^auto$"),
        ("precision", "half", "precision: 'half': must be one of auto, float32, tf32, bfloat16"),
        ("logging", "wandb", "logging: 'wandb': must be one of text, tensorboard"),
        ("image_size", 8, "image_size: 8: must be at least 32"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_remedy(key, value, said):
    assert said in refusal(changed(key, value))


@pytest.mark.parametrize("same", ["same", "all", ["same"]])
def test_encoders_without_an_angle_need_angles_to_be_evaluated_at(same):
    config = changed("angles", ["none", "random"])
    config["eval_angles"] = same
    assert f"eval_angles: {same!r}: `angles` holds no number" in refusal(config)
    config["eval_angles"] = [90]
    configuration.resolve(config)


def test_contradictions_between_sections():
    sham = changed("views.plain", {"sham": True, "matched": True})
    assert "views.plain.matched: true: with `sham: true` neither" in refusal(sham)
    spun = changed("saliency.pre_rotation", True)
    spun["views"] |= {"round": {"canvas": "disc"}, "square": {"canvas": "crop"}}
    said = refusal(spun)
    assert "saliency.pre_rotation: true" in said
    assert "in the views plain (zero), square (crop), or" in said
    for name in "plain", "square":
        spun["views"][name]["canvas"] = "disc"
    configuration.resolve(spun)
    config = changed("encoders", ["vit_base_patch16_224"])
    assert "multiple of 16" in refusal({**config, "image_size": 40})
    config["saliency"]["guided"] = True
    assert "saliency.guided: true" in refusal(config)
    no_gpu = {**changed("precision", "tf32"), "device": "cpu"}
    assert "precision: tf32: only GPUs have it" in refusal(no_gpu)


def test_files_for_tensorboard_need_its_package(monkeypatch):
    config = changed("logging", "tensorboard")
    configuration.resolve(config)
    found = config_checks.find_spec
    gone = {"tensorboard": None}
    monkeypatch.setattr(config_checks, "find_spec", lambda name: gone.get(name, found(name)))
    assert "logging: tensorboard: needs the package tensorboard" in refusal(config)
    configuration.resolve(DEFAULT)


def test_a_spike_needs_fixed_angles():
    spiked = changed("pretrain.spike", {"period": 60, "strength": 1})
    assert "`random` has none" in refusal({**spiked, "angles": [0, "random"]})
    # without pre-training there is nothing to spoil
    configuration.resolve({**spiked, "angles": [0, "none"]})


def test_a_missing_key_is_named():
    config = copy.deepcopy(DEFAULT)
    del config["pretrain"]["lr"]
    assert "pretrain: lacks lr" in refusal(config)


def test_sections_that_are_missing_are_named_once():
    said = refusal({"seeds": [0]})
    assert said.count("top level: lacks datasets, angles, ") == 1 and "--configfile" in said


def test_all_problems_are_listed_at_once():
    config = changed("pretrain.lr", -1)
    config["colour"], config["saliency"]["samples"] = "red", 0
    message = refusal(config)
    assert all(key in message for key in ("pretrain.lr", "colour", "saliency.samples"))


def test_null_takes_an_entry_away():
    resolved = configuration.resolve(changed("datasets.ihc", None))
    assert resolved["datasets"].keys() == DEFAULT["datasets"].keys() - {"ihc"}
    none_left = changed("datasets", dict.fromkeys(DEFAULT["datasets"]))
    assert "datasets: {}: needs at least 1" in refusal(none_left)


def test_null_takes_a_question_away_and_others_are_added_and_changed():
    config = copy.deepcopy(DEFAULT)
    own = {"metric": ["auprc"], "series": ["value"]}
    update_config(
        config,
        {"analysis": {"questions": {"training": None, "turning": {"view": ["plain"]}, "own": own}}},
    )
    questions = configuration.resolve(config)["analysis"]["questions"]
    default = DEFAULT["analysis"]["questions"]
    turning = default["turning"] | {"view": ["plain"]}
    assert questions == {"control": default["control"], "turning": turning, "own": own}
    assert config["analysis"]["questions"]["training"] is None  # what is handed in stays


def test_a_question_about_data_sets_that_are_taken_away_goes_with_them():
    config = copy.deepcopy(DEFAULT)
    for name, sets in ("one", ["retina"]), ("two", ["ihc", "retina"]):
        config["analysis"]["questions"][name] = {"dataset": sets, "series": ["value"]}
    config["datasets"]["retina"] = None
    questions = configuration.resolve(config)["analysis"]["questions"]
    assert questions.keys() - DEFAULT["analysis"]["questions"] == {"two"}
    assert questions["two"]["dataset"] == ["ihc"]
    assert config["analysis"]["questions"]["two"]["dataset"] == ["ihc", "retina"]


def test_one_number_for_both_models_or_one_for_each():
    for value in 4, {"pretrained": 4, "finetuned": 2}:
        resolved = configuration.resolve(changed("saliency.samples", value))
        assert resolved["saliency"]["samples"] == value


def test_text_from_the_command_line_is_read_as_yaml_would():
    resolved = configuration.resolve(changed("pretrain.epochs", "3"))
    assert resolved["pretrain"]["epochs"] == 3
    assert configuration.resolve(changed("angles", ["0", "none"]))["angles"] == [0, "none"]
    assert "1e-3" in refusal(changed("pretrain.lr", "1e-3"))


STAGGERED = {"start": 0, "stop": 180, "step": 90, "stagger": True}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("angles", STAGGERED | {"step": 100}, "angles: a step of 100 cannot be shared out among 3"),
        ("angles", STAGGERED | {"stop": 360}, "angles: staggered, the last of 3 seeds would end"),
        ("angles", STAGGERED | {"stagger": "often"}, "angles: .* the grid `stagger: true`"),
        ("eval_angles", STAGGERED, "eval_angles: .*: must be {start, stop, step} or a list"),
        ("orientation.hog_angles", STAGGERED, "hog_angles: .*: must be {start, stop, step}"),
    ],
)
def test_only_a_grid_of_training_can_be_staggered_and_not_every_one(key, value, said):
    config = changed(key, value) | {"seeds": [0, 1, 2]}
    assert re.search(said, refusal(config))


@pytest.mark.parametrize(
    ("noise", "start", "seeds", "refused"),
    [(0, 0, 3, True), (0, 10, 3, False), (0.04, 0, 3, False), (0, 0, 1, False)],
)
def test_a_staggered_grid_may_not_lack_a_score_at_0(noise, start, seeds, refused):
    for level in noise, {"pretrained": noise, "finetuned": 0.1}:
        config = changed("saliency.noise_level", level) | {"seeds": list(range(seeds))}
        config["angles"] = STAGGERED | {"start": start}
        said = config_checks.scores_at_0(config)
        assert [text.split(": ")[0] for text in said] == refused * ["saliency.noise_level"]


@pytest.mark.parametrize("overlay", sorted((ROOT / "experiments").glob("*.yaml")), ids=str)
def test_overlays_change_only_what_exists(overlay):
    for path, _ in leaves(yaml.safe_load(overlay.read_text("utf-8"))):
        node = DEFAULT
        for key in path[:1]:
            assert key in node


def overlaid(*names):
    """The default with files of experiments/ over it, merged as Snakemake does."""
    config = copy.deepcopy(DEFAULT)
    for name in names:
        overlay = yaml.safe_load((ROOT / "experiments" / f"{name}.yaml").read_text("utf-8"))
        update_config(config, overlay)
    return configuration.resolve(config)


# second overlays, and what they lie upon
SECOND = dict.fromkeys(("notebook-quirks", "pre-rotation"), "notebook-2024")
OF_FINDINGS = (
    "findings-pilot",
    "findings-controls",
    "findings-fixed",
    "findings-turning",
    "findings-large",
)
SECOND |= dict.fromkeys(OF_FINDINGS, "findings")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments").glob("*.yaml")), ids=lambda p: p.stem
)
def test_every_experiment_in_the_folder_is_accepted(path):
    below = [SECOND[path.stem]] if path.stem in SECOND else []
    overlaid(*below, path.stem)


def test_a_question_goes_with_the_data_sets_that_it_is_about():
    asked = {"dataset": ["gratings", "retina"], "series": ["turning"]}
    config = changed("analysis.questions.mine", asked)
    config["datasets"]["gratings"] = None
    resolved = configuration.resolve(config)
    questions = resolved["analysis"]["questions"]
    assert "control" not in questions and questions["mine"]["dataset"] == ["retina"]
    assert {"training", "turning"} <= questions.keys()
    assert configuration.resolve(resolved) == resolved
    with pytest.raises(UserError, match=r"questions\.mine\.dataset: retinas: not among"):
        configuration.resolve(changed("analysis.questions.mine", asked | {"dataset": ["retinas"]}))


def test_the_notebooks_quirks_are_off_until_their_overlay_turns_them_on():
    def quirks(config):
        return {
            "frozen queue": config["pretrain"]["frozen_queue"],
            "v1 head": config["pretrain"]["hidden_dim"] is None,
            "inverted σ": config["saliency"]["noise_scale"] == "inverse_range",
            "not rotated back": config["saliency"]["unaligned"],
            "above 0": "dice_positive" in config["saliency"]["extra_metrics"],
            "2I/(S+M+I)": "overlap_positive" in config["saliency"]["extra_metrics"],
        }

    papers = "notebook-2024", "paper-2024", "paper-2025-medical"
    for config in (DEFAULT, *map(overlaid, papers)):
        assert not any(quirks(config).values())
    assert all(quirks(overlaid("notebook-2024", "notebook-quirks")).values())


def test_the_papers_grids():
    first, second = overlaid("notebook-2024"), overlaid("paper-2025-medical")
    assert angles.expand(first["angles"]) == ["random"]
    evaluated = eval_angles(first)["random"]
    assert len(evaluated) == 360
    assert {"000.0", "045.0", "135.0", "225.0", "315.0", "358.0", "359.0"} <= set(evaluated)
    trained = angles.expand(second["angles"])
    assert (len(trained), trained[0], trained[-1]) == (361, "000.0", "360.0")


def test_the_response_patterns_are_those_of_the_follow_up():
    config = overlaid("paper-2025-patterns")
    trained = angles.expand(config["angles"])
    assert (len(trained), trained[0], trained[-1]) == (24, "000.0", "345.0")
    assert len(config["encoders"]) == 8 and config["methods"] == ["moco", "simclr"]
    probe = config["probe"]
    assert probe["perceptron"] and probe["pictures"] == "unseen" and len(probe["widths"]) == 5
    assert (probe["lr"], probe["batch_size"], probe["epochs"]) == (0.015, 64, 20)
    assert config["split"]["test"] == 0.2
    names = [dataset["name"] for dataset in config["datasets"].values()]
    items = [dataset["items"] for dataset in config["datasets"].values()]
    assert len(names) >= 2 and config["pretrain"]["queue_size"] < 0.79 * min(items)


def test_the_abstracts_experiment_trains_at_every_angle():
    config = overlaid("paper-2024")
    trained = angles.expand(config["angles"])
    assert (len(trained), trained[1]) == (24, "015.0") and len(config["seeds"]) >= 3
    assert eval_angles(config) == {angle: [angle] for angle in trained}
    assert config["encoders"] == ["resnet50"] and config["pretrain"]["init"] == "moco_v2"
    assert set(config["datasets"]) == {"brats", "lung_mask", "kvasir_seg"}
    assert config["views"]["clean"] == {
        **config["views"]["plain"],
        "canvas": "disc",
        "matched": True,
    }


def test_a_local_copy_of_the_moco_v2_file_comes_first(tmp_path):
    weights = tmp_path / "moco.pth.tar"
    config = changed("pretrain.init", "moco_v2")
    config["encoders"], config["pretrain"]["weights"] = ["resnet50"], str(weights)
    assert "no such file" in refusal(config)
    weights.touch()
    configuration.resolve(config)


def test_each_encoder_may_have_weights_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in "a.pth", "b.pth":
        (tmp_path / name).touch()
    config = changed("pretrain.init", "path")
    config["encoders"] = ["resnet18", "swin_tiny_patch4_window7_224"]
    weights = {"resnet18": "~/a.pth", "swin_tiny_patch4_window7_224": "~/b.pth"}
    config["pretrain"]["weights"] = weights
    config["image_size"] = 64
    pretrain = configuration.resolve(config)["pretrain"]
    assert weights_of(pretrain, "resnet18") == str(tmp_path / "a.pth")
    assert weights_of(pretrain, "swin_tiny_patch4_window7_224") == str(tmp_path / "b.pth")
    assert weights_of({"weights": "c.pth"}, "resnet18") == "c.pth"
    config["pretrain"]["weights"] = {"resnet18": "~/a.pth", "resnet50": "~/c.pth"}
    said = refusal(config)
    assert "names no file for swin_tiny_patch4_window7_224; add it" in said
    assert "pretrain.weights: resnet50: not among `encoders`; take it away" in said
    config["pretrain"]["weights"] = {**weights, "resnet18": "~/gone.pth"}
    assert f"'{tmp_path}/gone.pth': no such file" in refusal(config)


def test_a_networks_patches_have_to_fit():
    config = changed("encoders", ["beit_base_patch16_224", "swin_tiny_patch4_window7_224"])
    assert "beit_base_patch16_224 cuts images into patches of 16 pixels" in refusal(
        {**config, "image_size": 40}
    )
    configuration.resolve({**config, "image_size": 64})


def test_periods_that_divide_a_turn_though_not_in_binary():
    config = changed("analysis.periods", [7.2, 14.4, 0.1])
    config["analysis"]["questions"]["control"] = None  # it is about 180°
    resolved = configuration.resolve(config)
    assert resolved["analysis"]["periods"] == [7.2, 14.4, 0.1]


def test_the_angle_that_is_held_may_be_declared():
    resolved = configuration.resolve(changed("analysis.questions.turning.held_angle", [0, 1.1]))
    assert resolved["analysis"]["questions"]["turning"]["held_angle"] == [0, 1.1]
    assert configuration.resolve(resolved) == resolved


def test_a_view_that_says_little_is_completed_as_the_library_would():
    resolved = configuration.resolve(changed("views.near", {"interpolation": "nearest"}))
    expected = asdict(View(interpolation="nearest"))
    assert resolved["views"]["near"] == expected
    assert list(resolved["views"]["plain"]) == list(expected)


def test_the_path_of_a_checkpoint_may_begin_with_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "moco.pth.tar").touch()
    for path in ("~/moco.pth.tar", "$HOME/moco.pth.tar"):
        config = changed("pretrain.weights", path)
        config["pretrain"]["init"] = "path"
        once = configuration.resolve(config)
        assert once["pretrain"]["weights"] == str(tmp_path / "moco.pth.tar")
        assert configuration.resolve(once) == once
