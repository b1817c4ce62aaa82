"""Which networks timm has, read from its source: to import it takes seconds."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path

# our name → timm's, where they differ
ALIASES = {"efficientnet_lite0": "tf_efficientnet_lite0"}

REGISTERED = re.compile(r"^@register_model\ndef (\w+)\(", re.M)


def timm_name(encoder: str) -> str:
    """Name that timm has for an encoder of the configuration; a tag of weights stays with it."""
    return ALIASES.get(encoder, encoder)


@cache
def known() -> frozenset[str]:
    """Names of timm's networks, without the tags that name their weights."""
    spec = importlib.util.find_spec("timm")  # which does not import it
    if spec is None or spec.origin is None:
        return frozenset()
    files = (Path(spec.origin).parent / "models").glob("*.py")
    return frozenset(name for file in files for name in REGISTERED.findall(file.read_text("utf-8")))
