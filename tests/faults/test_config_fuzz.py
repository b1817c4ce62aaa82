"""A thousand wrong configurations: each is accepted and works, or refused by naming the key."""

import copy
import datetime
import json
import math
import random
import re
from pathlib import Path

import pytest
import yaml

from thetascope.datasets import options
from thetascope.engine import config as configuration
from thetascope.engine import runs
from thetascope.errors import UserError
from thetascope.learning.rotation import View

ROOT = Path(__file__).parents[2]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
SCHEMA = yaml.safe_load(configuration.SCHEMA.read_text("utf-8"))


def words(node):
    """Every word that stands in the schema or in the default: what a user is likely to write."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield str(key)
            yield from words(value)
    elif isinstance(node, list):
        for value in node:
            yield from words(value)
    elif isinstance(node, str):
        yield node


def places(node, path=()):
    """Paths of everything in a configuration, the whole of it among them."""
    yield path
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(value, (*path, key))


KNOWN = sorted({word for source in (SCHEMA, DEFAULT) for word in words(source)})
TRAPS = ["0.1", "1e-3", "no", "010", "0x10", "1_000", "nan", ".inf", "~", "null", "", "θ"]
TRAPS += ["../up", "a/b", "a b", "'; rm -rf ~", "$(date)", "{wildcard}"]
NUMBERS = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1e308, 2**64, -(2**64)]


def text(rng):
    return "".join(chr(rng.randrange(32, 0x2FFF)) for _ in range(rng.randrange(9)))


def scalar(rng):
    """Draw what YAML may read as one value."""
    kinds = (
        lambda: rng.choice([None, True, False]),
        lambda: rng.randint(-400, 400),
        lambda: rng.uniform(-2, 2),
        lambda: rng.choice(NUMBERS),
        lambda: rng.choice(KNOWN),
        lambda: rng.choice(TRAPS),
        lambda: text(rng),
        lambda: datetime.date(2026, 1, 1) + datetime.timedelta(rng.randrange(999)),
    )
    return rng.choice(kinds)()


def key(rng):
    return rng.choice([rng.choice(KNOWN), text(rng), rng.randint(-2, 9), rng.random() < 0.5])


def anything(rng, depth=2):
    """Draw a value, or a list or mapping of such."""
    kind = rng.choice(["list", "mapping", *["scalar"] * 4]) if depth else "scalar"
    if kind == "list":
        return [anything(rng, depth - 1) for _ in range(rng.randrange(5))]
    if kind == "mapping":
        return {key(rng): anything(rng, depth - 1) for _ in range(rng.randrange(5))}
    return scalar(rng)


def configuration_with_mistakes(rng):
    """Draw the default after one to three mistakes."""
    config = copy.deepcopy(DEFAULT)
    for _ in range(rng.randint(1, 3)):
        path = rng.choice([path for path in places(config) if path])
        node = config
        for part in path[:-1]:
            node = node[part]
        what, last = rng.choice(["set", "delete", "add", "rename"]), path[-1]
        inner = node[last]
        if what == "set":
            node[last] = anything(rng)
        elif what == "delete":
            del node[last]
        elif what == "rename" and isinstance(node, dict):
            node[key(rng)] = node.pop(last)
        elif isinstance(inner, dict):
            inner[key(rng)] = anything(rng)
        elif isinstance(inner, list):
            inner.append(anything(rng))
    return config


def use(config):
    """What the rules do with an accepted configuration before the first job."""
    evaluated = runs.eval_angles(config)
    for label, _ in runs.angles_and_seeds(config):
        assert re.fullmatch(r"\d{3}\.\d|random|none", label)
        assert evaluated[label]
    for name, dataset in config["datasets"].items():
        assert re.fullmatch("[A-Za-z0-9_]+", name)
        options.archive(dataset["adapter"], dataset)
    for name, view in config["views"].items():
        assert re.fullmatch("[A-Za-z0-9_]+", name)
        View(**view)
    json.dumps(config, allow_nan=False)  # as every result records it
    assert configuration.resolve(config) == config


def complaints(config):
    """Lines of the refusal; none if the configuration is accepted, and then it must be of use."""
    try:
        resolved = configuration.resolve(config)
    except UserError as error:
        first, *lines = str(error).split("\n  ")
        assert first == "the configuration needs a change:"
        return lines
    use(resolved)
    return []


def test_every_configuration_is_of_use_or_refused_by_key():
    accepted = 0
    for seed in range(1_000):
        config = configuration_with_mistakes(random.Random(seed))
        lines = complaints(config)
        accepted += not lines
        for line in lines:
            # the key as the user wrote it, from the top
            assert line.startswith(("top level", *map(str, [*config, *DEFAULT]))), (seed, line)
            _key, _, remedy = line.partition(": ")
            assert len(remedy) > 10, (seed, line)
    assert 10 < accepted < 500  # both ways are tried


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeds: [0]\nseeds: [1]\n", "line 1: seeds: is listed more than once; remove one"),
        (
            "pretrain: {lr: 0.1,\n  lr: 0.2}\n",
            "line 1: lr: is listed more than once; remove one",
        ),
        ("image_size: 0100\n", "line 1: 0100: YAML reads this as 64; write that"),
        ("threads: 1\nsave_interval: 10:00\n", "line 2: 10:00: YAML reads this as 600; write that"),
    ],
)
def test_what_yaml_reads_otherwise_than_it_looks_is_refused(tmp_path, text, said):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        configuration.check_files([ROOT / "config.yaml", path])
    assert str(error.value) == f"{path}: {said}"


@pytest.mark.parametrize(
    ("section", "key"), [("datasets", "no"), ("datasets", "2024"), ("views", "on")]
)
def test_names_that_yaml_reads_as_something_else_are_refused(section, key):
    overlay = yaml.safe_load(f"{section}: {{{key}: {{adapter: mni152}}}}")
    config = {**DEFAULT, section: {**DEFAULT[section], **overlay[section]}}
    (line,) = [line for line in complaints(config) if "in quotes" in line]
    assert line.startswith(f"{section}: {yaml.safe_load(key)}: ")


BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("angles: &a [*a]", "mine.yaml: holds more than 100000 values once its aliases"),
        (BOMB, "mine.yaml: holds more than 100000 values once its aliases"),
        ("angles: !!python/object/apply:os.system [touch pwned]", "is not valid JSON or YAML"),
        ("angles: [0", "is not valid JSON or YAML"),
        ("- angles", "with keys at top level"),
        ("datasets: {'; touch pwned': {adapter: ihc}}", "datasets: '; touch pwned': must match"),
        ("datasets: {'$(touch pwned)': {adapter: ihc}}", "datasets: '$(touch pwned)': must match"),
        ("datasets: {'../../up': {adapter: ihc}}", "datasets: '../../up': must match"),
        ("datasets: {x: {adapter: ../../evil}}", "datasets.x.adapter: '../../evil': no such"),
        (f"seeds: [{10**30}]", f"seeds.0: {10**30}: must be at most"),
    ],
    ids=lambda value: value[:20],
)
def test_the_real_command_refuses_it_before_anything_runs(fresh, text, said):
    (fresh.folder / "mine.yaml").write_text(text)
    done = fresh.snakemake(configfile="mine.yaml", check=False)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not {"results", "logs", "pwned"} & {path.name for path in fresh.folder.iterdir()}


def test_the_experiments_are_accepted():
    for path in (ROOT / "experiments").glob("*.yaml"):
        configuration.check_files([path])
