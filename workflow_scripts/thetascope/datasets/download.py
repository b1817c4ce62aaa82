"""Downloads that arrive whole and checked."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, RequestException, Response, Session
from requests.adapters import HTTPAdapter
from requests.exceptions import HTTPError, InvalidSchema, InvalidURL, SSLError, TooManyRedirects
from tqdm import tqdm

from thetascope import __version__
from thetascope.errors import UserError

log = logging.getLogger(__name__)

TIMEOUT = 60.0  # seconds without a byte after which a connection counts as cut
PAUSES = (1.0, 5.0, 20.0, 60.0)  # seconds before each further attempt
REPORT_EVERY = 5.0  # seconds between lines in the log
CHUNK = 1 << 16  # bytes
BY_HAND = "download the file with a browser and set its local path in the configuration"


def download(url: str, path: str | Path, checksum: str | None) -> None:
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
        `sha256:` or `md5:` and the digest in hexadecimal, or its first digits; the schema of the
        configuration wants 8. With None nothing is compared, and the log names the SHA-256.

    Raises
    ------
    UserError
        The address is of another form, the server cannot be reached or verified or does not have
        the file, the file is not the expected one or cannot be written.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    origin = path.with_name(f".{path.name}.part.origin")
    log.info("%s: download to %s", url, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, part, origin)
        _verify(url, part, origin, checksum)
        part.replace(path)
        origin.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{url}: cannot write {path}: {error}; make room there or choose another place"
        ) from error


def _receive(url: str, part: Path, origin: Path) -> None:
    """Complete the partial file, in several attempts if need be."""
    for pause in (*PAUSES, None):
        try:
            return _attempt(url, part, origin)
        except RequestException as error:
            problem, final = _diagnose(error)
            if final:
                raise UserError(f"{url}: {problem}; correct the address, or {BY_HAND}") from error
            if pause is None:
                raise UserError(
                    f"{url}: {problem}, the last of {len(PAUSES) + 1} attempts; run again to go on "
                    f"where it stopped, or {BY_HAND}"
                ) from error
            log.warning("%s: %s; next attempt in %g s", url, problem, pause)
            time.sleep(pause)
        except ValueError as error:  # urllib3's, of a host name that is none
            raise UserError(f"{url}: {error}; correct the address, or {BY_HAND}") from error


def _diagnose(error: RequestException) -> tuple[str, bool]:
    """Say what is wrong, and whether a further attempt would be in vain."""
    cause = getattr(error.args[0], "reason", error)  # without urllib3's own "retries exceeded"
    match error:
        case HTTPError(response=Response(status_code=status, reason=reason)):
            passes = status >= 500 or status in (408, 429)  # too slow, too many at once
            return f"the server replied {status} {reason}", not passes
        case SSLError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return f"the server's certificate could not be verified ({cause})", True
        case TooManyRedirects():
            return f"{error}", True
        case InvalidSchema() | InvalidURL():
            return f"{error}; https:// is needed (http:// only on this machine)", True
    return f"no reply, or not all of it ({cause})", False


class _Loopback(HTTPAdapter):
    """Asks over plain http, also where a redirect leads, this machine only and no proxy."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        if urlsplit(request.url).hostname not in ("localhost", "127.0.0.1", "::1"):
            raise InvalidSchema(f"{request.url} is not on this machine")
        return super().send(request, *args, **kwargs | {"proxies": None})


def _attempt(url: str, part: Path, origin: Path) -> None:
    """Ask once for what is missing of the partial file and append it."""
    # identity: a range of a compressed reply would be no range of the file
    headers = {"User-Agent": f"thetascope/{__version__}", "Accept-Encoding": "identity"}
    start = 0
    if part.exists() and origin.exists():
        known_url, _, version = origin.read_text("utf-8").partition("\n")
        if known_url == url and version:
            # the last byte once more, so that a complete file is asked for like any other
            start = max(part.stat().st_size - 1, 0)
            headers |= {"Range": f"bytes={start}-", "If-Range": version}
    with Session() as session:
        session.mount("http://", _Loopback())
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            _store(url, response, start, part, origin)


def _store(url: str, response: Response, start: int, part: Path, origin: Path) -> None:
    """Write what the server sends, from byte `start` on or from the beginning."""
    status, headers = response.status_code, response.headers
    length = response.raw.length_remaining or 0  # 0 if the server does not say it
    rest = f"bytes {start}-{start + length - 1}/{start + length}"
    if status == 416 or (status == 206 and headers.get("Content-Range") != rest):
        part.unlink(missing_ok=True)
        raise RequestException("the rest does not fit what is here; starting over")
    response.raise_for_status()
    if status != 206:  # the server knows no ranges, or has another version by now
        start = 0
        part.unlink(missing_ok=True)  # first, so that no version is ever noted for other bytes
        version = headers.get("ETag") or headers.get("Last-Modified", "")
        weak = version.startswith("W/")  # other bytes may have the same
        origin.write_text(f"{url}\n{'' if weak else version}", "utf-8")
    size = start + length or None
    due = time.monotonic() + REPORT_EVERY
    with (
        part.open("ab") as file,
        tqdm(initial=start, total=size, unit="B", unit_scale=True, disable=None) as bar,
    ):
        file.truncate(start)
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
            if time.monotonic() >= due:
                log.info("%s: %d of %s bytes", url, file.tell(), size or "unknown")
                due = time.monotonic() + REPORT_EVERY


def _verify(url: str, part: Path, origin: Path, checksum: str | None) -> None:
    """Compare the complete partial file with the checksum; without one, name its SHA-256."""
    algorithm, expected = ("sha256:" if checksum is None else checksum).split(":")
    with part.open("rb") as file:
        os.fsync(file.fileno())
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if not found.startswith(expected):
        part.unlink()
        origin.unlink(missing_ok=True)
        raise UserError(
            f"{url}: expected {algorithm}:{expected}, found {algorithm}:{found}; the file was "
            "removed; run again, or correct its address or checksum in the configuration"
        )
    log.info("%s: done, %d bytes, %s:%s", url, part.stat().st_size, algorithm, found)
    if checksum is None:
        log.info("compared with nothing; set checksum: sha256:%s to be told of a change", found)
