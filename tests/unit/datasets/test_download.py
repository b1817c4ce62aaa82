"""Downloads from a real server that cuts, stalls and lies."""

import contextlib
import hashlib
import logging
import os
import pty
import random
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import termios
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from thetascope.datasets import download as module
from thetascope.datasets.download import download
from thetascope.errors import UserError

BODY = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(280_000)
SHA256, MD5 = hashlib.sha256(BODY).hexdigest(), hashlib.md5(BODY).hexdigest()
CUT = 2 * module.CHUNK + 1000  # of this many bytes two chunks reach the file if the rest stalls


# -- the server ------------------------------------------------------------------------------------


class Site(ThreadingHTTPServer):
    """Serves `body` with ranges (RFC 9110); `plan` holds other answers to the next requests."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.validators = BODY, {"ETag": '"one"'}
        self.plan, self.requests = [], []
        self.released = threading.Event()  # ends stalls
        self.url = f"http://127.0.0.1:{self.server_port}/file"

    def handle_error(self, request, client_address):
        """Be silent about clients that went away."""

    def ranges(self):
        return [headers.get("Range") for headers in self.requests]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(dict(self.headers))
        answer = self.server.plan.pop(0) if self.server.plan else serve()
        answer(self, self.server)

    def log_message(self, *args):
        pass

    def reply(self, status, content, **headers):
        self.send_response(status)
        for name, value in ({"Content_Length": len(content)} | headers).items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content)


def serve(cut=None, ranges=True, stall=False, **headers):
    """The body or its missing part, but at most `cut` bytes, with some headers replaced."""

    def answer(handler, site):
        size, whole = len(site.body), dict(site.validators)
        first, status = 0, 200
        condition = handler.headers["If-Range"]
        if ranges and condition and condition in site.validators.values():
            first = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            status = 206 if first < size else 416
            whole["Content_Range"] = (
                f"bytes {first}-{size - 1}/{size}" if status == 206 else f"bytes */{size}"
            )
        content = site.body[first:] if status < 400 else b"page"
        whole["Content_Length"] = len(content)
        handler.reply(status, content[:cut], **whole | headers)
        if stall:
            handler.wfile.flush()
            site.released.wait(20)

    return answer


def status(code, content=b"page", **headers):
    return lambda handler, site: handler.reply(code, content, **headers)


@pytest.fixture
def site():
    site = Site()
    thread = threading.Thread(target=site.serve_forever, args=(0.01,))
    thread.start()
    yield site
    site.released.set()
    site.shutdown()
    thread.join()
    site.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No pauses, and no proxy of this machine's user."""
    monkeypatch.setattr(module, "PAUSES", (0, 0, 0))
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "weights.bin"


def left(path):
    """Names beside the target, which is not there."""
    return sorted(p.name for p in path.parent.iterdir())


def command(site, path):
    """What downloads in a process of its own."""
    code = "import sys; from thetascope.datasets.download import download; download(*sys.argv[1:])"
    return [sys.executable, "-c", code, site.url, str(path), f"md5:{MD5[:8]}"]


SCRIPTS = Path(module.__file__).parents[2]
PARTIAL = [".weights.bin.part", ".weights.bin.part.json"]


def cut_off(site, path, cut=CUT, **headers):
    """Leave a partial file of some bytes of the site's, as one interrupted call does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PAUSES", ())
        site.plan = [serve(cut=cut, **headers)]
        with pytest.raises(UserError, match=f"cut after {cut} of {len(site.body)} bytes"):
            download(site.url, path, None)
    assert left(path) == PARTIAL
    assert (path.parent / PARTIAL[0]).read_bytes() == site.body[:cut]
    site.requests.clear()


# -- download --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "checksum", [None, f"sha256:{SHA256}", f"sha256:{SHA256[:8]}", f"md5:{MD5}", f"md5:{MD5[:8]}"]
)
def test_a_file_arrives_whole_and_alone(site, path, checksum):
    assert download(site.url, str(path), checksum) == SHA256
    assert path.read_bytes() == BODY
    assert left(path) == [path.name]
    assert site.ranges() == [None]


def test_a_checksum_may_have_capitals(site, path):
    assert download(site.url, path, f"MD5:{MD5.upper()}") == SHA256


def test_an_empty_file_and_one_of_unknown_size_arrive(site, path):
    site.plan = [status(200, b"")]
    assert download(site.url, path, None) == hashlib.sha256(b"").hexdigest()
    site.plan = [serve(Content_Length=None)]
    assert download(site.url, path, None) == SHA256


def test_a_cut_that_no_length_tells_of_is_found_by_the_checksum(site, path):
    site.plan = [serve(cut=CUT, Content_Length=None)]
    with pytest.raises(UserError, match=f"expected sha256:{SHA256}, found"):
        download(site.url, path, f"sha256:{SHA256}")
    assert left(path) == []


def chunked(end):
    def answer(handler, site):
        handler.protocol_version = "HTTP/1.1"
        handler.reply(200, b"", Content_Length=None, Transfer_Encoding="chunked", ETag='"one"')
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(site.body), site.body) + end)
        handler.close_connection = True

    return answer


def test_a_chunked_body_without_its_end_is_cut(site, path):
    site.plan = [chunked(b""), chunked(b"0\r\n\r\n")]
    download(site.url, path, None)
    assert path.read_bytes() == BODY
    assert site.ranges() == [None, None]  # of unknown size: started over


def test_the_target_takes_its_place_after_all_bytes_are_on_the_disk(site, path, monkeypatch):
    done = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append(os.fstat(fd).st_size), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda a, b: (done.append(b.exists()), replace(a, b)))
    download(site.url, path, None)
    assert done == [len(BODY), False]


@pytest.mark.parametrize("stall", [False, True], ids=["cut", "stall"])
def test_one_call_goes_on_from_where_it_was(site, path, monkeypatch, stall):
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    site.plan = [serve(cut=CUT, stall=stall), serve(cut=1000)]
    assert download(site.url, path, f"sha256:{SHA256}") == SHA256
    kept = 2 * module.CHUNK if stall else CUT
    assert site.ranges() == [None, f"bytes={kept}-", f"bytes={kept + 1000}-"]
    assert site.requests[1]["If-Range"] == '"one"'
    assert path.read_bytes() == BODY
    assert left(path) == [path.name]


def test_a_server_that_never_replies_is_given_up(site, path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    site.plan = [lambda handler, site: site.released.wait(20)] * 4
    with pytest.raises(UserError, match=r"/file: no reply \(timed out\), the last of 4 attempts"):
        download(site.url, path, None)
    assert len(site.requests) == 4


@pytest.mark.parametrize("content", [None, CUT], ids=["at once", "in the body"])
def test_a_connection_that_breaks_is_tried_again(site, path, content):
    def reset(handler, site):
        if content:
            serve(cut=content)(handler, site)
        # lingering for no time sends a reset instead of a regular end
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    site.plan = [reset]
    assert download(site.url, path, None) == SHA256
    assert len(site.requests) == 2


def test_pauses_grow_and_the_last_error_says_what_to_do(site, path, monkeypatch):
    slept = []
    monkeypatch.setattr(module, "PAUSES", (1, 5, 20))
    monkeypatch.setattr(time, "sleep", slept.append)
    site.plan = [serve(cut=1000)] * 4
    with pytest.raises(UserError, match=f"^{site.url}: .* cut after 4000 of .* run again to go on"):
        download(site.url, path, None)
    assert slept == [1, 5, 20]
    assert left(path) == PARTIAL


def test_the_next_call_goes_on(site, path):
    cut_off(site, path)
    download(site.url, path, None)
    assert site.ranges() == [f"bytes={CUT}-"]
    assert path.read_bytes() == BODY


def test_a_date_is_a_validator_too(site, path):
    site.validators = {"Last-Modified": "Mon, 05 Jan 2015 10:00:00 GMT"}
    cut_off(site, path)
    download(site.url, path, None)
    assert site.requests[0]["If-Range"] == "Mon, 05 Jan 2015 10:00:00 GMT"
    assert path.read_bytes() == BODY


NOW = "Mon, 05 Jan 2015 10:00:00 GMT"


@pytest.mark.parametrize(
    "validators",
    [
        {},
        {"ETag": 'W/"one"'},
        {"ETag": 'W/"one"', "Last-Modified": NOW},
        {"Last-Modified": NOW, "Date": NOW},
    ],
    ids=["none", "weak", "weak with date", "same second"],
)
def test_without_a_strong_validator_a_partial_file_starts_over(site, path, validators, monkeypatch):
    # the server sends a date of its own otherwise
    monkeypatch.setattr(
        Handler, "date_time_string", lambda *_: validators.get("Date", "Tue, 06 Jan 2015 10:00 GMT")
    )
    site.validators = {k: v for k, v in validators.items() if k != "Date"}
    cut_off(site, path)
    download(site.url, path, None)
    assert site.ranges() == [None]
    assert path.read_bytes() == BODY


def test_a_server_without_ranges_starts_over(site, path):
    cut_off(site, path)
    site.plan = [serve(ranges=False)]
    download(site.url, path, None)
    assert site.ranges() == [f"bytes={CUT}-"]
    assert path.read_bytes() == BODY


def test_a_file_that_changed_between_attempts_starts_over(site, path):
    cut_off(site, path)
    site.body, site.validators = OTHER, {"ETag": '"two"'}
    site.plan = [serve(cut=1000)]
    download(site.url, path, None)
    assert path.read_bytes() == OTHER
    assert [r.get("If-Range") for r in site.requests] == ['"one"', '"two"']


def test_a_partial_file_of_another_address_starts_over(site, path):
    cut_off(site, path)
    download(site.url + "2", path, None)
    assert site.ranges() == [None]
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("notes", [None, "", '{"url": "ht'], ids=["gone", "empty", "half"])
def test_a_partial_file_without_whole_notes_starts_over(site, path, notes):
    cut_off(site, path)
    (path.parent / PARTIAL[1]).unlink()
    if notes is not None:
        (path.parent / PARTIAL[1]).write_text(notes)
    download(site.url, path, None)
    assert site.ranges() == [None]
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Range": f"bytes {CUT - 1}-{len(BODY) - 1}/{len(BODY)}"},
        {"Content_Range": f"bytes {CUT}-{len(BODY)}/{len(BODY) + 1}"},
        {"Content_Range": None},
        {"ETag": '"two"'},
    ],
    ids=["other start", "other size", "none", "other version"],
)
def test_a_part_that_does_not_fit_starts_over(site, path, headers):
    cut_off(site, path)
    site.plan = [serve(**headers)]
    download(site.url, path, None)
    assert site.ranges() == [f"bytes={CUT}-", None]
    assert path.read_bytes() == BODY


def test_a_complete_partial_file_is_only_verified(site, path):
    cut_off(site, path)
    (path.parent / PARTIAL[0]).write_bytes(BODY)  # as if killed just before the end
    assert download(site.url, path, f"sha256:{SHA256}") == SHA256
    assert site.ranges() == [f"bytes={len(BODY)}-"]
    assert path.read_bytes() == BODY


def test_a_complete_partial_file_with_other_bytes_is_removed(site, path):
    cut_off(site, path)
    (path.parent / PARTIAL[0]).write_bytes(bytes(len(BODY)))
    with pytest.raises(UserError, match=f"expected sha256:{SHA256}, found"):
        download(site.url, path, f"sha256:{SHA256}")
    assert left(path) == []
    download(site.url, path, f"sha256:{SHA256}")
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("kept", "headers"),
    [
        (len(BODY) + 5, {}),
        (len(BODY), {}),
        (len(BODY), {"Content_Range": f"bytes */{len(OTHER)}"}),
        (len(BODY), {"Content_Range": f"bytes */{len(BODY)}", "ETag": '"two"'}),
        (CUT, {"Content_Range": f"bytes */{len(BODY)}"}),
        (CUT, {}),
    ],
    ids=["too long", "size unsaid", "other size", "other version", "too short", "no size"],
)
def test_a_range_that_cannot_be_had_starts_over(site, path, kept, headers):
    cut_off(site, path)
    (path.parent / PARTIAL[0]).write_bytes((BODY * 2)[:kept])
    site.plan = [status(416, **headers)]
    download(site.url, path, None)
    assert site.ranges() == [f"bytes={kept}-", None]
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    "checksum", [f"sha256:{'0' * 64}", f"md5:{MD5[:31]}{'x1'[MD5[31] != '1']}", "md5:00000000"]
)
def test_a_wrong_checksum_leaves_nothing(site, path, checksum):
    checksum = checksum.replace("x", "2")
    path.parent.mkdir()
    path.write_bytes(b"old")
    with pytest.raises(UserError) as error:
        download(site.url, path, checksum)
    found = SHA256 if checksum.startswith("sha256") else MD5
    assert str(error.value).startswith(f"{site.url}: expected {checksum}, found ")
    assert f":{found}; " in str(error.value)
    assert "correct address or checksum in the configuration" in str(error.value)
    assert left(path) == [path.name]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize(
    "checksum",
    [
        "",
        MD5,
        "md5:",
        "sha256:",
        f"md5:{MD5[:7]}",
        f"md5:{MD5}0",
        f"sha256:{SHA256}0",
        "sha1:00000000",
        "md5:0000000g",
        f" md5:{MD5}",
        f"md5:{MD5}\n",
    ],
)
def test_a_checksum_of_another_form_is_refused_before_anything_is_asked(site, path, checksum):
    with pytest.raises(UserError, match=f"^{site.url}: checksum .* must be sha256: or md5:"):
        download(site.url, path, checksum)
    assert not site.requests


@pytest.mark.parametrize("code", [400, 403, 404, 410])
def test_a_refusal_of_the_server_is_final(site, path, code):
    site.plan = [status(code)]
    with pytest.raises(UserError, match=f"^{site.url}: the server replied {code} .* correct the"):
        download(site.url, path, None)
    assert len(site.requests) == 1
    assert left(path) == []


def test_a_refusal_leaves_the_partial_file(site, path):
    cut_off(site, path)
    site.plan = [status(403)]
    with pytest.raises(UserError, match="403"):
        download(site.url, path, None)
    assert left(path) == PARTIAL


@pytest.mark.parametrize("code", [204, 206])
def test_a_success_that_is_no_file_is_refused(site, path, code):
    site.plan = [status(code, b"")]
    with pytest.raises(UserError, match=f"^{site.url}: the server replied {code}, not a file"):
        download(site.url, path, None)
    assert left(path) == []


def test_an_error_of_the_server_is_tried_again(site, path):
    site.plan = [status(500), status(503)]
    download(site.url, path, None)
    assert len(site.requests) == 3
    assert path.read_bytes() == BODY


def test_an_error_of_the_server_that_stays_is_named(site, path):
    site.plan = [status(500)] * 4
    with pytest.raises(UserError, match=f"^{site.url}: the server replied 500 .* attempts; run"):
        download(site.url, path, None)
    assert len(site.requests) == 4


def test_a_length_that_is_never_reached_is_an_error(site, path):
    site.plan = [serve(Content_Length=len(BODY) + 1, ranges=False)] * 4
    with pytest.raises(UserError, match=f"cut after {len(BODY)} of {len(BODY) + 1} bytes"):
        download(site.url, path, None)
    assert left(path) == PARTIAL


def test_a_part_longer_than_it_says_does_not_pass(site, path):
    cut_off(site, path)

    def longer(handler, site):
        where = f"bytes {CUT}-{len(BODY) - 1}/{len(BODY)}"
        handler.reply(206, BODY[CUT:] + b"more", Content_Range=where)

    site.plan = [longer]
    download(site.url, path, None)
    assert path.read_bytes() == BODY
    assert site.ranges() == [f"bytes={CUT}-", f"bytes={len(BODY) + 4}-", None][: len(site.requests)]
    assert len(site.requests) > 1


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/file",
        "http://10.0.0.1/file",
        "http://127.0.0.1.example.org/file",
        "http://127.0.0.1@example.org/file",
        "http://localhost.example.org/file",
        "ftp://127.0.0.1/file",
        "file:///etc/hostname",
        "/etc/hostname",
        "https://",
        "https:///file",
        "https://example.org/a file",
        "https://example.org/é",
        "https://example.org/\nfile",
        "https://example.org:99999/file",
        "https://example.org:https/file",
        "https://user:secret@example.org/file",
        "",
    ],
)
def test_other_addresses_are_refused_before_anything_is_asked(path, url, monkeypatch):
    monkeypatch.setattr(module, "build_opener", lambda *_: pytest.fail("asked"))
    with pytest.raises(UserError, match="the address must begin with https://"):
        download(url, path, None)
    assert not path.parent.exists()


@pytest.mark.parametrize(
    "url",
    ["https://example.org", "HTTPS://a-b.example.org:8443/x?y=%20#z", "https://[2001:db8::1]/"],
)
def test_https_is_allowed(url):
    assert module._scheme(url) == "https"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.1.2.3", "[::1]:8"])
def test_http_is_allowed_on_this_machine(host):
    assert module._scheme(f"http://{host}/file") == "http"


def test_a_host_that_has_no_name_is_an_error(path):
    with pytest.raises(UserError, match=r"https://a\.\.b/: no reply"):
        download("https://a..b/", path, None)


def test_redirects_on_this_machine_are_followed_with_the_range(site, path):
    cut_off(site, path)
    site.plan = [status(302, Location="/there")]
    download(site.url, path, None)
    assert site.ranges() == [f"bytes={CUT}-"] * 2
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    "there", ["http://example.org/", "https://127.0.0.1:1/", "ftp://127.0.0.1/", "//example.org/"]
)
def test_redirects_elsewhere_are_refused(site, path, there):
    site.plan = [status(302, Location=there)]
    with pytest.raises(
        UserError, match=f"^{site.url}: leads to {'http:' * (there[0] == '/')}{there}"
    ):
        download(site.url, path, None)
    assert len(site.requests) == 1


def test_redirects_to_files_are_refused(site, path):
    site.plan = [status(302, Location="file:///etc/hostname")]
    with pytest.raises(UserError, match=r"file:///etc/hostname.* not allowed"):
        download(site.url, path, None)
    assert left(path) == []


def test_endless_redirects_end(site, path):
    site.plan = [status(302, Location="/file")] * 20
    with pytest.raises(UserError, match="the server replied 302"):
        download(site.url, path, None)


def test_no_proxy_is_asked_for_this_machine(site, path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    download(site.url, path, None)
    assert path.read_bytes() == BODY


def test_a_proxy_is_asked_for_https(site, path, monkeypatch):
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{site.server_port}")
    with pytest.raises(UserError, match=r"no reply .*501"):  # the site knows no CONNECT
        download("https://example.org/file", path, None)


def test_a_place_that_cannot_be_written_is_named(site, path):
    path.parent.write_text("a file")
    with pytest.raises(UserError, match=f"^{site.url}: cannot write {path}: "):
        download(site.url, path, None)


@contextlib.contextmanager
def no_file_beyond(size):
    """Let the system refuse to write more bytes into any file."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_no_error_of_the_connection(site, path):
    with no_file_beyond(100_000), pytest.raises(UserError, match="File too large; make room there"):
        download(site.url, path, None)
    assert len(site.requests) == 1


def test_the_log_has_a_line_now_and_then(site, path, caplog, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: 2.0 * next(clock))  # 2 s per look
    caplog.set_level(logging.INFO)
    download(site.url, path, None)
    lines = [record.message for record in caplog.records]
    assert lines[0] == f"{site.url}: download to {path}"
    third = 3 * module.CHUNK
    assert lines[1] == f"{site.url}: {third} of 300000 bytes, {third / 6e6:.2f} MB/s"
    assert lines[2] == f"{site.url}: done, 300000 bytes, sha256:{SHA256}"
    assert lines[3].startswith(f"compared with nothing; set checksum: sha256:{SHA256} to be told")
    assert len(lines) == 4


def test_a_verified_download_asks_for_no_checksum(site, path, caplog):
    caplog.set_level(logging.INFO)
    download(site.url, path, f"md5:{MD5}")
    assert len(caplog.records) == 2


def test_the_bar_is_only_for_terminals(site, path, capfd):
    download(site.url, path, None)
    assert capfd.readouterr() == ("", "")
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 100))
    assert subprocess.run(command(site, path), cwd=SCRIPTS, stderr=end).returncode == 0
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError), open(terminal, "rb", buffering=0) as screen:  # noqa: PTH123
        while True:  # the end of a terminal is an error
            shown += screen.read(1000)
    assert b"300k/300k" in shown


def test_the_module_loads_nothing_heavy():
    code = (
        "import sys, thetascope.datasets.download; "
        "sys.exit(bool({'torch', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS).returncode == 0


def test_a_killed_download_goes_on_in_a_new_process(site, path):
    site.plan = [serve(cut=CUT, stall=True)]
    part, kept = path.parent / PARTIAL[0], 2 * module.CHUNK
    with subprocess.Popen(command(site, path), cwd=SCRIPTS) as child:
        end = time.monotonic() + 20
        while not (part.exists() and part.stat().st_size == kept) and time.monotonic() < end:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert left(path) == PARTIAL
    assert part.read_bytes() == BODY[:kept]
    assert subprocess.run(command(site, path), cwd=SCRIPTS).returncode == 0
    assert site.ranges() == [None, f"bytes={kept}-"]
    assert path.read_bytes() == BODY
    assert left(path) == [path.name]


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture
def secure(site, tmp_path):
    """The site behind TLS, and the file of its certificate, which nobody signed."""
    if not shutil.which("openssl"):
        pytest.skip("needs the program openssl to make a certificate")
    certificate = tmp_path / "certificate.pem"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 "
        f"-keyout {tmp_path}/key.pem -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, tmp_path / "key.pem")
    site.socket = context.wrap_socket(site.socket, server_side=True)
    site.url = site.url.replace("http:", "https:")
    return certificate


def test_a_certificate_that_nobody_signed_is_refused_at_once(site, secure, path):
    with pytest.raises(UserError, match=r"could not be verified .*self.signed.*browser"):
        download(site.url, path, None)
    assert not site.requests
    assert left(path) == []


def test_a_trusted_certificate_is_accepted(site, secure, path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(secure))
    site.plan = [serve(cut=CUT), status(302, Location="/there")]
    assert download(site.url, path, None) == SHA256
    assert site.ranges() == [None, f"bytes={CUT}-", f"bytes={CUT}-"]


def test_redirects_never_leave_tls(site, secure, path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(secure))
    site.plan = [status(302, Location="http://127.0.0.1:1/file")]
    with pytest.raises(UserError, match=r"leads to http://127\.0\.0\.1:1/file, which is"):
        download(site.url, path, None)
