"""Downloads that can be interrupted and are checked, and archives that cannot do harm."""

from __future__ import annotations

import gzip
import hashlib
import ipaddress
import json
import logging
import os
import ssl
import tarfile
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from tqdm import tqdm

from thetascope.errors import UserError

log = logging.getLogger(__name__)

TIMEOUT = 60.0  # seconds without a byte
PAUSES = (1.0, 5.0, 20.0, 60.0)  # seconds before each further attempt
REPORT = 5.0  # seconds between lines in the log
BLOCK = 1 << 20


# -- fetching --------------------------------------------------------------------------------------


def _allowed(url: str) -> bool:
    """Only encrypted addresses, and those of this machine."""
    address = urlsplit(url)
    if address.scheme == "https":
        return True
    try:
        local = ipaddress.ip_address(address.hostname or "").is_loopback
    except ValueError:
        local = address.hostname == "localhost"
    return address.scheme == "http" and local


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to addresses that are allowed themselves."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        if not _allowed(newurl):
            raise UserError(f"{req.full_url}: leads to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url: str, path: str | Path, checksum: str | None) -> str:
    """Fetch a file; go on from where an earlier attempt was cut off.

    Parameters
    ----------
    url : str
        https, or http on this machine.
    path : path
        Appears only whole and checked. Until then what has come lies beside it, as `.{name}.part`.
    checksum : str or None
        `sha256:…` or `md5:…`, all digits or the first ones, at least 8; None compares nothing.

    Returns
    -------
    str
        SHA-256 of the file, hexadecimal.

    Raises
    ------
    UserError
        If the file cannot be had or is another one; says what to do instead.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not _allowed(url):
        raise UserError(f"{url}: is not encrypted; give an https address")
    part = path.with_name(f".{path.name}.part")
    for pause in (*PAUSES, None):
        try:
            _fetch(url, part)
            break
        except HTTPError as error:
            final = error.code < 500
            problem = f"the server answers {error.code} {error.reason}"
        except (OSError, HTTPException) as error:
            cause = getattr(error, "reason", error)
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise UserError(
                    f"{url}: the server's certificate cannot be verified ({cause.verify_message}), "
                    "as where it does not send the whole chain; download the file with a browser "
                    "and set the local path in the configuration"
                ) from error
            final, problem = False, str(cause) or type(cause).__name__
        if final or pause is None:
            raise UserError(
                f"{url}: {problem}; what has come so far is kept, run again to go on, or "
                "download the file otherwise and set the local path in the configuration"
            )
        log.warning("%s: %s; trying again in %g s", url, problem, pause)
        time.sleep(pause)
    digest = _verify(url, part, checksum)
    _validator_file(part).unlink(missing_ok=True)
    part.replace(path)
    return digest


def _validator_file(part: Path) -> Path:
    """Holds what tells whether the file at the server is still the same."""
    return part.with_suffix(".json")


def _fetch(url: str, part: Path) -> None:
    """One attempt: append to `part`, or begin anew where the server has no continuation."""
    done = part.stat().st_size if part.exists() else 0
    validator = _read_validator(part, url)
    request = urllib.request.Request(url, headers={"User-Agent": "thetascope"})
    if done and validator:
        request.add_header("Range", f"bytes={done}-")
        request.add_header("If-Range", validator)
    try:
        response = urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT)
    except HTTPError as error:
        if error.code != 416 or not done:
            raise
        part.unlink()  # the server has nothing that follows: this is not the beginning of its file
        response = urllib.request.build_opener(_Redirects).open(url, timeout=TIMEOUT)
    with response:
        goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(
            f"bytes {done}-"
        )
        if response.status == 206 and not goes_on:
            part.unlink()
            raise OSError(f"it sends {response.headers.get('Content-Range')} of the file")
        start = done if goes_on else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        etag = response.headers.get("ETag", "")
        strong = etag if etag and not etag.startswith("W/") else None
        known = strong or response.headers.get("Last-Modified")
        _validator_file(part).write_text(json.dumps({"url": url, "validator": known}))
        _receive(response, part, start, total)


def _read_validator(part: Path, url: str) -> str | None:
    try:
        known = json.loads(_validator_file(part).read_text())
        return known["validator"] if known["url"] == url else None
    except (OSError, ValueError, KeyError):
        return None


def _receive(response: HTTPResponse, part: Path, start: int, total: int | None) -> None:
    log.info("%s: from byte %d of %s", response.url, start, total or "an unknown number")
    began = reported = time.monotonic()
    with (
        part.open("ab" if start else "wb") as file,
        tqdm(total=total, initial=start, unit="B", unit_scale=True, disable=None) as bar,
    ):
        while block := response.read1(BLOCK):
            file.write(block)
            bar.update(len(block))
            now = time.monotonic()
            if now - reported > REPORT:
                rate = (file.tell() - start) / (now - began) / 1e6
                log.info("%.1f MB of %s, %.1f MB/s", file.tell() / 1e6, total or "?", rate)
                reported = now
        file.flush()
        os.fsync(file.fileno())
        if total is not None and file.tell() != total:
            raise OSError(f"the connection ended after {file.tell()} of {total} bytes")
    log.info("%s: all %d bytes", response.url, part.stat().st_size)


def _verify(url: str, part: Path, checksum: str | None) -> str:
    """SHA-256 of a file that meets the checksum; a file that does not is removed."""
    with part.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if checksum is None:
        log.info("sha256:%s; put it into the configuration to be told of a change", sha256)
        return sha256
    algorithm, _, expected = checksum.partition(":")
    with part.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if not found.startswith(expected):
        part.unlink()
        _validator_file(part).unlink(missing_ok=True)
        raise UserError(
            f"{url}: has {algorithm} {found}, expected {expected}; the file has changed or was "
            "damaged on its way: try again, or correct the checksum if you know the new file"
        )
    return sha256


# -- extracting ------------------------------------------------------------------------------------


@contextmanager
def extracted(
    archive: str | Path, limit_bytes: int = 10**10, limit_files: int = 10**5
) -> Iterator[Path]:
    """Extract a zip or tar archive into a folder that is there only within the block.

    Parameters
    ----------
    archive : path
        Its kind is told by its contents.
    limit_bytes, limit_files : int
        Refuse more than this; bytes are counted as they come out, whatever the headers say.

    Yields
    ------
    Path
        The folder.

    Raises
    ------
    UserError
        If the archive is damaged, or holds anything but plain files and folders below it.
    """
    archive = Path(archive)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".extracted-") as name:
        folder, seen = Path(name), set[str]()
        left = limit_bytes
        try:
            for member, stream in _members(archive):
                target = _target(archive, folder, member, seen)
                if len(seen) > limit_files:
                    raise UserError(
                        f"{archive}: holds more than {limit_files} files; not extracted"
                    )
                target.parent.mkdir(parents=True, exist_ok=True)
                with stream, target.open("xb") as file:
                    while block := stream.read(BLOCK):
                        left -= len(block)
                        if left < 0:
                            raise UserError(
                                f"{archive}: {member} makes it more than {limit_bytes} bytes; "
                                "not extracted"
                            )
                        file.write(block)
        except (FileExistsError, NotADirectoryError):
            raise UserError(f"{archive}: {member} is a file and a folder; not extracted") from None
        except UserError:
            raise
        except Exception as error:  # each decompressor has errors of its own
            if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
                raise
            raise UserError(
                f"{archive}: is damaged ({error}); delete it, to fetch it again"
            ) from error
        yield folder


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and contents of every file; refuse what is neither file nor folder."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                kind = info.external_attr >> 28  # file type of Unix, 0 where it says nothing
                if info.flag_bits & 1 or kind not in (0, 4, 8):
                    raise UserError(
                        f"{archive}: {info.filename} is encrypted or a link; not extracted"
                    )
                if not info.is_dir():
                    yield info.filename, zipped.open(info)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            for entry in tar:
                if not (entry.isfile() or entry.isdir()):
                    raise UserError(f"{archive}: {entry.name} is a link or device; not extracted")
                if stream := tar.extractfile(entry):
                    yield entry.name, stream
            while tar.fileobj and tar.fileobj.read(BLOCK):
                pass  # to the end, where compression keeps its checksum
    else:
        raise UserError(f"{archive}: is no zip or tar archive; delete it to fetch it again")


def _target(archive: Path, folder: Path, member: str, seen: set[str]) -> Path:
    parts = PurePosixPath(member).parts
    if not parts or member.startswith("/") or ".." in parts or any(c in member for c in "\\:\0"):
        raise UserError(f"{archive}: {member!r} leads out of its folder; not extracted")
    if member.casefold() in seen:
        raise UserError(f"{archive}: holds {member!r} twice; not extracted")
    seen.add(member.casefold())
    return folder.joinpath(*parts)
