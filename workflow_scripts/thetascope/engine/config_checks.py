"""Checks of the configuration that its schema cannot make: keys that do not fit each other.

Each function yields one line per problem: key, value, remedy.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from thetascope import angles
from thetascope.datasets.options import check_options
from thetascope.engine.runs import angles_and_seeds, weights_of
from thetascope.errors import UserError
from thetascope.learning.timm_names import known, timm_name
from thetascope.vocabulary import ARM

ADAPTERS = Path(__file__).parents[1] / "datasets" / "adapters"

# families with other activations than ReLU; of the rest it is found out when maps are taken
NO_RELU = (
    *("convnext", "vit_", "deit", "beit", "swin", "mixer", "efficientnet_b", "efficientnetv2"),
    *("mobilenetv3", "lcnet", "hardcorenas", "fbnetv3", "mixnet"),
)

Config = Mapping[str, Any]


def image_sets(config: Config) -> Iterator[str]:
    """An adapter that is not there, or options that it does not take."""
    adapters = sorted(path.stem for path in ADAPTERS.glob("[!_]*.py"))
    for name, dataset in config["datasets"].items():
        adapter = dataset["adapter"]
        if adapter not in adapters:
            close = difflib.get_close_matches(adapter, adapters, 1)
            hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(adapters)}"
            yield f"datasets.{name}.adapter: {adapter!r}: no such adapter; {hint}"
            continue
        try:
            check_options(name, adapter, dataset)
        except UserError as error:
            yield str(error)


def grids(config: Config) -> Iterator[str]:
    """Angles that are refused, or none at which a model can be evaluated."""
    given = {key: config[key] for key in ("angles", "eval_angles")}
    given["orientation.hog_angles"] = config["orientation"]["hog_angles"]
    for key, grid in given.items():
        if isinstance(grid, str):
            continue
        try:
            labels = angles.expand(grid)
            if key == "angles":
                angles_and_seeds(config)
        except UserError as error:
            yield str(error).replace("angles:", f"{key}:", 1)
            continue
        own = key == "angles" and config["eval_angles"] in ("same", "all", ["same"])
        if own and not any(map(angles.is_fixed, labels)):
            yield (
                f"eval_angles: {config['eval_angles']!r}: `angles` holds no number to evaluate at; "
                "give a grid"
            )


def views(config: Config) -> Iterator[str]:
    """A view that is a sham and matched."""
    for name, view in config["views"].items():
        if view.get("sham") and view.get("matched"):
            yield (
                f"views.{name}.matched: true: with `sham: true` neither view is turned; set one of "
                "them to false"
            )


def pre_rotation(config: Config) -> Iterator[str]:
    """Pictures that are turned first in a view that shows their corners."""
    corners = {n: v["canvas"] for n, v in config["views"].items() if v["canvas"] != "disc"}
    if config["saliency"]["pre_rotation"] and corners:
        shown = ", ".join(f"{name} ({canvas})" for name, canvas in corners.items())
        yield (
            "saliency.pre_rotation: true: turns corners too, which only the canvas `disc` leaves "
            f"out; set that canvas in the views {shown}, or set it to false"
        )


def scores_at_0(config: Config) -> Iterator[str]:
    """A staggered grid of which one seed alone lacks a score."""
    spec, noise = config["angles"], config["saliency"]["noise_level"]
    noise = noise["pretrained"] if isinstance(noise, Mapping) else noise
    staggered = isinstance(spec, Mapping) and spec.get("stagger") and len(config["seeds"]) > 1
    if staggered and not noise and spec["start"] == 0:
        yield (
            "saliency.noise_level: 0 for the pretrained encoder: maps without noise are 0 "
            "everywhere at θ = 0, so that the first seed of a staggered grid lacks an angle that "
            "the others have; set a noise level, or a `start` above 0"
        )


def split(config: Config) -> Iterator[str]:
    """Shares that are not a whole."""
    shares = [config["split"][part] for part in ("train", "validation", "test")]
    if abs(sum(shares) - 1) > 1e-6:
        yield f"split: {shares} add up to {sum(shares):g}; they must add up to 1"


def analysis(config: Config) -> Iterator[str]:
    """Questions about what is not there, periods that do not come round, a name that is taken."""
    there = {column: config[f"{column}s"] for column in ARM}
    there["period"] = config["analysis"]["periods"]
    for name, asked in config["analysis"]["questions"].items():
        for column, names in there.items():
            if unknown := set(asked.get(column, [])) - set(names):
                key = f"analysis.questions.{name}.{column}"
                where = "analysis.periods" if column == "period" else f"{column}s"
                said = ", ".join(sorted(map(str, unknown)))
                yield f"{key}: {said}: not among `{where}`; correct it, or add it there"
        if len(asked.get("series", [])) != 1:
            yield (
                f"analysis.questions.{name}.series: must name one series, such as [excess], since "
                "several of one curve would be tests of one thing"
            )
        if name == "exploratory":
            yield f"analysis.questions.{name}: means all other rows; choose another name"
        for angle in asked.get("held_angle", []):
            try:
                angles.label(angle)
            except UserError:
                key = f"analysis.questions.{name}.held_angle"
                yield f"{key}: {angle}: must be in steps of 0.1; change it"
    broken = [p for p in config["analysis"]["periods"] if not angles.divides_circle(p)]
    if broken:
        yield f"analysis.periods: {broken}: each period must divide 360; choose another"


def weights(config: Config) -> Iterator[str]:
    """A checkpoint that is missing, not read, or of another network."""
    init, given = config["pretrain"]["init"], config["pretrain"]["weights"]
    files = {encoder: weights_of(config["pretrain"], encoder) for encoder in config["encoders"]}
    lacking = [encoder for encoder, file in files.items() if not file]
    if init == "path" and not given:
        yield "pretrain.weights: null: `init: path` needs a checkpoint; name its file"
    elif init == "path" and lacking:
        yield f"pretrain.weights: names no file for {', '.join(lacking)}; add it"
    if isinstance(given, Mapping) and (more := sorted(given.keys() - files.keys())):
        yield f"pretrain.weights: {', '.join(more)}: not among `encoders`; take it away"
    if given and init not in ("path", "moco_v2"):
        yield (
            f"pretrain.weights: {given!r}: is read only with `init: path` or `init: moco_v2`; "
            "set that or null"
        )
    else:
        for file in dict.fromkeys(filter(None, files.values())):
            if not Path(file).is_file():
                yield f"pretrain.weights: {file!r}: no such file; correct the path"
    others = set(config["encoders"]) - {"resnet50"}
    if init == "moco_v2" and others:
        yield (
            "pretrain.init: moco_v2: these weights exist for resnet50 only, not for "
            f"{', '.join(sorted(others))}; take them from `encoders` or choose another `init`"
        )


def spike(config: Config) -> Iterator[str]:
    """A period that does not come round to itself, or runs without an angle to spoil pairs by."""
    if not (given := config["pretrain"]["spike"]):
        return
    if not angles.divides_circle(given["period"]):
        yield f"pretrain.spike.period: {given['period']}: must divide 360; choose another"
    if angles.RANDOM in config["angles"]:
        yield (
            f"pretrain.spike: {given}: spoils pairs by their angle, and `random` has none; take "
            "`random` from `angles` or set it to null"
        )


def probe(config: Config) -> Iterator[str]:
    """A choice for a perceptron that is not there."""
    given = config["probe"]
    if given["pictures"] == "seen" and not given["perceptron"]:
        yield (
            "probe.pictures: seen: is read only with `perceptron: true`; set that, or `unseen`, as "
            "the linear probe is judged by test pictures in any case"
        )


def encoders(config: Config) -> Iterator[str]:
    """Settings that an encoder does not allow."""
    for name in config["encoders"]:
        bare = timm_name(name).split(".")[0]
        if bare not in known():
            close = difflib.get_close_matches(bare, sorted(known()), 1)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            yield f"encoders: {name!r}: timm has no such network{hint}"
        patch = re.search(r"patch(\d+)", name)
        if patch and config["image_size"] % int(patch[1]):
            yield (
                f"image_size: {config['image_size']}: {name} cuts images into patches of "
                f"{patch[1]} pixels; take a multiple of {patch[1]}"
            )
    others = [name for name in config["encoders"] if name.startswith(NO_RELU)]
    if config["saliency"]["guided"] and others:
        yield (
            "saliency.guided: true: defined for ReLU networks only, not for "
            f"{', '.join(others)}; set it to false or take other encoders"
        )


def precision(config: Config) -> Iterator[str]:
    """A precision that the device does not have."""
    if (config["device"], config["precision"]) == ("cpu", "tf32"):
        yield (
            "precision: tf32: only GPUs have it; with `device: cpu` set `precision: auto`, which "
            "is float32 there"
        )


def watching(config: Config) -> Iterator[str]:
    """Files for TensorBoard without the package that writes them."""
    if config["logging"] == "tensorboard" and find_spec("tensorboard") is None:
        yield (
            "logging: tensorboard: needs the package tensorboard, which is not installed here; "
            "`pip install tensorboard`, or set it to text"
        )


CHECKS = (
    *(image_sets, grids, views, pre_rotation, scores_at_0, split, analysis),
    *(weights, spike, probe, encoders, precision, watching),
)
