"""Zip archives from anywhere, extracted safely."""

from __future__ import annotations

import errno
import re
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from thetascope.errors import UserError

FULL = errno.ENOSPC, errno.EDQUOT  # the disk
UNPACK = "delete it to fetch it again, or extract it by hand and set `path` in the configuration"
# absolute, with `..`, a Windows drive or folder, or deeper than Python can remove
UNSAFE = re.compile(r"^/|(^|/)\.\.(/|$)|[\\:]|.{1001}", re.S)


@contextmanager
def extracted(
    archive: str | Path, limit_bytes: int = 10**10, limit_files: int = 10**6
) -> Iterator[Path]:
    """Extract a zip archive into a temporary folder beside it, removed with the block.

    Parameters
    ----------
    archive : str or Path
        A zip, told by its contents.
    limit_bytes : int
        The most bytes that all files may have together.
    limit_files : int
        The most names of files and folders that there may be in all members' paths.

    Yields
    ------
    Path
        The folder.

    Raises
    ------
    UserError
        From the block, with the archive's name for the folder's; or the archive is damaged or no
        zip, exceeds a limit, cannot be read or written, or a member is encrypted, a link, a device
        or the like, or its name leads out, is there twice or too long.
    """
    with tempfile.TemporaryDirectory(dir=Path(archive).parent, prefix=".extracted-") as folder:
        try:
            with Path(archive).open("rb") as file, zipfile.ZipFile(file) as zipped:
                _check(zipped.infolist(), limit_bytes, limit_files)
                for info in zipped.infolist():
                    _check_member(info, file)
                    zipped.extract(info, folder)  # refuses what is encrypted or has a wrong CRC
        except OSError as error:
            if error.errno in FULL:  # the archive is as it should be
                raise
            raise UserError(f"{archive}: cannot be extracted ({error}); {UNPACK}") from error
        except Exception as error:  # damage shows in a dozen ways in zipfile and what it uses
            problem = str(error) or repr(error)
            raise UserError(f"{archive}: cannot be extracted ({problem}); {UNPACK}") from error
        try:
            yield Path(folder)
        except UserError as error:
            if folder not in str(error):
                raise
            said = str(error).replace(folder, str(archive))  # nobody knows the temporary one
            raise UserError(f"{said}; or extract it by hand and set `path`") from error


def _check(members: list[zipfile.ZipInfo], limit_bytes: int, limit_files: int) -> None:
    if not members:
        raise UserError("it is damaged or has no members")
    # zipfile reads no more of a member than the size that the archive tells
    if sum(info.file_size for info in members) > limit_bytes:
        raise UserError(f"its files have more than {limit_bytes} bytes")
    if sum(1 + info.filename.strip("/").count("/") for info in members) > limit_files:
        raise UserError(f"it has more than {limit_files} files and folders")
    if len({info.filename.casefold() for info in members}) < len(members):
        raise UserError("a name is there twice, perhaps in other case")


def _check_member(info: zipfile.ZipInfo, file: BinaryIO) -> None:
    name = info.filename
    if UNSAFE.search(name):
        raise UserError(f"{name[:100]!r} leads out of the folder or is too long")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UserError(f"{name!r} is a link, a device or the like")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # zipfile sets no limit to the memory that other methods take
        raise UserError(f"{name!r} is compressed by method {info.compress_type}")
    # what zipfile does not see: a damaged length that swallows the members after it, a folder that
    # was a file, and other sizes in the directory than before the data
    swallows = b"PK\1\2" in info.extra + info.comment
    file.seek(info.header_offset + 14)
    before = struct.unpack("<3L", file.read(12))
    elsewhere = before[2] in (0, 0xFFFFFFFF)  # streamed, or more than 4 GB
    differ = not elsewhere and before != (info.CRC, info.compress_size, info.file_size)
    if swallows or differ or (info.is_dir() and info.file_size):
        raise UserError(f"it is damaged at {name!r}")
