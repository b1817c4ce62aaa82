"""Which of the user's files belong together: an image and its masks, the pictures of a patient.

Names tell, and a file of cases; no picture is opened.
"""

from __future__ import annotations

import csv
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from thetascope.datasets.listing import find, inside, nfc, printable, relative, user_path
from thetascope.errors import UserError

log = logging.getLogger(__name__)

REMEDY = "fix it, or set `on_error: skip`"


@dataclass(frozen=True)
class Pair:
    """What has one key: an image, its masks, the classes of these, and what forbids to use it."""

    key: str
    image: Path
    masks: Sequence[Path]
    classes: Sequence[int] | None
    problem: str | None


def compile_key(name: str, key: str) -> re.Pattern[str]:
    """Compile a regular expression of the options that has a group.

    Raises
    ------
    UserError
        If it is none or has no group.
    """
    try:
        compiled = re.compile(nfc(key))
    except re.error as error:
        raise UserError(f"{name}: {key!r}: is no regular expression ({error})") from error
    if not compiled.groups:
        raise UserError(f"{name}: {key!r}: must have a group, (…), which is the key")
    return compiled


def by_key(
    folder: Path, pattern: str, name: str, key: str, unused: list[str]
) -> dict[str, dict[Path, str]]:
    """Group the files of a pattern by their key, and log how many there are and were left out.

    Parameters
    ----------
    folder : Path
        See `find`.
    pattern : str
        Of the files.
    name, key : str
        An option and its value: a regular expression for the file's name without suffix or, if it
        holds a slash, for its path below the folder without suffix.
    unused : list of str
        Takes the names of files that match and were left out.

    Returns
    -------
    dict
        Key → path → the rest of path and name, which tells files of one key apart.

    Raises
    ------
    UserError
        If there is none, or the key is no regular expression with a group.
    """
    compiled = compile_key(name, key)
    found: dict[str, dict[Path, str]] = {}
    foreign: list[str] = []
    unfit: list[Path] = []
    for path in find(folder, pattern, foreign):
        place = nfc(printable(relative(path, folder).with_suffix("").as_posix()))
        start = 0 if "/" in key else place.rfind("/") + 1
        match = compiled.fullmatch(place[start:])
        if match is None or match[1] is None:
            unfit.append(path)
        else:
            first, last = (start + end for end in match.span(1))
            found.setdefault(match[1], {})[path] = f"{place[:first]}*{place[last:]}"
    used = sum(map(len, found.values()))
    log.info(
        "%s: %d files used; left out: %d hidden or foreign%s, %d with names unlike %s%s",
        *(pattern, used, len(foreign), _first(foreign)),
        *(len(unfit), key, _first([path.name for path in unfit])),
    )
    unused += [printable(name) for name in (*foreign, *(path.name for path in unfit))]
    if not found:
        like = f" with a name like {key!r}, as {printable(unfit[0].name)} is not" if unfit else ""
        where = printable(folder / pattern)
        raise UserError(f"{where}: no file of this pattern{like}; {inside(folder)}")
    return found


def _first(names: Sequence[str]) -> str:
    return f" ({printable(names[0])}{', …' if len(names) > 1 else ''})" if names else ""


def pairs(
    folder: Path,
    images: str,
    masks: str | None,
    image_key: str,
    mask_key: str,
    several_masks: str | None,
    unused: list[str],
) -> list[Pair]:
    """Pair images with their masks, in the natural order of keys; parameters as in `folder.load`.

    Without a pattern of masks every image stands for itself.

    Raises
    ------
    UserError
        As `by_key`, or if two files share a key and no option says what that means.
    """
    pictures = by_key(folder, images, "image_key", image_key, unused)
    truths = by_key(folder, masks, "mask_key", mask_key, unused) if masks is not None else {}
    for kind, files in ("image", pictures), ("mask", truths):
        for key, paths in files.items():
            if len(paths) > 1 and (kind == "image" or several_masks is None):
                first, second = (printable(path) for path in list(paths)[:2])
                if nfc(first) == nfc(second):  # they look alike
                    first, second = ascii(first), ascii(second)
                remedy = (
                    "set `several_masks: unite` or `several_masks: classes`, or "
                    if kind == "mask"
                    else ""
                )
                raise UserError(
                    f"{second} and {first} share the key {key!r}; {remedy}narrow `{kind}s` or "
                    f"`{kind}_key` (with a slash in it, it is held against the whole path)"
                )
    kinds = sorted({rest for paths in truths.values() for rest in paths.values()})
    if several_masks:
        counts = Counter(len(paths) for paths in truths.values())
        log.info("masks per picture: %s", ", ".join(f"{n} for {counts[n]}" for n in sorted(counts)))
    if several_masks == "classes":
        if len(kinds) > 255:
            raise UserError(f"several_masks: classes: {len(kinds)} kinds of masks; use `unite`")
        log.info("classes: %s", ", ".join(f"{i} {kind}" for i, kind in enumerate(kinds, 1)))
    found = []
    for key in sorted(pictures.keys() | truths.keys(), key=lambda key: (_natural(key), key)):
        image, truth = list(pictures.get(key, {})), truths.get(key, {})
        problem = _problem(key, image, list(truth), masks is not None)
        classes = [kinds.index(rest) + 1 for rest in truth.values()]
        own = classes if several_masks == "classes" else None
        found.append(Pair(key, [*image, *truth][0], list(truth), own, problem))
    return found


def _problem(key: str, image: list[Path], truth: list[Path], masked: bool) -> str | None:
    """What forbids to use a pair, as far as names tell."""
    for path in (*image, *truth):
        if printable(path) != str(path):
            return (
                f"{printable(path)}: its name is not in UTF-8 but of another system; rename it, as "
                "`convmv` does for whole folders"
            )
        if not path.exists():
            return f"{path}: is a link to {printable(path.readlink())}, which is not there"
    for kind, files, others in ("image", image, truth), ("mask", truth, image):
        if not files and masked:
            return (
                f"{others[0]}: has no {kind} of the key {key!r}; where names of pictures and masks "
                "differ, `image_key` and `mask_key` say which part of them is the key "
                "(docs/own-images.md)"
            )
    return None


def check(problems: Sequence[str | None], on_error: str) -> None:
    """Refuse a set with problems, saying how many there are.

    Raises
    ------
    UserError
        If one is not None, or with `on_error: skip` all are.
    """
    found = [problem for problem in problems if problem]
    if found and (on_error == "stop" or len(found) == len(problems)):
        more = f" ({len(found) - 1} more have problems too)" if len(found) > 1 else ""
        raise UserError(f"{found[0]}{more}; {REMEDY}")


def _natural(key: str) -> list[tuple[str, int]]:
    """Sort key under which a9 comes before a10, and both before b1."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", key)]


# -- cases -----------------------------------------------------------------------------------------


def cases(
    names: Sequence[str],
    folders: Sequence[Path],
    file: str | None,
    key: str | None,
    own: Sequence[str],
) -> list[str]:
    """Say which case each name belongs to.

    Parameters
    ----------
    names : sequence of str
        Of pictures or volumes.
    folders : sequence of Path
        Where the file is looked for first; then as it is named.
    file : str or None
        The option `cases`: a CSV file with columns `id` and `case`.
    key : str or None
        The option `case_key`: a regular expression for names, whose group is the case.
    own : sequence of str
        Their cases if neither is given.

    Raises
    ------
    UserError
        If both are given, the file cannot be read, or a name is left without a case.
    """
    if file and key:
        raise UserError("cases, case_key: both say which items belong together; keep one")
    if key:
        compiled = compile_key("case_key", key)
        found = {name: match[1] for name in names if (match := compiled.fullmatch(name))}
        where = f"case_key: {key!r} (of whole names)"
    elif file:
        path = case_file(folders, file)
        found = _read_cases(path, file)
        where = f"cases: {path}"
    else:
        return list(own)
    if missing := [name for name in names if not found.get(name)]:
        raise UserError(f"{where}: has no case for {len(missing)} items, first {missing[0]!r}")
    return [found[name] for name in names]


def hint_of_cases(names: Sequence[str]) -> str | None:
    """Ask whether names are of several pictures of a case each, as `p7-1` and `p7-2` may be.

    They may if they differ in their last number only: in five groups or more, since two or three
    may be classes, and of at least two pictures on average.
    """
    groups = defaultdict(list)
    for name in names:
        parted = re.fullmatch(r"(.+)[-_. /]\D*\d+\D*", name)
        groups[parted and parted[1]].append(name)
    if None in groups or not 5 <= len(groups) <= len(names) / 2:
        return None
    one, other = max(groups.values(), key=len)[:2]
    return (
        f"every picture is a case, but the {len(names)} names make {len(groups)} groups, such as "
        f"{one!r} and {other!r}. If several pictures show one patient, name the patient by "
        "`case_key` or `cases`: else training and test share patients, and intervals are too "
        "narrow. If each stands for itself, `case_key: (.+)` says so"
    )


def case_file(folders: Sequence[Path], file: str) -> Path:
    """Where the file of cases lies: in one of the folders, else as it is named."""
    there = (folder / file for folder in folders)
    return next((path for path in there if path.is_file()), user_path(file))


def _read_cases(path: Path, named: str) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:  # as spreadsheets write it
            header = lines.readline()
            lines.seek(0)
            rows = csv.DictReader(lines, delimiter=";" if ";" in header else ",", strict=True)
            both = [(nfc(row["id"]), row["case"]) for row in rows]
            if not {"id", "case"} <= {*(rows.fieldnames or [])}:
                raise ValueError("lacks a column")
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(f"cases: {named}: needs to be a CSV with columns id and case") from error
    found: dict[str, str] = {}
    for name, case in both:
        if found.setdefault(name, case) != case:
            raise UserError(f"cases: {path}: {name!r} stands there with two cases; keep one")
    return found
