"""Atomic files, fingerprints of code, seeds and records."""

import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from thetascope import provenance
from thetascope.provenance import atomic, fingerprint, seed_for

SCRIPTS = provenance.LIBRARY.parent
PICTURES = {"plot_samples.py", "plot_pairs.py", "plot_saliency.py"}


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "result.csv"
    path.write_text("old")
    with pytest.raises(OSError, match="disk full"), atomic(path) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_takes_its_place_with_common_rights(tmp_path):
    path = tmp_path / "new" / "result.csv"
    with atomic(path) as temporary:
        assert temporary.suffix == ".csv"
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert list(path.parent.iterdir()) == [path]


@pytest.fixture
def library(tmp_path):
    shutil.copytree(SCRIPTS, tmp_path / "scripts")
    return tmp_path / "scripts"


@pytest.mark.parametrize(
    ("module", "changed"),
    [
        ("metrics.py", {"score.py", "explorer.py", *PICTURES}),
        ("contrastive.py", {"pretrain.py"}),
        ("saliency.py", {"saliency.py"}),
        ("rotation.py", {"pretrain.py", "finetune.py", "saliency.py", "plot_pairs.py"}),
        ("datasets/retina.py", set()),  # adapters are named by their rule, one by one
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
    for name in ("__init__", "a", "b", "c", "d", "unused", "sub/__init__", "sub/e"):
        (package / f"{name}.py").write_text("")
    (tmp_path / "job.py").write_text(
        "import thetascope.a\nfrom thetascope import b\n"
        "def f():\n    from thetascope.sub.e import x\n"
    )
    (package / "b.py").write_text("from . import c\nfrom .d import y\n")
    before = fingerprint("job.py", root=tmp_path)
    for name in ("__init__", "a", "b", "c", "d", "sub/__init__", "sub/e"):
        path = package / f"{name}.py"
        kept = path.read_text()
        path.write_text(kept + "\n")
        assert fingerprint("job.py", root=tmp_path) != before, name
        path.write_text(kept)
    (package / "unused.py").write_text("z = 1\n")
    assert fingerprint("job.py", root=tmp_path) == before


def test_a_file_that_is_no_python_counts_where_it_is_named(tmp_path):
    (tmp_path / "job.py").write_text("")
    marks = set()
    for text in ("<p>one", "<p>two"):
        (tmp_path / "page.html").write_text(text)
        marks.add(fingerprint("job.py", "page.html", root=tmp_path))
    assert len(marks | {fingerprint("job.py", root=tmp_path)}) == 3


def test_seeds_are_stable_and_distinct():
    assert seed_for(0, "ihc", "030.0", "pretrain") == 3227782518956277277
    seeds = {seed_for(s, d, a) for s in range(5) for d in ("x", "y") for a in range(50)}
    assert len(seeds) == 500
    assert seed_for("1", "23") != seed_for("12", "3")
    assert max(seeds) < 2**63


def job():
    return SimpleNamespace(
        rule="score", wildcards={"angle": "030.0"}, params={"quantile": 0.8, "code": "abc"}
    )


def test_tables_carry_their_record_and_keep_text_as_text(tmp_path):
    frame = pd.DataFrame({"item": ["007"], "angle": ["030.0"], "value": [0.1234567]})
    path = tmp_path / "t.csv"
    provenance.write_csv(frame, path, provenance.record(job(), device="cpu"))
    first = path.read_text().splitlines()[0]
    assert first.startswith('# {"device":"cpu","params":{"code":"abc","quantile":0.8}')
    table = provenance.read_csv(path)
    assert table.loc[0].tolist() == ["007", "030.0", 0.123457]


def test_only_an_empty_cell_is_missing(tmp_path):
    frame = pd.DataFrame({"dataset": ["NA", "nan"], "metric": ["null", ""], "value": [np.nan, 1]})
    provenance.write_csv(frame, tmp_path / "t.csv", provenance.record(job(), device="cpu"))
    table = provenance.read_csv(tmp_path / "t.csv")
    assert table["dataset"].tolist() == ["NA", "nan"]
    assert table["metric"].isna().tolist() == [False, True]
    assert table["value"].isna().tolist() == [True, False]


def test_arrays_carry_their_record_and_equal_contents_give_equal_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        provenance.write_npz(tmp_path / name, provenance.record(job()), x=np.arange(3))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["x"].tolist() == [0, 1, 2]
        assert '"rule": "score"' in str(arrays["record"])
