import re

import yaml

from thetascope.engine.config import SCHEMA
from thetascope.engine.config_reference import DEFAULTS, reference

PAGE = SCHEMA.parents[1] / "docs/config.md"


def rows():
    cells = [line.strip("|").split(" | ") for line in PAGE.read_text("utf-8").splitlines()]
    return {row[0].strip(): row[1:] for row in cells if re.match(r" `", row[0])}


def test_the_page_is_that_of_the_schema():
    assert PAGE.read_text("utf-8") == reference()


def test_every_key_has_a_meaning():
    without = [key for key, row in rows().items() if not row[-1].strip()]
    # columns of a question are those of the tables
    assert not [key for key in without if "analysis.questions." not in key]


def test_defaults_bounds_and_choices_are_told():
    told = rows()
    assert told["`pretrain.temperature`"] == ["`0.2`", "number > 0", "τ of InfoNCE. "]
    assert told["`saliency.noise_scale`"][:2] == ["`range`", "`range`, `inverse_range`"]
    assert told["`views.….sham`"][1] == "boolean"
    assert told["`seeds`"][:2] == ["`[0]`", "list of integer ≥ 0, ≤ 2147483647"]
    default = yaml.safe_load(DEFAULTS.read_text("utf-8"))
    samples = default["saliency"]["samples"]["finetuned"]
    assert told["`saliency.samples.finetuned`"][:2] == [f"`{samples}`", "integer ≥ 1"]
    assert (
        told["`analysis.questions.….series`"][1]
        == "list of `value`, `excess`, `turning`, `picture`"
    )
    assert "`downloads.moco_v2.url`" in told
