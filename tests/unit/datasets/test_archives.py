"""Hostile and damaged zip archives."""

import re
import resource
import stat
import struct
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thetascope.datasets.archives import extracted
from thetascope.errors import UserError

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")

LOCAL, CENTRAL = b"PK\3\4", b"PK\1\2"  # begin what stands before a member and in the directory
MEMBERS = [
    ("a/", b""),
    ("a/b/c.txt", b"c" * 2000),
    ("d.bin", bytes(range(256)) * 8),
    ("a/e.txt", b""),
]


def make_zip(path, members, **changes):
    """Write a zip of (name, content), where a member's attributes may be changed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            info = zipfile.ZipInfo("x")
            info.filename = name  # the constructor would make it safe
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in changes.items():
                setattr(info, key, value)
            file.writestr(info, content)


def patch_zip(path, form, values, offsets):
    """Overwrite a field of all members; `offsets` from the bytes with which its headers begin."""
    data = bytearray(path.read_bytes())
    for begin, offset in offsets.items():
        for found in list(re.finditer(begin, data)):
            struct.pack_into(form, data, found.start() + offset, *values)
    path.write_bytes(data)


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def refused(archive, match, *limits):
    """Assert that extracting fails with a message and leaves nothing, anywhere near."""
    before = sorted(archive.parent.parent.rglob("*"))
    with pytest.raises(UserError, match=match) as error, extracted(archive, *limits or (10**6,)):
        pytest.fail("extracted")
    assert str(error.value).startswith(f"{archive}: cannot be extracted (")
    assert "; delete it to fetch it again, or extract it by hand and set `path`" in str(error.value)
    assert sorted(archive.parent.parent.rglob("*")) == before


@pytest.fixture
def archive(tmp_path):
    """A place two folders down, to see what is written outside."""
    (tmp_path / "near" / "by").mkdir(parents=True)
    return tmp_path / "near" / "by" / "archive.dat"


@pytest.fixture
def small_disk():
    """Let the system refuse to write more than a megabyte into any file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("streamed", [False, True])
def test_files_are_there_in_the_block_only(archive, streamed):
    with archive.open("wb") as file:
        stream = SimpleNamespace(write=file.write, flush=file.flush)  # sizes stand after the data
        make_zip(stream if streamed else file, MEMBERS, external_attr=(stat.S_IFREG | 0o777) << 16)
    with extracted(str(archive)) as folder:
        assert folder.parent == archive.parent
        assert contents(folder) == {k: v for k, v in MEMBERS if not k.endswith("/")}
        assert not (folder / "d.bin").stat().st_mode & 0o111  # nothing to execute
    assert list(archive.parent.iterdir()) == [archive]


def test_an_error_within_the_block_is_the_callers(archive):
    make_zip(archive, MEMBERS)
    with pytest.raises(zipfile.BadZipFile, match="mine"), extracted(archive):
        raise zipfile.BadZipFile("mine")
    assert list(archive.parent.iterdir()) == [archive]


UNSAFE = ["/x", "//x", "../x", "a/../../x", "a/..", "..", "C:/x", "c:x", "a:b", "..\\x", "\\\\h\\x"]


@pytest.mark.parametrize("name", [*UNSAFE, "a" * 1001])
def test_names_that_lead_out_are_refused(archive, name):
    make_zip(archive, [("fine.txt", b"f"), (name, b"x")])
    refused(archive, "leads out of the folder or is too long")


@pytest.mark.parametrize("names", ["aa", "aA", ["straße", "STRASSE"], ["a", "a/"], ["a", "a/b"]])
def test_names_that_clash_are_refused(archive, names):
    make_zip(archive, [(name, b"" if name.endswith("/") else b"x") for name in names])
    refused(archive, "there twice|exists|Not a directory")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(archive, kind):
    make_zip(archive, [("x", b"/etc/hostname")], external_attr=(kind | 0o777) << 16)
    refused(archive, "'x' is a link, a device")


@pytest.mark.parametrize(
    ("form", "values", "offsets", "match"),
    [
        ("<H", [1], {LOCAL: 6, CENTRAL: 8}, "is encrypted"),
        ("<H", [12], {LOCAL: 8, CENTRAL: 10}, "compressed by method 12"),
        ("<H", [14], {LOCAL: 8, CENTRAL: 10}, "compressed by method 14"),
        ("<H", [51], {CENTRAL: 32}, "damaged at 'a.txt'"),
        ("<3L", [0, 0, 0], {CENTRAL: 16}, "damaged at 'a.txt'"),
        ("c", [b"/"], {CENTRAL: 50}, "damaged at 'a.tx/'"),
    ],
    ids=["encrypted", "bzip2", "lzma", "comment that hides a member", "no size", "folder"],
)
def test_what_zipfile_cannot_read_or_misreads_is_refused(archive, form, values, offsets, match):
    make_zip(archive, [("a.txt", b"aaa"), ("b.txt", b"bbb")])
    patch_zip(archive, form, values, offsets)
    refused(archive, match)


def test_limits_hold_exactly(archive):
    make_zip(archive, [("a/", b""), ("a/b", b"123"), ("c", b"4567")])
    with extracted(archive, 7, 4) as folder:
        assert (folder / "c").read_bytes() == b"4567"
    refused(archive, "more than 6 bytes", 6, 4)
    refused(archive, "more than 3 files and folders", 7, 3)


def test_bombs_and_full_disks_are_named(archive, small_disk):
    make_zip(archive, [("zeros", bytes(10**7))])
    refused(archive, "more than 1000000 bytes")
    refused(archive, "File too large", 10**8)
    patch_zip(archive, "<L", [10], {LOCAL: 22, CENTRAL: 24})  # now they say that they are small
    refused(archive, "Bad CRC")


def test_what_is_no_archive_is_refused(archive):
    refused(archive, "No such file")
    make_zip(archive, MEMBERS)
    whole = archive.read_bytes()
    for content in [b"<html>Please log in</html>", *(whole[:n] for n in range(0, len(whole), 97))]:
        archive.write_bytes(content)
        refused(archive, "not a zip file")
    make_zip(archive, [])
    refused(archive, "damaged or has no members")


NAMES = st.text(st.characters(exclude_characters="/\\:\0", exclude_categories=["Cs"]), max_size=20)
PATHS = NAMES.map(lambda name: f"dätä set/深い/{name}.x".casefold())


@settings(max_examples=25, deadline=None)
@given(files=st.dictionaries(PATHS, st.binary(max_size=2000), min_size=1))
def test_safe_archives_are_extracted_to_equal_bytes(files):
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place, "archive")
        make_zip(archive, files.items())
        with extracted(archive) as folder:
            assert contents(folder) == files
