"""Digests of code: which results an edit of the library makes stale."""

from __future__ import annotations

import ast
import functools
import hashlib
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).parents[1]
# what runs jobs cannot change a number: import-linter holds that nothing below imports it
ENGINE = Path(__file__).parent.relative_to(LIBRARY.parent)
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def fingerprint(*files: str, root: Path = LIBRARY.parent) -> str:
    """Digest of code: of files and of every thetascope module that they import, transitively.

    Snakemake sees a change of a rule's script only; with this among the rule's params it sees a
    change of the library too, and only where it matters. Of Python the syntax tree counts, without
    docstrings: comments and layout may change. Modules of `thetascope.engine` do not count, nor
    do `__init__` files: those of rooms hold no code, and that of the package the version, which
    every result names, and what a notebook may ask for.

    Parameters
    ----------
    *files : str
        Python files, and others that they read, relative to `root`.
    root : Path
        The folder that holds the scripts and the package.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    waiting = [root / file for file in files]
    found: dict[Path, bytes] = {}
    while waiting:
        path = waiting.pop()
        if path in found or path.is_relative_to(root / ENGINE):
            continue
        found[path] = path.read_bytes()
        if path.suffix == ".py":
            found[path], imported = _code(path, root, found[path])
            waiting += imported
    digest = hashlib.sha256()
    for path, code in sorted(found.items()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + code)
    return digest.hexdigest()[:16]


@functools.cache  # most rules share most of the library
def _code(path: Path, root: Path, source: bytes) -> tuple[bytes, list[Path]]:
    """What a module does, and the files of the package that it imports, without running it."""
    package = path.relative_to(root).parent.parts
    names: set[str] = set()
    said: list[str] = []  # the tree, node after node; every command and every job waits for this
    waiting: list[Any] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            said.append(str(len(node)))
            waiting += node
            continue
        if not isinstance(node, ast.AST):
            said.append(repr(node))
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
        # empty fields differ between versions of Python
        held = {name: inner for name, inner in ast.iter_fields(node) if inner not in (None, [])}
        said += [type(node).__name__, *held]
        waiting += held.values()
    modules = sorted(name for name in names if name.split(".")[0] == LIBRARY.name)
    candidates = [root / f"{module.replace('.', '/')}.py" for module in modules]
    return "\n".join(said).encode(), [file for file in candidates if file.is_file()]
