"""The messages of docs/troubleshooting.md are those that the code really gives."""

import ast
import re

import pytest

from thetascope.engine.fingerprint import LIBRARY

SECTION = (LIBRARY.parents[1] / "docs/troubleshooting.md").read_text("utf-8")
SNAKEMAKES = ("MissingRuleException", "Error: Directory", "Config file")  # seen by other tests
MESSAGES = [m for m in re.findall(r"^\| `(.+?)` \|", SECTION, re.M) if not m.startswith(SNAKEMAKES)]
TEXTS = [
    node.value
    for file in LIBRARY.rglob("*.py")
    for node in ast.walk(ast.parse(file.read_text("utf-8")))
    if isinstance(node, ast.Constant) and isinstance(node.value, str)
]


def test_there_are_messages():
    assert len(MESSAGES) > 7


@pytest.mark.parametrize("message", MESSAGES)
def test_message(message):
    for part in message.split("…"):
        assert any(part.strip() in text for text in TEXTS), part
