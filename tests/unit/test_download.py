"""Downloads from a real server that misbehaves, and archives that mean harm."""

import hashlib
import io
import logging
import os
import shutil
import signal
import ssl
import stat
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thetascope import download as module
from thetascope.download import download, extracted
from thetascope.errors import UserError

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256, MD5 = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest()
LIBRARY = Path(module.__file__).parents[1]


class Server(ThreadingHTTPServer):
    """Serves CONTENT at every address; `plan` says how it treats the next requests."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan, self.seen, self.etag, self.content = [], [], '"1"', CONTENT
        self.scheme = "http"

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.server_port}/file"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        server.seen.append(dict(self.headers))
        plan = server.plan.pop(0) if server.plan else {}
        if "error" in plan:
            return self.send_error(plan["error"])
        start, wanted = 0, self.headers.get("Range")
        unchanged = self.headers.get("If-Range") == server.etag
        if wanted and unchanged and not plan.get("no_ranges"):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if start >= len(server.content):
            return self.send_error(416)
        if "location" in plan:
            self.send_response(302)
            self.send_header("Location", plan["location"])
            return self.end_headers()
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            first = start + plan.get("shifted", 0)
            self.send_header("Content-Range", f"bytes {first}-{len(body)}/{len(server.content)}")
        if server.etag:
            self.send_header("ETag", server.etag)
        if not plan.get("no_length"):
            self.send_header("Content-Length", str(len(body) + plan.get("missing", 0)))
        self.end_headers()
        self.wfile.write(body[: plan.get("cut", len(body))])
        self.wfile.flush()
        time.sleep(plan.get("stall", 0))
        return None


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "PAUSES", (0.01,) * 3)
    served = Server()
    threading.Thread(target=served.serve_forever, args=(0.02,), daemon=True).start()
    yield served
    served.shutdown()
    served.server_close()


def check(target):
    """The file is there, whole, and nothing is left beside it."""
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


# -- fetching --------------------------------------------------------------------------------------


@pytest.mark.parametrize("checksum", [None, f"sha256:{SHA256}", f"md5:{MD5}", f"md5:{MD5[:8]}"])
def test_a_plain_download(server, tmp_path, checksum, caplog):
    caplog.set_level(logging.INFO)
    assert download(server.url, tmp_path / "new" / "file", checksum) == SHA256
    check(tmp_path / "new" / "file")
    assert (f"sha256:{SHA256}" in caplog.text) == (checksum is None)


def test_a_cut_connection_goes_on_where_it_was_cut(server, tmp_path):
    server.plan = [{"cut": 300_000}, {"cut": 200_000}]
    download(server.url, tmp_path / "file", None)
    check(tmp_path / "file")
    assert [seen.get("Range") for seen in server.seen] == [None, "bytes=300000-", "bytes=500000-"]
    assert server.seen[1]["If-Range"] == '"1"'


def test_a_cut_without_a_length_cannot_be_seen_but_the_checksum_sees_it(server, tmp_path):
    server.plan = [{"cut": 300_000, "no_length": True}]
    with pytest.raises(UserError, match="expected " + SHA256):
        download(server.url, tmp_path / "file", f"sha256:{SHA256}")
    assert not list(tmp_path.iterdir())


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.plan = [{"cut": 300_000}, {"no_ranges": True}]
    download(server.url, tmp_path / "file", None)
    check(tmp_path / "file")


@pytest.mark.parametrize("etag", ['"2"', 'W/"1"', ""])
def test_a_file_that_may_have_changed_is_fetched_anew(server, tmp_path, etag):
    server.plan, server.etag = [{"cut": 100_000}] * 4, etag or None
    server.content = b"old" * 300_000
    with pytest.raises(UserError, match="run again to go on"):
        download(server.url, tmp_path / "file", None)
    server.content, server.etag = CONTENT, '"3"'
    download(server.url, tmp_path / "file", None)
    check(tmp_path / "file")


def test_a_continuation_from_elsewhere_is_not_taken(server, tmp_path):
    server.plan = [{"cut": 300_000}, {"shifted": 5}]
    download(server.url, tmp_path / "file", None)
    check(tmp_path / "file")


def test_another_address_does_not_continue_this_one(server, tmp_path):
    server.plan = [{"cut": 300_000}] + [{"error": 500}] * 3
    with pytest.raises(UserError):
        download(server.url, tmp_path / "file", None)
    server.plan, server.content = [], CONTENT[::-1]
    download(server.url + "/other", tmp_path / "file", None)
    assert (tmp_path / "file").read_bytes() == CONTENT[::-1]


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(UserError, match=f"{server.url}: has md5 {MD5}, expected 00000000"):
        download(server.url, tmp_path / "file", "md5:00000000")
    assert not list(tmp_path.iterdir())


def test_what_is_not_there_is_not_asked_for_again(server, tmp_path):
    server.plan = [{"error": 404}]
    with pytest.raises(UserError, match=r"the server answers 404 Not Found; .* local path"):
        download(server.url, tmp_path / "file", None)
    assert len(server.seen) == 1


def test_a_server_in_trouble_is_asked_again(server, tmp_path):
    server.plan = [{"error": 500}, {"error": 503}]
    download(server.url, tmp_path / "file", None)
    check(tmp_path / "file")


def test_a_wrong_length_is_an_error(server, tmp_path):
    server.plan = [{"missing": 10}] * 20
    with pytest.raises(UserError, match=f"ended after {len(CONTENT)} of {len(CONTENT) + 10}"):
        download(server.url, tmp_path / "file", None)
    assert not (tmp_path / "file").exists()


def test_a_whole_part_that_was_never_checked_is_fetched_again(server, tmp_path):
    server.plan = [{"cut": 300_000}] + [{"error": 500}] * 3
    with pytest.raises(UserError):
        download(server.url, tmp_path / "file", None)
    (tmp_path / ".file.part").write_bytes(b"x" * len(CONTENT))
    download(server.url, tmp_path / "file", f"sha256:{SHA256}")
    check(tmp_path / "file")


def test_a_server_that_falls_silent(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    server.plan = [{"cut": 300_000, "stall": 1}]
    download(server.url, tmp_path / "file", None)
    check(tmp_path / "file")
    assert server.seen[1]["Range"] == "bytes=300000-"


@pytest.mark.parametrize(
    "url", ["http://example.org/a", "ftp://localhost/a", "file:///etc/passwd", "http://10.0.0.1/a"]
)
def test_addresses_without_encryption_are_refused(server, tmp_path, url):
    with pytest.raises(UserError, match="not encrypted"):
        download(url, tmp_path / "file", None)
    server.plan = [{"location": url}]
    with pytest.raises(UserError, match=r"not encrypted|not allowed"):
        download(server.url, tmp_path / "file", None)
    assert not (tmp_path / "file").exists()


def test_a_certificate_that_cannot_be_verified(server, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not here to make a certificate")
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *subject],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.scheme = "https"
    with pytest.raises(UserError, match=r"certificate cannot be verified .* with a browser"):
        download(server.url, tmp_path / "file", None)


def test_a_killed_download_goes_on_in_the_next_process(server, tmp_path):
    server.plan = [{"cut": 300_000, "stall": 20}]
    code = (
        f"import sys; sys.path.insert(0, {str(LIBRARY)!r})\n"
        "from thetascope.download import download\n"
        "download(sys.argv[1], sys.argv[2], None)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, server.url, str(tmp_path / "file")])
    part = tmp_path / ".file.part"
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    came = part.stat().st_size
    assert 0 < came < len(CONTENT)
    assert not (tmp_path / "file").exists()
    download(server.url, tmp_path / "file", f"sha256:{SHA256}")
    assert server.seen[-1]["Range"] == f"bytes={came}-"
    check(tmp_path / "file")


# -- extracting ------------------------------------------------------------------------------------


def make_zip(path, members, links=(), compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, contents in members:
            archive.writestr(name, contents)
        for name, kind in links:
            info = zipfile.ZipInfo(name)
            info.external_attr = (kind | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
    return path


def make_tar(path, members, links=(), mode="w:gz"):
    kinds = {
        stat.S_IFLNK: tarfile.SYMTYPE,
        stat.S_IFIFO: tarfile.FIFOTYPE,
        stat.S_IFCHR: tarfile.CHRTYPE,
    }
    with tarfile.open(path, mode) as archive:
        for name, contents in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(contents), 0o4777
            archive.addfile(info, io.BytesIO(contents))
        for name, kind in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kinds.get(kind, tarfile.LNKTYPE), "/etc/passwd"
            archive.addfile(info)
    return path


makers = pytest.mark.parametrize("make", [make_zip, make_tar])


@pytest.fixture
def refuses(tmp_path):
    """Hold that an archive is refused by name and leaves nothing, inside or outside."""
    home = tmp_path / "deep" / "home"
    home.mkdir(parents=True)

    def check(make, said, *arguments, limits=(10**6, 100), **options):
        archive = make(home / "archive", *arguments, **options)
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(UserError, match=said) as error, extracted(archive, *limits):
            pytest.fail("extracted")
        assert str(archive) in str(error.value)
        assert sorted(tmp_path.rglob("*")) == before

    return check


@makers
def test_plain_archives(make, tmp_path):
    members = [("a/b.txt", b"one"), ("a/c/d.txt", b"two"), ("e", b"")]
    with extracted(make(tmp_path / "archive", members)) as folder:
        for name, contents in members:
            assert (folder / name).read_bytes() == contents
            assert not (folder / name).stat().st_mode & 0o7111
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == [tmp_path / "archive"]


@makers
@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "/etc/a", "a/..", "C:a", "..\\a", "\\\\host\\a", "a/../b"]
)
def test_no_way_out_of_the_folder(make, refuses, name):
    refuses(make, "leads out of its folder", [("good", b"1"), (name, b"2")])


@makers
def test_no_links_and_no_devices(make, refuses):
    refuses(make, "link", [("good", b"1")], [("evil", stat.S_IFLNK)])
    if make is make_tar:
        for kind in (stat.S_IFIFO, stat.S_IFCHR, 0):
            refuses(make, "link or device", [("good", b"1")], [("evil", kind)])


@makers
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_no_name_twice(make, refuses):
    refuses(make, "'a' twice", [("a", b"1"), ("a", b"2")])
    refuses(make, "'B/a' twice", [("b/A", b"1"), ("B/a", b"2")])
    refuses(make, "a/b is a file and a folder", [("a", b"1"), ("a/b", b"2")])


@makers
def test_limits_hold_for_what_comes_out(make, refuses):
    refuses(make, "more than 100 files", [(f"{i}", b"") for i in range(101)])
    refuses(make, "more than 1000000 bytes", [("bomb", bytes(10**6 + 1))])
    refuses(make, "more than 1000000 bytes", [(f"{i}", bytes(10**5)) for i in range(11)])


def test_a_header_that_lies_about_the_size(refuses, tmp_path):
    def make(path):
        make_zip(path, [("bomb", bytes(2 * 10**6))])
        raw = path.read_bytes()
        assert raw.count((2 * 10**6).to_bytes(4, "little")) == 2
        path.write_bytes(raw.replace((2 * 10**6).to_bytes(4, "little"), (10).to_bytes(4, "little")))
        return path

    refuses(make, "damaged|more than")


def test_an_encrypted_member(refuses):
    def make(path):
        make_zip(path, [("secret", b"1")])
        raw = bytearray(path.read_bytes())
        raw[6] |= 1  # in the member's own header
        raw[raw.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
        path.write_bytes(raw)
        return path

    refuses(make, "encrypted")


@makers
@pytest.mark.parametrize("keep", [0.3, 0.7, 0.98])
def test_a_truncated_archive(make, refuses, keep):
    def cut(path):
        noise = [(f"{i}", os.urandom(2000)) for i in range(20)]
        make(path, noise)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
        return path

    refuses(cut, "damaged|no zip or tar archive")


@makers
def test_a_flipped_bit(make, refuses):
    def flip(path):
        make(path, [("noise", os.urandom(50_000))])
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)
        return path

    refuses(flip, "damaged|no zip or tar archive")


def test_what_is_no_archive(refuses):
    def page(path):
        path.write_text("<html>Please log in</html>")
        return path

    refuses(page, "is no zip or tar archive; delete it")


def test_an_error_within_the_block_is_the_callers(tmp_path):
    with (
        pytest.raises(ValueError, match="mine"),
        extracted(make_zip(tmp_path / "archive", [("a", b"1")])) as folder,
    ):
        raise ValueError("mine")
    assert not folder.exists()


names = st.lists(
    st.text("abcXYZ019 -_.é", min_size=1, max_size=8).filter(lambda n: n.strip(". ")),
    min_size=1,
    max_size=3,
).map("/".join)


@makers
@settings(max_examples=40, deadline=None)
@given(files=st.dictionaries(names, st.binary(max_size=3000), max_size=5))
def test_safe_archives_come_out_as_they_went_in(make, files, tmp_path_factory):
    folded = [name.casefold() for name in files]
    parents = {n[:i].casefold() for n in files for i in range(len(n)) if n[i] == "/"}
    if len(set(folded)) < len(folded) or parents & set(folded):
        return
    archive = make(tmp_path_factory.mktemp("archives") / "archive", list(files.items()))
    with extracted(archive) as folder:
        found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        assert found == set(files)
        assert all((folder / name).read_bytes() == contents for name, contents in files.items())
