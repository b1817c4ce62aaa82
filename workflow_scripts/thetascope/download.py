"""Downloads that arrive whole and checked, and zip archives from anywhere, extracted safely."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import ssl
import stat
import struct
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
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
MAX_NAME = 1000  # characters
BY_HAND = "download the file with a browser and set its local path in the configuration"
UNPACK = "delete it to fetch it again, or extract it by hand and set `path` in the configuration"

ADDRESS = re.compile(r"(https?)://([a-z\d._-]+|\[[\da-f:]+\])(?::(\d+))?(?:[/?#][!-~]*)?", re.I)
LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|\[::1\]", re.I)
CHECKSUM = re.compile(r"sha256:[\da-f]{8,64}|md5:[\da-f]{8,32}", re.I)

Response = HTTPResponse | HTTPError  # an error has the same attributes and a body too


class _RetryableError(Exception):
    """What a further attempt may mend."""


# -- download --------------------------------------------------------------------------------------


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
        return opener.open(Request(url, headers=headers), timeout=TIMEOUT)
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


# -- archives --------------------------------------------------------------------------------------


@contextmanager
def extracted(
    archive: str | Path, limit_bytes: int = 10**10, limit_files: int = 10**5
) -> Iterator[Path]:
    """Extract a zip archive into a temporary folder beside it, removed with the block.

    An archive with anything but files and folders of plain, distinct names is refused as a whole.
    Files and folders have the rights of new ones, whatever the archive says.

    Parameters
    ----------
    archive : str or Path
        A zip, told by its contents.
    limit_bytes : int
        The most bytes that all files may have together, counted as they are written.
    limit_files : int
        The most files and folders that there may be.

    Yields
    ------
    Path
        The folder.

    Raises
    ------
    UserError
        The archive is damaged or no zip, exceeds a limit, cannot be read or written, or has a
        member that is encrypted or a link, a device or the like, or whose name is absolute, leads
        out of the folder, has a backslash or a colon, or equals another's but for case.
    """
    archive = Path(archive)
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".extracted-") as folder:
        _extract(archive, Path(folder), limit_bytes, limit_files)
        yield Path(folder)


def _extract(archive: Path, folder: Path, limit_bytes: int, limit_files: int) -> None:
    name, room = "", limit_bytes
    taken: dict[str, str | None] = {}
    try:
        with archive.open("rb") as file:
            if file.read(4) not in (b"PK\3\4", b"PK\5\6"):  # zipfile looks at the end only
                raise UserError("it is no zip archive")
        with zipfile.ZipFile(archive) as zipped:
            if not zipped.infolist():
                raise UserError("it is damaged or has no members")
            for count, info in enumerate(zipped.infolist(), 1):
                name = info.orig_filename
                parts, is_folder = _safe_parts(info), name.endswith("/")
                _take(parts, is_folder, taken)
                if max(count, len(taken)) > limit_files:
                    raise UserError(f"it has more than {limit_files} files and folders")
                target = folder.joinpath(*parts)
                (target if is_folder else target.parent).mkdir(parents=True, exist_ok=True)
                _compare_headers(zipped, info)
                with zipped.open(info) as data:  # compares names and checksums, of folders too
                    if is_folder:
                        continue
                    with target.open("xb") as copy:
                        while chunk := data.read(CHUNK):
                            room -= len(chunk)
                            if room < 0:
                                raise UserError(f"its files have more than {limit_bytes} bytes")
                            copy.write(chunk)
    except UserError as error:
        raise UserError(f"{archive}: {error}; {UNPACK}") from error
    except Exception as error:  # damage shows in a dozen ways in zipfile and what it uses
        what = "cannot be extracted" if isinstance(error, OSError) else "truncated or damaged"
        where = f"at or after member {name!r}" if name else "at its beginning"
        raise UserError(f"{archive}: {what}, {where} ({error!r}); {UNPACK}") from error


def _compare_headers(zipped: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Refuse a member of other sizes in the archive's directory than before its data.

    zipfile believes the directory, where zeros would make an empty file of it.
    """
    assert zipped.fp
    zipped.fp.seek(info.header_offset)
    flags, crc, packed, size = struct.unpack("<6xH6x3L4x", zipped.fp.read(30))
    streamed, zip64 = flags & 8, 0xFFFFFFFF in (packed, size)  # then they stand elsewhere
    of_directory = (info.CRC, info.compress_size, info.file_size)
    if not streamed and not zip64 and (crc, packed, size) != of_directory:
        raise zipfile.BadZipFile("a member's two headers differ")


def _safe_parts(info: zipfile.ZipInfo) -> list[str]:
    """Split a member's name; refuse what is no plain file or folder with a place in ours."""
    name = info.orig_filename  # filename is cut at a null character
    if len(name) > MAX_NAME:
        raise UserError(f"a name has more than {MAX_NAME} characters: {name[:100]!r}…")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts:
        raise UserError(f"{name!r} leads out of the folder")
    if re.search(r"[\\:\0]", name):  # what Windows reads as folders, drives and streams
        raise UserError(f"{name!r} has a backslash, a colon or a null character")
    if info.flag_bits & 1:
        raise UserError(f"{name!r} is encrypted")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UserError(f"{name!r} is a link, a device or the like")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile knows two others, but puts no bound on the memory they take
        raise UserError(f"{name!r} is compressed by method {info.compress_type}")
    if b"PK\1\2" in info.extra + info.comment:
        # a damaged length, which swallows the members that follow
        raise zipfile.BadZipFile("a member within another's header")
    return parts


def _take(parts: list[str], is_folder: bool, taken: dict[str, str | None]) -> None:
    """Note a member (a file as None) and the folders it lies in; refuse what is there already."""
    for end in range(1, len(parts) + 1):
        path = "/".join(parts[:end])
        key, is_file = path.casefold(), end == len(parts) and not is_folder
        # a folder may be there, but not in other case: some file systems would merge the two
        if key in taken and (is_file or taken[key] != path):
            raise UserError(f"{path!r} is there twice, in other case or as a file too")
        taken[key] = None if is_file else path
