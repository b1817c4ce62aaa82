"""Names of the user's files: which of them belong to an image set.

Nothing here opens a file, so that mistakes in folders and patterns are found at start-up.
"""

from __future__ import annotations

import logging
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from thetascope.datasets.items import Item
from thetascope.errors import UserError

log = logging.getLogger(__name__)

# what macOS, Windows and network disks leave in folders, beside names that begin with a dot
FOREIGN = {
    *("__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"),
    *("system volume information", "@eadir", "#recycle"),
}
SUFFIX = re.compile(r"(\.nii|\.ome)?\.[^.]*$", re.I)
BELOW = 2  # folders between the one that is named and the one that holds the files, at most
SHOWN = 8  # names of a folder in a message


@dataclass
class Listed:
    """Items whose files have been found by their names, and not yet been read.

    Attributes
    ----------
    folder : Path
        The one that holds them.
    files : sequence of Path
        All that the items are read from.
    cases : set of str or None
        At most these; None if names do not tell.
    items : iterator of Item
        Reads them, one at a time.
    left_out : list of str
        Why items were left out, once all are read.
    unused : list of str
        Names of files that patterns match, and no item is read from.
    """

    folder: Path
    files: Sequence[Path]
    cases: Set[str] | None
    items: Iterator[Item]
    left_out: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Item]:
        """Read them."""
        return self.items


# -- names -----------------------------------------------------------------------------------------


def user_path(path: str) -> Path:
    """Path as a shell would read it: `~` and `$HOME` expanded, unless there is one of that name."""
    if Path(path).exists():
        return Path(path)
    return Path(os.path.expanduser(os.path.expandvars(path)))  # noqa: PTH111 (Path's may raise)


def nfc(name: str) -> str:
    """Name with letters and accents composed: macOS takes them apart."""
    return unicodedata.normalize("NFC", name)


def printable(name: object) -> str:
    """Name as it can be written anywhere: bytes that are no UTF-8 as hexadecimal digits."""
    return os.fsencode(str(name)).decode("utf-8", "backslashreplace")


def is_foreign(name: str) -> bool:
    """Whether a file or folder of this name is none of the user's."""
    return name.startswith(".") or name.casefold() in FOREIGN


def relative(path: Path, folder: Path) -> Path:
    """Path below the folder, or as it is."""
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def inside(folder: Path) -> str:
    """What is in a folder, for a message."""
    names = sorted(e.name + "/" * e.is_dir() for e in _entries(folder) if not is_foreign(e.name))
    shown = ", ".join(map(printable, names[:SHOWN])) or "nothing"
    return f"{printable(folder)} holds {shown}{', …' if len(names) > SHOWN else ''}"


# -- patterns --------------------------------------------------------------------------------------


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{printable(folder)}: cannot be looked into ({error.strerror})") from error


def find(folder: Path, pattern: str, foreign: list[str] | None = None) -> Iterator[Path]:
    """Find files by a pattern such as `images/*.jpg` or `**/*_mask.png`.

    Suffixes may be of either case, letters with accents composed or not. What is hidden or foreign
    is left out, unless the pattern itself begins with a dot there. `**` follows links to folders;
    a folder that it comes to twice it enters once, so that a link to a parent ends nothing.

    Parameters
    ----------
    folder : Path
        Where the pattern begins, unless it is absolute.
    pattern : str
        With `*`, `?`, `[…]`, and `**` for any number of folders.
    foreign : list of str, optional
        Takes the names of files that match and were left out.

    Yields
    ------
    Path
        In the order of names, a link without its file too.
    """
    given = user_path(pattern)
    parts = list(given.parts)
    if given.is_absolute():
        folder, parts = Path(parts[0]), parts[1:]
    if parts and parts[-1] == "**":
        parts.append("*")
    met: set[Path] = set()  # two `**` come to a file in several ways
    for path in _match(folder, parts, [] if foreign is None else foreign, set()):
        if path not in met:
            met.add(path)
            yield path


def _match(
    folder: Path, parts: Sequence[str], foreign: list[str], entered: set[tuple[int, int]]
) -> Iterator[Path]:
    part, rest = parts[0], parts[1:]
    if part == "**":
        status = folder.stat()
        if (status.st_dev, status.st_ino) in entered:
            return
        entered.add((status.st_dev, status.st_ino))
        yield from _match(folder, rest, foreign, set())
        for entry in _entries(folder):
            if entry.is_dir() and not is_foreign(entry.name):
                yield from _match(folder / entry.name, parts, foreign, entered)
    elif not re.search(r"[*?[]", part) and os.path.lexists(folder / part):
        if rest and (folder / part).is_dir():
            yield from _match(folder / part, rest, foreign, set())
        elif not rest and not (folder / part).is_dir():
            yield folder / part
    else:
        for entry in _entries(folder):
            if not _fits(entry.name, part) or bool(rest) != entry.is_dir():
                continue
            if is_foreign(entry.name) and not part.startswith("."):
                foreign.append(entry.name)
            elif rest:
                yield from _match(folder / entry.name, rest, foreign, set())
            else:
                yield folder / entry.name


def _fits(name: str, part: str) -> bool:
    name, part = nfc(name), nfc(part)
    return fnmatchcase(name, part) or fnmatchcase(_lower_suffix(name), _lower_suffix(part))


def _lower_suffix(name: str) -> str:
    return SUFFIX.sub(lambda match: match[0].lower(), name)


def descend(path: str, fits: Callable[[Path], bool]) -> Path:
    """Find the folder that fits: the one that is named, or the only one a little below it.

    Raises
    ------
    UserError
        If there is no folder of this name, or several below it fit.
    """
    named = user_path(path)
    if not named.is_dir():
        kind = "is no folder" if named.exists() else "no such folder"
        near = next((above for above in named.parents if above.is_dir()), Path())
        raise UserError(
            f"path: {path!r}: {kind}; set it to where the image set lies "
            f"({inside(near.absolute())})"
        )
    level = [named]
    for _ in range(BELOW + 1):
        fitting = [folder for folder in level if fits(folder)]
        if len(fitting) > 1:
            names = ", ".join(printable(folder) for folder in fitting[:SHOWN])
            raise UserError(f"path: {path!r}: may mean any of {names}; set it to one of them")
        if fitting:
            if fitting != [named]:
                log.info("found in %s", printable(fitting[0]))
            return fitting[0]
        level = [
            folder / entry.name
            for folder in level
            for entry in _entries(folder)
            if entry.is_dir() and not is_foreign(entry.name)
        ]
    return named


# -- changes ---------------------------------------------------------------------------------------


def stamps(files: Iterable[Path], folder: Path) -> dict[str, tuple[int, int]]:
    """Name below the folder → size in bytes and time of the last change in nanoseconds."""
    found = {}
    for file in files:
        status = file.stat()
        name = printable(relative(file, folder).as_posix())
        found[name] = status.st_size, status.st_mtime_ns
    return found
