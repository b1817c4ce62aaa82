"""Zip archives from anywhere, extracted safely."""

from __future__ import annotations

import logging
import re
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thetascope.datasets.download import CHUNK
from thetascope.errors import UserError

log = logging.getLogger(__name__)
MAX_NAME = 1000  # characters
UNPACK = "delete it to fetch it again, or extract it by hand and set `path` in the configuration"


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
    assert zipped.fp  # noqa: S101 (for mypy)
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
