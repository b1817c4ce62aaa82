"""Fingerprints of code: what an edit makes stale."""

import shutil

import pytest

from thetascope.engine.fingerprint import LIBRARY, fingerprint

PICTURES = {"plot_samples.py", "plot_pairs.py", "plot_saliency.py"}
TURNED = {"plot_pairs.py", "plot_saliency.py", "explorer.py"}


@pytest.fixture
def library(tmp_path):
    shutil.copytree(LIBRARY.parent, tmp_path / "scripts")
    return tmp_path / "scripts"


@pytest.mark.parametrize(
    ("module", "changed"),
    [
        ("saliency/metrics.py", {"score.py", "explorer.py", *PICTURES}),
        ("learning/contrastive.py", {"pretrain.py"}),
        ("saliency/sanity.py", {"saliency.py"}),
        ("learning/perceptron.py", {"perceptron.py"}),
        ("learning/probe.py", {"perceptron.py", "saliency.py"}),
        (
            "learning/rotation.py",
            {"pretrain.py", "finetune.py", "saliency.py", "perceptron.py", "explorer.py", *TURNED},
        ),
        ("datasets/adapters/retina.py", set()),  # adapters are named by their rule, one by one
        ("engine/job.py", set()),
    ],
)
def test_an_edit_shows_in_the_scripts_that_import_it(library, module, changed):
    scripts = [path.name for path in library.glob("*.py")]
    before = {name: fingerprint(name, root=library) for name in scripts}
    path = library / "thetascope" / module
    path.write_text(path.read_text() + "\nEDITED = True\n")
    after = {name: fingerprint(name, root=library) for name in scripts}
    assert {name for name in scripts if before[name] != after[name]} == changed


def test_imports_of_every_form_are_followed(tmp_path):
    package = tmp_path / "thetascope"
    (package / "sub").mkdir(parents=True)
    (package / "engine").mkdir()
    for name in ("__init__", "a", "b", "c", "d", "f", "unused", "sub/__init__", "sub/e", "sub/g"):
        (package / f"{name}.py").write_text("")
    for name in "__init__", "job":
        (package / f"engine/{name}.py").write_text("")
    (tmp_path / "job.py").write_text(
        "import thetascope.a\nfrom thetascope import b\nfrom thetascope.engine import job\n"
        "def f():\n    from thetascope.sub.e import x\n"
    )
    (package / "b.py").write_text("from . import c\nfrom .d import y\n")
    (package / "sub/e.py").write_text("from ..f import y\nfrom .g import z\n")
    before = fingerprint("job.py", root=tmp_path)
    for name in ("a", "b", "c", "d", "f", "sub/e", "sub/g"):
        path = package / f"{name}.py"
        kept = path.read_text()
        path.write_text(kept + "\nz = 1\n")
        assert fingerprint("job.py", root=tmp_path) != before, name
        path.write_text(kept)
    for name in "unused", "__init__", "sub/__init__", "engine/job":
        (package / f"{name}.py").write_text("z = 1\n")
    assert fingerprint("job.py", root=tmp_path) == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("if a:\n b\n c\nelse:\n d", "if a:\n b\nelse:\n c\n d"),
        ("def f(*a): pass", "def f(**a): pass"),
        ("x[a:]", "x[:a]"),
        ("x = 1", "x = '1'"),
    ],
)
def test_programs_of_the_same_words_differ(tmp_path, one, other):
    marks = set()
    for text in (one, other):
        (tmp_path / "job.py").write_text(text)
        marks.add(fingerprint("job.py", root=tmp_path))
    assert len(marks) == 2


def test_a_file_that_is_no_python_counts_where_it_is_named(tmp_path):
    (tmp_path / "job.py").write_text("")
    marks = set()
    for text in ("<p>one", "<p>two"):
        (tmp_path / "page.html").write_text(text)
        marks.add(fingerprint("job.py", "page.html", root=tmp_path))
    assert len(marks | {fingerprint("job.py", root=tmp_path)}) == 3


MODULE = """'''One line.'''

LIMIT = 3


class Store:
    '''What it holds.'''

    def get(self):
        '''Give it.'''
        return LIMIT  # why
"""


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("# why", "# for another reason", False),
        ("One line.", "Another line.", False),
        ("What it holds.", "What is in it.", False),
        ("Give it.", "Hand it over.", False),
        ("\n\n\nclass", "\nclass", False),
        ("= 3", "= 4", True),
        ("return LIMIT", "return 'Give it.'", True),
        ("get", "fetch", True),
    ],
)
def test_words_about_the_code_do_not_count(tmp_path, old, new, counts):
    marks = []
    for text in MODULE, MODULE.replace(old, new):
        (tmp_path / "job.py").write_text(text)
        marks.append(fingerprint("job.py", root=tmp_path))
    assert (marks[0] != marks[1]) == counts


def test_values_that_are_false_are_told_apart(tmp_path):
    marks = set()
    for value in ("0", "False", "''", "0.0", "()"):
        (tmp_path / "job.py").write_text(f"LIMIT = {value}\n")
        marks.add(fingerprint("job.py", root=tmp_path))
    assert len(marks) == 5
