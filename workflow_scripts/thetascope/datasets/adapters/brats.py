"""BraTS: magnetic resonance volumes of brain tumours (Menze et al. 2015); foreground = tumour.

The layouts of 2012–2021, `BraTS20_Training_001/BraTS20_Training_001_flair.nii.gz`, and from 2023
on, `BraTS-GLI-00000-000/BraTS-GLI-00000-000-t2f.nii.gz`. A patient is a case: of the names from
2023 on the last number is a time point.
"""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thetascope.datasets import listing, pairs
from thetascope.datasets.items import Item
from thetascope.datasets.listing import Listed
from thetascope.errors import UserError

log = logging.getLogger(__name__)

# what reading a damaged file raises, whether it is compressed or not
DAMAGED = (OSError, EOFError, ValueError, zlib.error)
MODALITIES = {"flair": "flair|t2f", "t1": "t1|t1n", "t1ce": "t1ce|t1c", "t2": "t2|t2w"}
SEGMENTATION = re.compile(r"(.+)([_-])seg\.nii(\.gz)?", re.I)
HALVES = ("HGG", "LGG")  # the two folders of cases of 2018 and 2019

CORE, OEDEMA, ENHANCING, CYST, CAVITY = range(1, 6)
# label in the file → what it is, of whichever challenge. 3 was non-enhancing core until 2016, after
# which no file has it; 4 is the resection cavity of treated patients (GLI since 2024, MET).
CONVENTIONS = {
    "until_2021": {1: CORE, 2: OEDEMA, 3: CORE, 4: ENHANCING},
    "since_2023": {1: CORE, 2: OEDEMA, 3: ENHANCING, 4: CAVITY},
    "ped_2024": {1: ENHANCING, 2: CORE, 3: CYST, 4: OEDEMA},
}
WITH_CAVITY = ("GLI", "MET")
FOREGROUNDS = {
    "classes": None,
    "whole": (CORE, OEDEMA, ENHANCING, CYST),
    "core": (CORE, ENHANCING, CYST),
    "enhancing": (ENHANCING,),
}


@dataclass(frozen=True)
class Case:
    """The files of one volume, or what forbids to use it."""

    name: str
    truth: Path
    volumes: Sequence[Path] = ()
    labels: Mapping[int, int] | None = None
    problem: str | None = None


def load(
    path: str,
    modalities: Sequence[str] = ("flair",),
    slices: str | int | dict[str, int] = "middle",
    foreground: str = "whole",
    label_convention: str | None = None,
    minimum_foreground: float = 0.0,
    cases: str | None = None,
    case_key: str | None = None,
    on_error: str = "stop",
) -> Listed:
    """Find axial slices, each modality a channel, brought to 8 bit between minimum and maximum.

    Parameters
    ----------
    path : str
        The folder of the case folders, or one above it that holds no other.
    modalities : sequence of {"flair", "t1", "t1ce", "t2"}
        The channels.
    slices : {"middle", "largest"}, int, or {"every": int}
        Which slices of a volume: the middle one, that with the most foreground, the one of this
        index, or every k-th.
    foreground : {"whole", "core", "enhancing", "classes"}
        Whole tumour, core or enhancing tumour as the one class, or classes: 1 necrotic and
        non-enhancing core, 2 oedema, 3 enhancing tumour, 4 cyst, 5 resection cavity. The cavity is
        no tumour.
    label_convention : {"until_2021", "since_2023", "ped_2024"} or None
        What the numbers in the files stand for, see `CONVENTIONS`. None goes by the names.
    minimum_foreground : float
        Slices with a smaller share of foreground are left out.
    cases : str or None
        A CSV file with columns `id` (the volume's name) and `case`.
    case_key : str or None
        Instead of such a file, a regular expression for the volumes' names, whose group is the
        case.
    on_error : {"stop", "skip"}
        What to do about a case that cannot be used.

    Returns
    -------
    Listed
        Its items raise what is wrong inside the files.

    Raises
    ------
    UserError
        If there are no cases, an option is unknown, or a file is missing or cannot be used.
    """
    for key, values, known in (
        ("modalities", modalities, MODALITIES),
        ("foreground", [foreground], FOREGROUNDS),
        ("label_convention", [label_convention] if label_convention else [], CONVENTIONS),
        ("on_error", [on_error], ("stop", "skip")),
    ):
        for value in values:
            if value not in known:
                raise UserError(f"{key}: {value!r}: must be one of {', '.join(known)}")
    _check_slices(slices)
    top = listing.descend(path, lambda folder: bool(_truths(folder)))
    foreign: list[str] = []
    found = [
        _find(folder, truth, modalities, foreground, label_convention)
        for folder, truth in _truths(top, foreign)
    ]
    if not found:
        raise UserError(
            f"path: {path!r}: holds no case folders with *_seg.nii.gz ({listing.inside(top)}); "
            "BraTS needs registration (synapse.org): get the training data and set `path` to the "
            "folder of case folders"
        )
    names = [case.name or listing.printable(case.truth.name) for case in found]
    folders = [top, listing.user_path(path)]
    patients = [re.sub(r"^(BraTS-.+-\d+)-\d+$", r"\1", name) for name in names]
    of_case = pairs.cases(names, folders, cases, case_key, patients)
    pairs.check([case.problem for case in found], on_error)
    sound = [case for case in found if not case.problem]
    used = {patient for case, patient in zip(found, of_case, strict=True) if not case.problem}
    files = [file for case in sound for file in (*case.volumes, case.truth)]
    files += [pairs.case_file(folders, cases)] if cases else []
    counts = len(found), len(set(of_case)), listing.printable(top), len(foreign)
    log.info("%d volumes of %d cases in %s; left out: %d hidden or foreign files", *counts)
    options = slices, FOREGROUNDS[foreground], minimum_foreground, on_error
    left_out: list[str] = []
    return Listed(
        top, files, used, _items(found, of_case, top, *options, left_out), left_out, foreign
    )


def _truths(top: Path, foreign: list[str] | None = None) -> list[tuple[Path, Path | None]]:
    """Case folders and their segmentations: None for one that has volumes only."""
    found: list[tuple[Path, Path | None]] = []
    by_folder: dict[Path, list[Path]] = {}
    for pattern in ("*-seg.nii*", "*_seg.nii*", "*/*.nii*", *(f"{h}/*/*.nii*" for h in HALVES)):
        for file in listing.find(top, pattern, foreign):
            by_folder.setdefault(file.parent, []).append(file)
    for folder in sorted(by_folder):
        truths = [file for file in by_folder[folder] if SEGMENTATION.fullmatch(file.name)]
        found += [(folder, truth) for truth in truths] or [(folder, None)]
    return found if any(truth for _, truth in found) else []


def _find(
    folder: Path,
    truth: Path | None,
    modalities: Sequence[str],
    foreground: str,
    convention: str | None,
) -> Case:
    shown = listing.printable(folder)
    if truth is None:
        return Case("", folder, problem=f"{shown}: has no labels (…_seg.nii or …_seg.nii.gz)")
    match = SEGMENTATION.fullmatch(truth.name)
    assert match  # noqa: S101 (see `_truths`)
    name, separator = match[1], match[2]
    if listing.printable(truth) != str(truth):
        return Case(listing.printable(name), truth, problem=f"{shown}: is not in UTF-8; rename it")
    volumes = []
    for modality in modalities:
        pattern = rf"{re.escape(name)}[_-]({MODALITIES[modality]})\.nii(\.gz)?"
        files = [p for p in listing.find(folder, "*.nii*") if re.fullmatch(pattern, p.name, re.I)]
        if not files:
            problem = f"{shown}: has no {modality} volume ({MODALITIES[modality]})"
            return Case(name, truth, problem=problem)
        volumes.append(files[0])
    challenge = re.match(r"BraTS-([A-Za-z]+)-", name)
    if convention is None and challenge and challenge[1] == "PED" and foreground != "whole":
        raise UserError(
            f"{truth}: paediatric cases have other labels in 2023 (`label_convention: since_2023`) "
            "than in 2024 (`label_convention: ped_2024`); set the one"
        )
    by_name = _by_name(challenge, separator)
    labels = dict(CONVENTIONS[convention or by_name])
    treated = challenge and challenge[1] in WITH_CAVITY
    if convention is None and by_name == "since_2023" and not treated:
        del labels[4]
    return Case(name, truth, volumes, labels)


def _by_name(challenge: re.Match[str] | None, separator: str) -> str:
    """The convention that a name implies."""
    if challenge and challenge[1] == "PED":  # all four are tumour, and those of 2023 too
        return "ped_2024"
    return "since_2023" if challenge or separator == "-" else "until_2021"


def _items(
    found: Sequence[Case],
    of_case: Sequence[str],
    top: Path,
    slices: str | int | dict[str, int],
    foreground: tuple[int, ...] | None,
    minimum: float,
    on_error: str,
    left_out: list[str],
) -> Iterator[Item]:
    seen: set[tuple[int, int]] = set()  # labels, and what they were read as
    for case, patient in zip(found, of_case, strict=True):
        try:
            if case.problem:
                raise UserError(case.problem)
            yield from _slices(case, patient, slices, foreground, minimum, seen)
        except UserError as error:
            if on_error == "stop":
                raise UserError(f"{error}; {pairs.REMEDY}") from error
            left_out.append(str(error))
            log.warning("skipped: %s", error)
    if left_out:
        counts = len(left_out), len(found), listing.printable(top)
        log.warning("skipped %d of %d cases in %s", *counts)
    if (3, CORE) in seen and (4, ENHANCING) not in seen:
        log.warning(
            "label 3 is read as non-enhancing core, as until 2016, and no file has the label 4 of "
            "enhancing tumour; if they were numbered anew, set `label_convention: since_2023`"
        )


def _slices(
    case: Case,
    patient: str,
    slices: str | int | dict[str, int],
    foreground: tuple[int, ...] | None,
    minimum: float,
    seen: set[tuple[int, int]],
) -> Iterator[Item]:
    volumes, labels = [_open(volume) for volume in case.volumes], _open(case.truth)
    for volume in volumes:
        if volume.shape != labels.shape:
            raise UserError(f"{volume.get_filename()}: {volume.shape} but labels {labels.shape}")

    def mask_of(z: int) -> NDArray[np.uint8]:
        mask = _labels(_axial(labels, z), case, seen)
        return np.isin(mask, foreground).astype(np.uint8) if foreground else mask

    for z in _choose(labels.shape[2], slices, case.truth, mask_of):
        mask = mask_of(z)
        if (mask > 0).mean() >= minimum:
            image = np.stack([_to_bytes(_axial(volume, z), volume) for volume in volumes])
            source = f"{case.truth.parent.name}[z={z}]"
            yield Item(f"{case.name}-z{z:03d}", patient, image, mask, source)


def _open(path: Path) -> Any:
    """Open a volume without reading its voxels."""
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        volume = nibabel.load(path)
        if len(volume.shape) != 3 or nibabel.aff2axcodes(volume.affine)[2] not in ("S", "I"):
            raise UserError(f"{path}: {volume.shape} is no volume of axial slices")
    except (*DAMAGED, ImageFileError, HeaderDataError) as error:
        raise UserError(f"{path}: cannot be read as NIfTI ({error})") from error
    return volume


def _check_slices(slices: str | int | dict[str, int]) -> None:
    match slices:
        case "middle" | "largest":
            return
        case {"every": int(step), **others} if step >= 1 and not others:
            return
        case int() if not isinstance(slices, bool):
            return
    raise UserError(f"slices: {slices!r}: must be middle, largest, an index or {{every: k}}")


def _choose(
    depth: int,
    slices: str | int | dict[str, int],
    truth: Path,
    mask_of: Callable[[int], NDArray[np.uint8]],
) -> Sequence[int]:
    if isinstance(slices, dict):
        return range(0, depth, slices["every"])
    if isinstance(slices, int):
        if not 0 <= slices < depth:
            raise UserError(f"{truth}: slices: {slices}: the volume has slices 0 to {depth - 1}")
        return [slices]
    if slices == "middle":
        return [depth // 2]
    return [int(np.argmax([np.count_nonzero(mask_of(z)) for z in range(depth)]))]


def _axial(volume: Any, z: int) -> NDArray:
    """One slice, anterior up and the patient's left on the left, whatever the file's axes."""
    import nibabel

    try:
        plane = np.asarray(volume.dataobj[:, :, z])
    except DAMAGED as error:
        raise UserError(f"{volume.get_filename()}: is cut short or damaged ({error})") from error
    codes = nibabel.aff2axcodes(volume.affine)
    if codes[0] in ("A", "P"):
        plane, codes = plane.T, (codes[1], codes[0], codes[2])
    if codes[0] == "L":
        plane = plane[::-1]
    if codes[1] == "P":
        plane = plane[:, ::-1]
    return np.rot90(plane)


def _to_bytes(plane: NDArray, volume: Any) -> NDArray[np.uint8]:
    if not np.isfinite(plane).all():
        raise UserError(f"{volume.get_filename()}: holds values that are not finite")
    low, high = float(plane.min()), float(plane.max())
    return ((plane - low) * (255 / (high - low or 1))).round().astype(np.uint8)


def _labels(plane: NDArray, case: Case, seen: set[tuple[int, int]]) -> NDArray[np.uint8]:
    """Labels of any challenge as the classes above; others are refused."""
    assert case.labels is not None  # noqa: S101 (the case has no problem)
    mask = np.zeros(plane.shape, dtype=np.uint8)
    for value in np.unique(plane[plane != 0]):
        if value not in case.labels:
            raise UserError(
                f"{case.truth}: label {value:g} is none of {', '.join(map(str, case.labels))}, "
                "which its name implies; `label_convention` says otherwise"
            )
        mask[plane == value] = case.labels[int(value)]
        seen.add((int(value), case.labels[int(value)]))
    return mask
