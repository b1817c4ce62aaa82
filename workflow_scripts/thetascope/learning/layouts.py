"""Finds a network's weights in a checkpoint, however the code that wrote it has wrapped them."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from torch import Tensor, nn

from thetascope.errors import UserError

log = logging.getLogger(__name__)

State = dict[str, Tensor]

# what lies beside a backbone's weights without being part of it: classifiers, projection heads,
# prototypes, queues, decoders of masked autoencoders
HEADS = re.compile(
    r"(fc|heads?|classifier|linear|last_linear|mlp|neck|projector|proj(ection)?_(head|mlp)|"
    r"prototypes|predictor|prediction_head|queue\w*|decoder\w*|mask_token|masked_embed)(\.|$)"
)
# of two encoders that fit, what is taken and what is left: teachers as DINO's authors do, else the
# encoder that was trained by gradients, as MoCo's do
TAKEN = (
    ("teacher", "student"),
    ("encoder_q", "encoder_k"),
    ("online", "target"),
    ("", "momentum"),
)
# a torchvision ResNet's parts by their numbers, which its children have in an nn.Sequential
NUMBERED = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
NAMED = 8  # keys in a message


class Fit(NamedTuple):
    """An encoder in a file."""

    name: str  # where it lies
    weights: State  # by the network's keys
    left: list[str]  # keys beside it that no head has


def find(contents: Mapping[str, Any], network: nn.Module, source: str) -> State:
    """Weights for every key of a network, whatever is before the keys in the file.

    Parameters
    ----------
    contents : mapping
        What the file holds: tensors, or such mappings at any depth.
    network : Module
        The bare network, without classifier.
    source : str
        Name of the file, for messages.

    Raises
    ------
    UserError
        If a weight is missing, left over, or of another shape, or several encoders fit of which
        none is known to be the one; the message lists the keys.
    """
    expected = network.state_dict()
    fits = [
        fit
        for place, state in _states(contents, "")
        for spelling in _spellings(expected)
        for fit in _fits(place, state, spelling, expected)
        if not fit.left
    ]
    if not fits:
        raise UserError(
            f"{source}: does not fit the {type(network).__name__} backbone: "
            + _misfit(contents, expected)
        )
    chosen = _choose(fits)
    if len(chosen) > 1:
        names = ", ".join(fit.name + "*" for fit in chosen)
        raise UserError(
            f"{source}: holds several encoders that fit: {names}; save the one that you mean as a "
            "file of its own"
        )
    log.info("%s: the weights are %s*", source, chosen[0].name)
    return chosen[0].weights


def _states(contents: Mapping[str, Any], place: str) -> Iterator[tuple[str, State]]:
    """State dicts at any depth, with where they lie."""
    tensors = {k: v for k, v in contents.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if tensors:
        yield place, tensors
    for key, inner in contents.items():
        if isinstance(key, str) and isinstance(inner, Mapping):
            yield from _states(inner, f"{place}{key}.")


def _spellings(expected: Mapping[str, Tensor]) -> Iterator[dict[str, str]]:
    """How files may call the network's keys: as it does, and a ResNet's by numbers."""
    yield {key: key for key in expected}
    first = {key: key.split(".")[0] for key in expected}
    if set(first.values()) == set(NUMBERED):
        yield {key: NUMBERED[part] + key.removeprefix(part) for key, part in first.items()}


def _fits(
    place: str, state: State, spelling: Mapping[str, str], expected: Mapping[str, Tensor]
) -> Iterator[Fit]:
    """Encoders in a state dict, with the keys beside them that contradict the architecture."""
    needed = [key for key in expected if not _counter(key)]
    anchor = spelling[needed[0]]
    whole: dict[str, State] = {}
    for end in state:
        if f".{end}".endswith(f".{anchor}"):
            prefix = end.removesuffix(anchor)
            weights = {k: state[prefix + t] for k, t in spelling.items() if prefix + t in state}
            if all(k in weights and weights[k].shape == expected[k].shape for k in needed):
                whole[prefix] = weights
    for prefix, weights in whole.items():
        others = tuple(
            o.removeprefix(prefix) for o in whole if o != prefix and o.startswith(prefix)
        )
        beside = [key for key in _below(state, prefix) if key not in set(spelling.values())]
        left = [key for key in beside if not HEADS.match(key) and not key.startswith(others)]
        yield Fit(place + prefix, weights, left)


def _counter(key: str) -> bool:
    """Whether it counts batches: files from before torch 0.4.1 lack that, and nothing reads it."""
    return key.endswith("num_batches_tracked")


def _choose(fits: list[Fit]) -> list[Fit]:
    """Of several encoders those that are meant; of equal ones the first."""
    for taken, left in TAKEN:
        preferred = [fit for fit in fits if taken in fit.name and left not in fit.name]
        if preferred and any(left in fit.name for fit in fits):
            fits = [fit for fit in fits if left not in fit.name]
    different = fits[:1]
    for fit in fits[1:]:
        if any(not fit.weights[k].equal(v) for k, v in fits[0].weights.items()):
            different.append(fit)
    return different


def _misfit(contents: Mapping[str, Any], expected: Mapping[str, Tensor]) -> str:
    """What of the file comes nearest, and what it looks like."""
    best: tuple[int, str, State, dict[str, str]] = 0, "", {}, {}
    for place, state in _states(contents, ""):
        for spelling in _spellings(expected):
            counts = Counter(
                key.removesuffix(theirs)
                for key in state
                for theirs in _endings(key, set(spelling.values()))
            )
            for prefix, count in counts.most_common(1):
                if count > best[0]:
                    best = count, place + prefix, _below(state, prefix), spelling
    count, name, state, spelling = best
    every = {key: value for _, part in _states(contents, "") for key, value in part.items()}
    if not count:
        return (
            f"none of its keys is the network's, the first of {len(every)}: {list(every)[:NAMED]}; "
            f"it looks like {_looks_like(every)}"
        )
    missing = [key for key in expected if spelling[key] not in state and not _counter(key)]
    known = set(spelling.values())
    unexpected = sorted(key for key in state if key not in known and not HEADS.match(key))
    misshapen = [
        f"{key} {tuple(state[theirs].shape)} instead of {tuple(expected[key].shape)}"
        for key, theirs in sorted(spelling.items())
        if theirs in state and state[theirs].shape != expected[key].shape
    ]
    return (
        f"of {name or 'it'}{'*' * bool(name)} "
        f"{len(missing)} keys missing {sorted(missing)[:NAMED]}, {len(unexpected)} unexpected "
        f"{unexpected[:NAMED]}, {len(misshapen)} of another shape {misshapen[:NAMED]}; "
        f"it looks like {_looks_like(every)}; check that `encoders` names the architecture of this "
        "file"
    )


def _endings(key: str, known: set[str]) -> Iterator[str]:
    """The longest ending of a dotted key that is known."""
    parts = key.split(".")
    endings = (".".join(parts[start:]) for start in range(len(parts)))
    yield from islice((ending for ending in endings if ending in known), 1)


def _below(state: State, prefix: str) -> State:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


# blocks of a ResNet's four layers, and whether they are bottlenecks → its depth
DEPTHS: dict[tuple[tuple[int, ...], bool], int] = {
    ((2, 2, 2, 2), False): 18,
    ((3, 4, 6, 3), False): 34,
    ((3, 4, 6, 3), True): 50,
    ((3, 4, 23, 3), True): 101,
    ((3, 8, 36, 3), True): 152,
}
# a part of a key → whose it is
MARKS = {
    "embeddings.cls_token": "a vision transformer with the names of Hugging Face's transformers",
    "encoder_layer_0.": "a vision transformer with torchvision's names",
    "downsample_layers.0.": "a ConvNeXt with the names of its authors",
    "stages.0.blocks.0.conv_dw": "a ConvNeXt with timm's names",
    "features.0.": "a network with torchvision's names",
    "_blocks.0.": "an EfficientNet with the names of efficientnet_pytorch",
    "conv_stem": "an EfficientNet or another network with timm's names",
    "res2.0.": "a ResNet with the names of Detectron2",
}


def _looks_like(state: State) -> str:
    """Name an architecture by its keys."""
    layers = [
        _count(state, rf"(?:layer{number}\.|{number + 3}\.(?=\d+\.conv1))(\d+)\.")
        for number in range(1, 5)
    ]
    if all(layers):
        depth = DEPTHS.get((tuple(layers), any(".conv3." in key for key in state)))
        return f"a ResNet{f'-{depth}' * bool(depth)} of {layers} blocks"
    for token in (value for key, value in state.items() if re.search(r"(^|\.)cls_token$", key)):
        if blocks := _count(state, r"blocks\.(\d+)\."):
            return f"a vision transformer of width {token.shape[-1]}, {blocks} blocks"
    seen = [what for mark, what in MARKS.items() if any(mark in key for key in state)]
    return seen[0] if seen else f"none that is known, with keys like {list(state)[:2]}"


def _count(state: State, pattern: str) -> int:
    """How many different numbers stand in this place of the keys."""
    return len({m[1] for key in state if (m := re.search(rf"(?:^|\.){pattern}", key))})
