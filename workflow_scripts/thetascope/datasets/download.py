"""Downloads that arrive whole and checked."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import ssl
import time
from collections.abc import Iterator
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener, getproxies

from tqdm import tqdm

from thetascope import __version__
from thetascope.errors import UserError

log = logging.getLogger(__name__)

TIMEOUT = 60.0  # seconds without a byte after which a connection counts as cut
PAUSES = (1.0, 5.0, 20.0, 60.0)  # seconds before each further attempt
REPORT_EVERY = 5.0  # seconds between lines in the log
CHUNK = 1 << 16  # bytes
BY_HAND = "download the file with a browser and set its local path in the configuration"

ADDRESS = re.compile(r"(https?)://([a-z\d._-]+|\[[\da-f:]+\])(?::(\d+))?(?:[/?#][!-~]*)?", re.I)
LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|\[::1\]", re.I)
CHECKSUM = re.compile(r"sha256:[\da-f]{8,64}|md5:[\da-f]{8,32}", re.I)

Response = HTTPResponse | HTTPError  # an error has the same attributes and a body too


class _RetryableError(Exception):
    """What a further attempt may succeed at."""


def download(url: str, path: str | Path, checksum: str | None) -> str:
    """Download a file; it appears under its name only when it is complete and verified.

    What arrives is kept beside it, in `.{name}.part`, until then. When the connection is cut, this
    call and, if it gives up or is killed, the next one go on from there if the server allows.

    Parameters
    ----------
    url : str
        An https address, or an http address on this machine.
    path : str or Path
        The file to make or replace; its folder is made if need be.
    checksum : str or None
        `sha256:` or `md5:` and the digest in hexadecimal, or at least its first 8 digits. With None
        nothing is compared.

    Returns
    -------
    str
        SHA-256 of the file, 64 hexadecimal digits.

    Raises
    ------
    UserError
        The address or the checksum is of another form, the server cannot be reached or verified or
        does not have the file, the file is not the expected one or cannot be written.
    """
    path = Path(path)
    if _scheme(url) is None:
        raise UserError(
            f"{url}: the address must begin with https:// (http:// only on this machine) and have "
            "special characters percent-encoded; correct it in the configuration"
        )
    if checksum is not None and not CHECKSUM.fullmatch(checksum):
        raise UserError(
            f"{url}: checksum {checksum!r} must be sha256: or md5: and at least the first 8 "
            "hexadecimal digits; correct it in the configuration"
        )
    part = path.with_name(f".{path.name}.part")
    notes = path.with_name(f".{path.name}.part.json")
    log.info("%s: download to %s", url, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, part, notes)
        sha256 = _verify(url, part, notes, checksum)
        part.replace(path)
        notes.unlink()
    except OSError as error:
        raise UserError(
            f"{url}: cannot write {path}: {error}; make room there or choose another place"
        ) from error
    log.info("%s: done, %d bytes, sha256:%s", url, path.stat().st_size, sha256)
    if checksum is None:
        log.info("compared with nothing; set checksum: sha256:%s to be told of a change", sha256)
    return sha256


def _scheme(url: str) -> str | None:
    """'https', 'http' on this machine, or None for any other address."""
    match = ADDRESS.fullmatch(url)
    if match is None or int(match[3] or 0) > 65535:
        return None
    scheme = match[1].lower()
    return scheme if scheme == "https" or LOOPBACK.fullmatch(match[2]) else None


def _receive(url: str, part: Path, notes: Path) -> None:
    """Complete the partial file, in several attempts if need be."""
    for pause in (*PAUSES, None):
        try:
            return _attempt(url, part, notes)
        except _RetryableError as error:
            if pause is None:
                raise UserError(
                    f"{url}: {error}, the last of {len(PAUSES) + 1} attempts; run again to go on "
                    f"where it stopped, or {BY_HAND}"
                ) from error
            log.warning("%s: %s; next attempt in %g s", url, error, pause)
            time.sleep(pause)


def _attempt(url: str, part: Path, notes: Path) -> None:
    """Ask once for what is missing of the partial file and append it."""
    known = _read_notes(url, notes)
    done = part.stat().st_size if known and part.exists() else 0
    with _open(url, done, known.get("validator")) as response:
        if done and response.status in (206, 416):
            _check_fit(response.headers, part, done, known)
            if response.status == 416:
                return
            size = known["size"]
        elif response.status == 200:
            # in this order, so that the notes never describe another file's bytes
            part.unlink(missing_ok=True)
            done, size = 0, response.length
            facts = {"url": url, "validator": _validator(response.headers), "size": size}
            notes.write_text(json.dumps(facts))
        else:
            raise UserError(f"{url}: the server replied {response.status}, not a file; {BY_HAND}")
        done = _append(url, part, response, done, size)
    if size is not None and done != size:
        raise _RetryableError(f"the connection was cut after {done} of {size} bytes")


def _read_notes(url: str, notes: Path) -> dict[str, Any]:
    """What is needed to go on with the partial file, empty if it must start over."""
    try:
        known: dict[str, Any] = json.loads(notes.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return known if known["url"] == url and known["validator"] and known["size"] else {}


def _validator(headers: Message) -> str | None:
    """What tells two versions of a file apart for sure (RFC 9110, 8.8), for If-Range."""
    etag, modified = headers["ETag"], headers["Last-Modified"]
    if etag:
        return None if etag.startswith("W/") else etag
    # a file may change again within the second in which it was sent
    return modified if headers["Date"] not in (None, modified) else None


def _open(url: str, start: int, validator: str | None) -> Response:
    """Send the request; the response has status 2xx, or 416 if a range was asked for."""
    headers = {"User-Agent": f"thetascope/{__version__}"}
    if start and validator:
        headers |= {"Range": f"bytes={start}-", "If-Range": validator}
    # http is only for this machine, which no proxy can reach
    proxies = {k: v for k, v in getproxies().items() if k == "https"}
    opener = build_opener(_SameScheme, ProxyHandler(proxies))
    try:
        # the scheme is checked when the download begins, and at every redirect
        return opener.open(Request(url, headers=headers), timeout=TIMEOUT)  # noqa: S310
    except HTTPError as error:
        if error.code == 416 and start:
            return error
        error.close()
        problem = f"the server replied {error.code} {error.reason}"
        if error.code >= 500:
            raise _RetryableError(problem) from error
        raise UserError(f"{url}: {problem}; correct the address, or {BY_HAND}") from error
    except (OSError, HTTPException, UnicodeError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise UserError(
                f"{url}: the server's certificate could not be verified ({reason.verify_message}; "
                f"some hosts forget to send an intermediate certificate); {BY_HAND}"
            ) from error
        raise _RetryableError(f"no reply ({reason})") from error


class _SameScheme(HTTPRedirectHandler):
    """Follows redirects from https to https, and within this machine."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if _scheme(newurl) != req.type:
            raise UserError(
                f"{req.full_url}: leads to {newurl}, which is not {req.type} too; {BY_HAND}"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_fit(headers: Message, part: Path, done: int, known: dict[str, Any]) -> None:
    """Compare a reply to a range request with the partial file, which goes if they do not fit."""
    size = known["size"]
    expected = f"bytes */{size}" if done == size else f"bytes {done}-{size - 1}/{size}"
    same = _validator(headers) in (None, known["validator"])
    if headers["Content-Range"] != expected or not same:
        part.unlink()
        raise _RetryableError("the partial file does not fit the server's; starting over")


def _append(url: str, part: Path, response: Response, done: int, size: int | None) -> int:
    """Write what the server sends; give the bytes that the partial file then has."""
    begin, first = time.monotonic(), done
    due = begin + REPORT_EVERY
    with (
        part.open("ab") as file,
        tqdm(initial=done, total=size, unit="B", unit_scale=True, disable=None) as bar,
    ):
        for chunk in _chunks(response):
            file.write(chunk)
            bar.update(len(chunk))
            done += len(chunk)
            if (now := time.monotonic()) >= due:
                rate = (done - first) / (now - begin) / 1e6
                log.info("%s: %d of %s bytes, %.2f MB/s", url, done, size or "unknown", rate)
                due = now + REPORT_EVERY
    return done


def _chunks(response: Response) -> Iterator[bytes]:
    """Read the body; errors of the connection become retryable, those of the disk are elsewhere."""
    try:
        while chunk := response.read(CHUNK):
            yield chunk
    except (OSError, HTTPException) as error:
        raise _RetryableError(f"the connection was cut ({error})") from error


def _verify(url: str, part: Path, notes: Path, checksum: str | None) -> str:
    """Compare the complete partial file with the checksum; give its SHA-256."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if checksum is not None:
            algorithm, expected = checksum.lower().split(":")
            file.seek(0)
            found = hashlib.file_digest(file, algorithm).hexdigest()
            if not found.startswith(expected):
                part.unlink()
                notes.unlink()
                raise UserError(
                    f"{url}: expected {algorithm}:{expected}, found {algorithm}:{found}; the file "
                    "was removed. Run again in case it was damaged on its way; if it stays so, "
                    "correct address or checksum in the configuration"
                )
    return sha256
