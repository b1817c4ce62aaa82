"""The configuration: checked as a whole before anything runs.

Snakemake merges `config.yaml`, the files after `--configfile` and `--config` before the workflow
sees them: mappings key by key at every depth, anything else replaced. `resolve` takes away what an
overlay set to null, and refuses what cannot work.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from thetascope.datasets.listing import user_path
from thetascope.engine import config_checks
from thetascope.errors import UserError

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "schemas" / "config.schema.yaml"
DEFAULTS = ROOT / "config.yaml"
MOST_VALUES = 100_000  # in a file of settings: a list of every angle there is has 3,601

Config = dict[str, Any]

# what a view is where it says nothing, as `learning.rotation.View` has it
VIEW = {"canvas": "zero", "interpolation": "bilinear", "sham": False, "matched": False}

# keywords whose value in the schema says all there is to say
BOUNDS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be above {}",
    "exclusiveMaximum": "must be below {}",
    "minItems": "needs at least {} entries",
    "maxItems": "may have at most {} entries",
    "minProperties": "needs at least {} entry",
    "pattern": "must match {}",
}


class _StrictLoader(yaml.SafeLoader):
    """Refuses what YAML reads otherwise than it looks."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for (key, _), name in zip(node.value, keys, strict=True):
            if keys.count(name) > 1:
                raise UserError(f"{_line(key)}: {name}: is listed more than once; remove one")
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        number = super().construct_yaml_int(node)
        if re.fullmatch(r"[-+]?0[0-7_]+|.*:.*", node.value):
            raise UserError(f"{_line(node)}: {node.value}: YAML reads this as {number}; write that")
        return int(number)


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _StrictLoader.construct_yaml_int)


def _line(node: yaml.Node) -> str:
    return f"{node.start_mark.name}: line {node.start_mark.line + 1}"


def check_files(paths: Iterable[str | Path]) -> None:
    """Look for what is no longer to be seen once the files have been read.

    Parameters
    ----------
    paths : iterable of path
        `config.yaml` and its overlays.

    Raises
    ------
    UserError
        If a key stands twice in a section, a number is in octal or sexagesimal notation, or a file
        has no end or measure once its aliases are followed.
    """
    for path in paths:
        with Path(path).open("rb") as file:
            waiting, values = [yaml.load(file, _StrictLoader)], 0  # noqa: S506 (it is a safe one)
        while waiting:
            value = waiting.pop()
            values += 1
            if isinstance(value, Mapping | list):
                waiting += value.values() if isinstance(value, Mapping) else value
            if values > MOST_VALUES:
                raise UserError(
                    f"{path}: holds more than {MOST_VALUES} values once its aliases (`*name`) are "
                    "followed; write out what they stand for"
                )


def default() -> Config:
    """Read the workflow's own `config.yaml`."""
    config: Config = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))
    return config


def resolve(config: Mapping[str, Any]) -> Config:
    """Take away entries set to null and check the rest.

    Parameters
    ----------
    config : mapping
        As Snakemake merged it; not changed.

    Returns
    -------
    dict
        The configuration that the rules use; resolving it again changes nothing.

    Raises
    ------
    UserError
        With one line per problem: key, value, remedy.
    """
    resolved: Config = _read_text(config)
    analysis = resolved.get("analysis")
    _without_lost_sets(resolved)
    # mappings to which an overlay adds
    for place, section in ((resolved, "datasets"), (resolved, "views"), (analysis, "questions")):
        if isinstance(place, dict) and isinstance(place.get(section), Mapping):
            place[section] = {k: v for k, v in place[section].items() if v is not None}
    errors = sorted(_validator().iter_errors(resolved), key=lambda error: [*map(str, error.path)])
    problems = list(dict.fromkeys(line for error in errors for line in _explain(error)))
    problems += _not_finite(resolved)
    if not problems:  # cross-field checks may rely on types
        resolved["views"] = {name: VIEW | view for name, view in resolved["views"].items()}
        if weights := resolved["pretrain"]["weights"]:
            each = isinstance(weights, dict)
            resolved["pretrain"]["weights"] = (
                {encoder: str(user_path(file)) for encoder, file in weights.items() if file}
                if each
                else str(user_path(weights))
            )
        problems = [line for check in config_checks.CHECKS for line in check(resolved)]
    if problems:
        raise UserError("\n  ".join(["the configuration needs a change:", *problems]))
    return resolved


def _without_lost_sets(config: Config) -> None:
    """Where an overlay takes data sets away, take away the questions about these alone."""
    match config:
        case {"datasets": dict(sets), "analysis": {"questions": dict(questions)}}:
            lost = {name for name, dataset in sets.items() if dataset is None}
            for name, asked in questions.items():
                if isinstance(asked, dict) and isinstance(asked.get("dataset"), list) and lost:
                    asked["dataset"] = [one for one in asked["dataset"] if one not in lost]
                    if not asked["dataset"]:
                        questions[name] = None


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(yaml.safe_load(SCHEMA.read_text("utf-8")))


def _read_text(value: Any) -> Any:
    """Copy, with numbers, booleans and null read: `--config` hands nested ones over as text."""
    if isinstance(value, Mapping):
        return {key: _read_text(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_read_text(inner) for inner in value]
    return _read_word(value) if isinstance(value, str) else value


@cache
def _read_word(word: str) -> str | bool | int | float | None:
    try:
        read = yaml.safe_load(word)
    except yaml.YAMLError:
        return word
    return read if read is None or isinstance(read, bool | int | float) else word


def _not_finite(value: Any, where: str = "") -> Iterator[str]:
    """Numbers that pass every bound and are none."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{where[1:]}: {value}: must be a finite number"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _not_finite(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _not_finite(inner, f"{where}.{i}")


def _explain(error: jsonschema.ValidationError) -> Iterator[str]:
    """Lines of `key: value: what to change` for one finding of the schema."""
    where = ".".join(map(str, error.absolute_path)) or "top level"
    value, keyword, limit = error.instance, error.validator, error.validator_value
    if keyword == "additionalProperties":
        known = error.schema["properties"]
        for key in sorted(set(value) - set(known), key=str):
            full = key if where == "top level" else f"{where}.{key}"
            close = difflib.get_close_matches(str(key), known, 1)
            hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(known)}"
            yield f"{full}: unknown key; {hint}"
    elif keyword == "required":
        missing = [key for key in limit if key not in value]
        remedy = "add it"
        if where == "top level":
            remedy += ", or name the file after `--configfile`, which needs changes only"
        yield f"{where}: lacks {', '.join(missing)}; {remedy}"
    elif keyword == "enum":
        yield f"{where}: {value!r}: must be one of {', '.join(map(str, limit))}"
    elif keyword == "oneOf":
        yield f"{where}: {value!r}: must be {_describe(error.schema, value)}"
    elif keyword == "type":
        wanted = limit if isinstance(limit, str) else " or ".join(limit)
        hint = ""
        if isinstance(value, str) and wanted in ("number", "integer"):
            hint = " (YAML reads 1e-3 as text: write 0.001 or 1.0e-3)"
        elif isinstance(value, bool | int | float) and wanted == "string":
            hint = " (YAML reads no, yes and digits as such: put it in quotes)"
        yield f"{where}: {value!r}: must be of type {wanted}{hint}"
    elif keyword == "uniqueItems":
        yield f"{where}: {value!r}: lists an entry more than once; remove one"
    elif keyword in BOUNDS:
        yield f"{where}: {value!r}: {BOUNDS[keyword].format(limit)}"
    else:
        yield f"{where}: {error.message}"


def _describe(schema: Mapping[str, Any], value: object) -> str:
    """What an angle specification may be, in words."""
    words = [word for way in schema["oneOf"] for word in way.get("enum", [])]
    if words and not isinstance(value, list | Mapping):
        options = " or ".join(map(str, words))
        return f"{options}, or angles from 0 to 360 ({{start, stop, step}} or a list)"
    return (
        "{start, stop, step} or a list, with angles from 0 to 360 and a step of at least 0.1"
        " (in `angles` the list may also hold random and none, and the grid `stagger: true`)"
    )
