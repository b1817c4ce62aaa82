"""What must stand nowhere in the code: ways in which a file or a name becomes a command.

Ruff's rules S find most of them: shells, eval and exec, calls of pickle, unsafe YAML. Here is the
rest.
"""

import ast
import re

import pytest

from thetascope.engine.fingerprint import LIBRARY

ROOT = LIBRARY.parents[1]
FILES = [*LIBRARY.parent.rglob("*.py"), *ROOT.glob("bench/*.py")]
RULES = [ROOT / "Snakefile", *ROOT.glob("rules/*.smk")]

# ruff knows calls of some, by their full names
MODULES = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
BUILTINS = {"compile", "__import__"}
METHODS = {"extractall", "unpack_archive", "unsafe_load"}
# call → what it must say; its default runs what a file holds
SAFE = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "np.savez_compressed": ("allow_pickle", False),
}
NETWORK = {"urlopen", "urlretrieve", "build_opener", "requests"}


def dangers(source, network=False):
    """Lines of Python that could run what they read, or ask the network."""
    for node in ast.walk(ast.parse(source)):
        names = set()
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").split(".")[0], *(alias.name for alias in node.names)}
        if names & MODULES or (not network and names & NETWORK):
            yield ast.unparse(node)
        if not isinstance(node, ast.Call):
            continue
        function = ast.unparse(node.func)
        given = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
        if function in BUILTINS or function.split(".")[-1] in METHODS:
            yield ast.unparse(node)
        if function in SAFE and given.get(SAFE[function][0]) is not SAFE[function][1]:
            yield ast.unparse(node)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_or_name_becomes_a_command(path):
    asks = path == LIBRARY / "datasets/download.py"
    assert not list(dangers(path.read_text("utf-8"), network=asks))


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "compile(text, name, mode)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "np.load(path)",
        "yaml.unsafe_load(file)",
        "archive.extractall(folder)",
        "from urllib.request import urlopen",
    ],
)
def test_the_search_finds_it(source):
    assert list(dangers(source)) == [source]


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_have_scripts_only(path):
    """A `shell:` would put names of data sets and paths into a command line."""
    text = path.read_text("utf-8")
    assert not re.search(r"^\s*(shell|run|wrapper|notebook|cwl):", text, re.M)


def test_the_loader_that_ruff_is_told_to_pass_is_a_safe_one():
    import yaml

    from thetascope.engine import config

    assert issubclass(config._StrictLoader, yaml.SafeLoader)
