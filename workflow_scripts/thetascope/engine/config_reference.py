"""The reference of the configuration, made from its schema: docs/config.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from thetascope.engine.config import DEFAULTS, SCHEMA

Schema = Mapping[str, Any]

INTRODUCTION = """# Every key of the configuration

`config.yaml` is the default experiment, with a comment beside every key; overlays (`--configfile`)
change only what they name. Unknown keys, wrong types and values out of bounds are refused before
anything runs. The options of image sets depend on their adapter: see
[own-images.md](own-images.md) and [datasets.md](datasets.md).
This page is made from `schemas/config.schema.yaml`:
`python -m thetascope.engine.config_reference > docs/config.md`.

| key | default | values | meaning |
|---|---|---|---|
"""


def _values(schema: Schema) -> str:
    """What a key may hold, in words."""
    if "enum" in schema:
        return ", ".join(f"`{yaml_text(value)}`" for value in schema["enum"])
    if "oneOf" in schema:
        return " or ".join(map(_values, schema["oneOf"]))
    if "const" in schema:
        return f"`{yaml_text(schema['const'])}`"
    kind = schema.get("type", "")
    text = " or ".join([kind] if isinstance(kind, str) else kind)
    if kind == "array":
        return f"list of {_values(schema['items'])}" if "items" in schema else "list"
    if kind == "object" and "properties" in schema:
        return f"{{{', '.join(schema['properties'])}}}"
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    bounds = [f"≥ {low}"] * (low is not None) + [f"> {above}"] * (above is not None)
    bounds += [f"≤ {high}"] * (high is not None) + [f"< {below}"] * (below is not None)
    return " ".join([text, ", ".join(bounds)]).strip()


def yaml_text(value: object) -> str:
    """One line of YAML."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()


def _rows(schema: Schema, default: Any, definitions: Schema, path: str = "") -> Iterator[str]:
    for key, raw in schema.get("properties", {}).items():
        part = resolve(raw, definitions)
        name = f"{path}{key}"
        value = default.get(key) if isinstance(default, Mapping) else None
        inner = part.get("additionalProperties")
        branches = part.get("properties") or isinstance(inner, Mapping)
        known = isinstance(default, Mapping) and key in default and not branches
        shown = f"`{yaml_text(value)}`" if known else ""
        values = "" if branches else _values(part).replace("|", "\\|")
        yield f"| `{name}` | {shown} | {values} | {part.get('description', '')} |"
        yield from _rows(part, value, definitions, f"{name}.")
        if isinstance(inner, Mapping):
            yield from _rows(resolve(inner, definitions), None, definitions, f"{name}.….")


def resolve(schema: Any, definitions: Schema) -> Any:
    """Put definitions in the place of references, at every depth."""
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            named = definitions[schema["$ref"].rsplit("/")[-1]]
            return {**resolve(named, definitions), **resolve(beside, definitions)}
        return {key: resolve(value, definitions) for key, value in schema.items()}
    return [resolve(v, definitions) for v in schema] if isinstance(schema, list) else schema


def reference() -> str:
    """Write the page: a row per key with its default, what it may hold, and what it means."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    defaults = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))
    return INTRODUCTION + "\n".join(_rows(schema, defaults, schema["$defs"])) + "\n"


if __name__ == "__main__":
    print(reference(), end="")
