"""Downloads from a real server that cuts, stalls and lies."""

import hashlib
import logging
import os
import pty
import random
import shutil
import ssl
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

BODY, OTHER = random.Random(0).randbytes(300_000), random.Random(1).randbytes(280_000)
SHA256, MD5 = hashlib.sha256(BODY).hexdigest(), hashlib.md5(BODY).hexdigest()
KEPT = 2 * module.CHUNK  # what reaches the file when the server sends CUT bytes
CUT = KEPT + 1000
REST = f"bytes={KEPT - 1}-"  # what is then asked for: the last byte once more
SCRIPTS = Path(module.__file__).parents[2]
PARTIAL = [".weights.bin.part", ".weights.bin.part.origin"]


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
            status = 206
            whole["Content_Range"] = f"bytes {first}-{size - 1}/{size}"
        whole["Content_Length"] = size - first
        handler.reply(status, site.body[first:][:cut], **whole | headers)
        if stall:
            handler.wfile.flush()
            site.released.wait(20)

    return answer


def status(code, **headers):
    return lambda handler, site: handler.reply(code, b"page", **headers)


def changed(handler, site):
    site.body, site.validators = OTHER, {"ETag": '"two"'}
    serve()(handler, site)


@pytest.fixture
def site():
    with Site() as site:
        threading.Thread(target=site.serve_forever, args=(0.01,)).start()
        yield site
        site.released.set()
        site.shutdown()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No pauses, and no proxy of this machine's user."""
    monkeypatch.setattr(module, "PAUSES", (0, 0, 0))
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "weights.bin"


def left(path):
    return sorted(p.name for p in path.parent.iterdir())


def command(site, path):
    """What downloads in a process of its own."""
    code = "import sys; from thetascope.datasets.download import download; download(*sys.argv[1:])"
    return [sys.executable, "-c", code, site.url, str(path), f"md5:{MD5[:8]}"]


def cut_off(site, path, monkeypatch):
    """Leave a partial file, as one interrupted call does."""
    with monkeypatch.context() as patch:
        patch.setattr(module, "PAUSES", ())
        site.plan = [serve(cut=CUT)]
        with pytest.raises(UserError, match=r"IncompleteRead.* run again to go on where it stop"):
            download(site.url, path, None)
    assert left(path) == PARTIAL
    site.requests.clear()


@pytest.mark.parametrize("checksum", [None, f"sha256:{SHA256}", f"md5:{MD5}", f"md5:{MD5[:8]}"])
def test_a_file_arrives_whole_and_alone(site, path, checksum):
    download(site.url, str(path), checksum)
    assert path.read_bytes() == BODY
    assert left(path) == [path.name]
    assert site.ranges() == [None]


@pytest.mark.parametrize("body", [b"", b"1", BODY])
def test_a_file_of_unknown_size_arrives(site, path, body):
    site.body, site.plan = body, [serve(Content_Length=None)]
    download(site.url, path, None)
    assert path.read_bytes() == body


@pytest.mark.parametrize("checksum", [f"sha256:{'0' * 64}", f"md5:{MD5[:-1]}x", "md5:00000000"])
def test_a_wrong_checksum_leaves_nothing_new(site, path, checksum):
    path.parent.mkdir()
    path.write_bytes(b"old")
    found = SHA256 if checksum.startswith("sha256") else MD5
    with pytest.raises(UserError, match=f"^{site.url}: expected {checksum}, found .*:{found}; .*"):
        download(site.url, path, checksum)
    assert left(path) == [path.name]
    assert path.read_bytes() == b"old"


def test_a_full_disk_is_no_error_of_the_connection(site, path):
    small = ["sh", "-c", 'ulimit -f 200; exec "$@"', "sh", *command(site, path)]
    said = subprocess.run(small, cwd=SCRIPTS, capture_output=True, text=True).stderr
    assert f"UserError: {site.url}: cannot write {path}: " in said
    assert "File too large; make room" in said
    assert len(site.requests) == 1


@pytest.mark.parametrize("stall", [False, True])
def test_one_call_goes_on_from_where_it_was(site, path, monkeypatch, stall):
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    site.plan = [serve(cut=CUT, stall=stall), status(503), serve(cut=module.CHUNK + 1000)]
    download(site.url, path, f"sha256:{SHA256}")
    kept = KEPT - 1 + module.CHUNK - 1
    assert site.ranges() == [None, *[REST] * 2, f"bytes={kept}-"]
    assert path.read_bytes() == BODY
    assert left(path) == [path.name]


def test_a_killed_download_goes_on_in_a_new_process(site, path):
    site.plan = [serve(cut=CUT, stall=True)]
    part = path.parent / PARTIAL[0]
    with subprocess.Popen(command(site, path), cwd=SCRIPTS) as child:
        end = time.monotonic() + 20
        while not (part.exists() and part.stat().st_size == KEPT) and time.monotonic() < end:
            time.sleep(0.01)
        child.kill()
    assert left(path) == PARTIAL
    assert subprocess.run(command(site, path), cwd=SCRIPTS).returncode == 0
    assert site.ranges() == [None, REST]
    assert path.read_bytes() == BODY
    assert left(path) == [path.name]


@pytest.mark.parametrize(
    ("validators", "asked"),
    [({"Last-Modified": "Mon, 05 Jan"}, REST), ({"ETag": 'W/"one"'}, None), ({}, None)],
)
def test_it_goes_on_where_versions_are_told_apart(site, path, monkeypatch, validators, asked):
    site.validators = validators
    cut_off(site, path, monkeypatch)
    download(site.url, path, None)
    assert site.ranges() == [asked]
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("text", [None, "", "ht", 'http://127.0.0.1/other\n"one"'])
def test_a_partial_file_of_another_or_unknown_address_starts_over(site, path, monkeypatch, text):
    cut_off(site, path, monkeypatch)
    origin = path.parent / PARTIAL[1]
    origin.unlink() if text is None else origin.write_text(text)
    download(site.url, path, None)
    assert site.ranges() == [None]
    assert path.read_bytes() == BODY


ANSWERS = {
    "no ranges": (serve(ranges=False), []),
    "other version": (changed, []),
    "no such range": (status(416), [None]),
    "other start": (serve(Content_Range=f"bytes {KEPT}-{len(BODY) - 1}/{len(BODY)}"), [None]),
    "not all": (serve(Content_Range=f"bytes {KEPT - 1}-{len(BODY) - 1}/{10**6}"), [None]),
    "which range": (serve(Content_Range=None), [None]),
}


@pytest.mark.parametrize(("answer", "again"), ANSWERS.values(), ids=ANSWERS)
def test_where_the_rest_does_not_fit_it_starts_over(site, path, monkeypatch, answer, again):
    cut_off(site, path, monkeypatch)
    site.plan = [answer]
    download(site.url, path, None)
    assert site.ranges() == [REST, *again]
    assert path.read_bytes() == site.body


def test_a_complete_partial_file_is_only_verified(site, path, monkeypatch):
    cut_off(site, path, monkeypatch)
    (path.parent / PARTIAL[0]).write_bytes(BODY)  # as if killed just before the end
    download(site.url, path, f"sha256:{SHA256}")
    assert site.ranges() == [f"bytes={len(BODY) - 1}-"]


def test_pauses_grow_and_the_last_error_says_what_to_do(site, path, monkeypatch):
    slept = []
    monkeypatch.setattr(module, "PAUSES", (1, 5, 20))
    monkeypatch.setattr(time, "sleep", slept.append)
    site.plan = [status(500)] * 4
    with pytest.raises(UserError, match=f"^{site.url}: the server replied 500 .*4 attempts; run a"):
        download(site.url, path, None)
    assert slept == [1, 5, 20]


def test_a_server_that_never_replies_is_given_up(site, path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    site.plan = [lambda handler, site: site.released.wait(20)] * 4
    with pytest.raises(UserError, match=r"/file: no reply.* timed out.*the last of 4 attempts"):
        download(site.url, path, None)
    assert len(site.requests) == 4


@pytest.mark.parametrize("code", [400, 403, 404, 410])
def test_a_refusal_of_the_server_is_final(site, path, monkeypatch, code):
    cut_off(site, path, monkeypatch)
    site.plan = [status(code)]
    with pytest.raises(UserError, match=f"^{site.url}: the server replied {code} .* correct the"):
        download(site.url, path, None)
    assert len(site.requests) == 1
    assert left(path) == PARTIAL


@pytest.mark.parametrize("code", [408, 429, 500])
def test_what_may_pass_is_tried_again(site, path, code):
    site.plan = [status(code)]
    download(site.url, path, None)
    assert path.read_bytes() == BODY
    assert len(site.requests) == 2


def test_redirects_without_an_end_are_final(site, path):
    site.plan = [status(302, Location="/file")] * 40
    with pytest.raises(UserError, match=f"^{site.url}: .*redirects.*; correct the address"):
        download(site.url, path, None)
    assert len(site.requests) < 40


def test_the_log_has_a_line_now_and_then(site, path, caplog, monkeypatch):
    monkeypatch.setattr(module, "REPORT_EVERY", 0)
    caplog.set_level(logging.INFO, module.__name__)
    download(site.url, path, None)
    lines = [record.message for record in caplog.records]
    assert lines[0] == f"{site.url}: download to {path}"
    assert lines[1] == f"{site.url}: {module.CHUNK} of 300000 bytes"
    assert lines[-2] == f"{site.url}: done, 300000 bytes, sha256:{SHA256}"
    assert lines[-1].startswith(f"compared with nothing; set checksum: sha256:{SHA256} to be told")


def test_the_bar_is_only_for_terminals(site, path, capfd):
    download(site.url, path, None)
    assert capfd.readouterr() == ("", "")
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 100))
    assert subprocess.run(command(site, path), cwd=SCRIPTS, stderr=end).returncode == 0
    os.close(end)
    assert b"300k/300k" in os.read(terminal, 10_000)
    os.close(terminal)


def test_the_module_loads_nothing_heavy():
    heavy = "{'torch', 'numpy', 'pandas'}"
    code = f"import sys, thetascope.datasets.download; sys.exit(len({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS).returncode == 0


FORBIDDEN = [
    "http://example.org/file",
    "http://127.0.0.1.example.org/file",
    "http://127.0.0.1:80@example.org/file",
    "http://localhost.example.org/file",
    "ftp://127.0.0.1/file",
    "file:///etc/hostname",
]


@pytest.mark.parametrize("url", [*FORBIDDEN, "https://"])
def test_other_addresses_are_refused(path, url):
    with pytest.raises(UserError, match=f"^{url}: .*; https:// is needed"):
        download(url, path, None)
    assert left(path) == []


def test_a_host_name_that_is_none_is_refused(path):
    with pytest.raises(UserError, match=r"^https://a\.\.b/x: .*correct the address"):
        download("https://a..b/x", path, None)


@pytest.mark.parametrize("there", [*FORBIDDEN, "//example.org/"])
def test_redirects_elsewhere_are_refused(site, path, there):
    site.plan = [status(302, Location=there)]
    with pytest.raises(UserError, match=f"^{site.url}: .*{there}.*; https:// is needed"):
        download(site.url, path, None)
    assert len(site.requests) == 1


def test_redirects_on_this_machine_are_followed_by_no_proxy(site, path, monkeypatch):
    cut_off(site, path, monkeypatch)
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    site.plan = [status(302, Location=site.url.replace("127.0.0.1", "localhost"))]
    download(site.url, path, None)
    assert site.ranges() == [REST] * 2
    assert path.read_bytes() == BODY


@pytest.fixture
def certificate(site, tmp_path):
    """Put the site behind TLS; give the file of its certificate, which nobody signed."""
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


def test_a_certificate_that_nobody_signed_is_refused_at_once(site, certificate, path):
    with pytest.raises(UserError, match=r"could not be verified .*self.signed.*browser"):
        download(site.url, path, None)
    assert not site.requests
    assert left(path) == []


def test_https_goes_on_and_never_leads_to_plain_http(site, certificate, path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    site.plan = [serve(cut=CUT), status(302, Location="/there")]
    download(site.url, path, f"md5:{MD5}")
    assert site.ranges() == [None, *[REST] * 2]
    site.plan = [status(302, Location="http://example.org/")]
    with pytest.raises(UserError, match=r"http://example\.org/ is not on this machine"):
        download(site.url, path, None)
