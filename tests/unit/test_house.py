"""How the house is kept: small modules and functions, and a script for every rule."""

import ast
import re
from pathlib import Path

import pytest

from thetascope.engine.fingerprint import LIBRARY
from thetascope.engine.runs import GPU_RULES

ROOT = Path(__file__).parents[2]
MODULES = sorted(LIBRARY.rglob("*.py"))
PACKAGES = [path for path in MODULES if path.name == "__init__.py" and path.parent != LIBRARY]


def name(path):
    return str(path.relative_to(LIBRARY))


def beside_docstring(node):
    """Its statements but the docstring."""
    return node.body[ast.get_docstring(node, clean=False) is not None :]


def test_what_is_tested_is_this_checkout():
    assert LIBRARY.is_relative_to(ROOT), "pip install --no-deps --no-build-isolation -e ."


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_has_at_most_350_lines_and_the_body_of_a_function_60(path):
    source = path.read_text("utf-8")
    assert len(source.splitlines()) <= 350
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = beside_docstring(node) or node.body
            assert body[-1].end_lineno - body[0].lineno < 60, node.name


@pytest.mark.parametrize("path", PACKAGES, ids=name)
def test_a_sub_package_itself_holds_nothing_but_a_docstring(path):
    """To import a module runs every `__init__` above it, which import-linter does not count."""
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree) and not beside_docstring(tree)


@pytest.mark.parametrize("path", sorted(LIBRARY.parent.glob("*.py")), ids=lambda path: path.name)
def test_a_script_is_thin_and_hands_over_before_it_imports_what_is_heavy(path):
    source = path.read_text("utf-8")
    assert len(source.splitlines()) <= 40
    if "hand_over(" in source:
        first = source[: source.index("prefork.hand_over(")]
        assert re.findall(r"^(?:from|import) .*", first, re.M) == [
            "from thetascope.engine import prefork"
        ]


def test_scripts_that_compute_with_networks_run_in_warm_workers_and_no_others():
    scripts = LIBRARY.parent.glob("*.py")
    warm = {path.stem for path in scripts if "hand_over(warm=True)" in path.read_text("utf-8")}
    assert warm == set(GPU_RULES)


def test_every_rule_has_a_script_of_its_own_name_and_every_script_a_rule():
    scripts = {}
    for path in ROOT.glob("rules/*.smk"):
        for rule in re.split(r"^rule ", path.read_text("utf-8"), flags=re.M)[1:]:
            scripts[rule.split(":")[0]] = re.findall(r'^    script:\s+"(.*)"$', rule, re.M)
    assert scripts == {rule: [f"../workflow_scripts/{rule}.py"] for rule in scripts}
    assert set(scripts) == {path.stem for path in LIBRARY.parent.glob("*.py")}


def test_the_page_of_the_api_names_every_part_of_the_library():
    """Sphinx goes on from these to all modules below them."""
    page = (ROOT / "docs/api.md").read_text("utf-8")
    parts = {path.stem for path in LIBRARY.iterdir() if not path.name.startswith("_")}
    assert set(re.findall(r"^   thetascope\.(\w+)$", page, re.M)) == parts
