"""BraTS: magnetic resonance volumes of brain tumours (Menze et al. 2015); foreground = tumour.

The layouts of 2018–2021, `BraTS20_Training_001/BraTS20_Training_001_flair.nii.gz`, and of 2023,
`BraTS-GLI-00000-000/BraTS-GLI-00000-000-t2f.nii.gz`. Each volume is a case.
"""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thetascope.datasets.items import Item
from thetascope.errors import UserError

log = logging.getLogger(__name__)

# what reading a damaged file raises, whether it is compressed or not
DAMAGED = (OSError, EOFError, ValueError, zlib.error)
MODALITIES = {"flair": "flair|t2f", "t1": "t1|t1n", "t1ce": "t1ce|t1c", "t2": "t2|t2w"}
# labels after `_labels`: 1 necrotic and non-enhancing core, 2 oedema, 3 enhancing tumour
FOREGROUNDS = {"classes": None, "whole": (1, 2, 3), "core": (1, 3), "enhancing": (3,)}


def load(
    path: str,
    modalities: Sequence[str] = ("flair",),
    slices: str | int | dict[str, int] = "middle",
    foreground: str = "whole",
    minimum_foreground: float = 0.0,
    on_error: str = "stop",
) -> Iterator[Item]:
    """Yield axial slices, each modality a channel, brought to 8 bit between minimum and maximum.

    Parameters
    ----------
    path : str
        The folder of the case folders.
    modalities : sequence of {"flair", "t1", "t1ce", "t2"}
        The channels.
    slices : {"middle", "largest"}, int, or {"every": int}
        Which slices of a volume: the middle one, that with the most foreground, the one of this
        index, or every k-th.
    foreground : {"whole", "core", "enhancing", "classes"}
        Whole tumour, core or enhancing tumour as the one class, or all three classes.
    minimum_foreground : float
        Slices with a smaller share of foreground are left out.
    on_error : {"stop", "skip"}
        What to do about a case that cannot be used.

    Raises
    ------
    UserError
        If there are no cases, an option is unknown, or a file is missing or cannot be used.
    """
    for key, values, known in (
        ("modalities", modalities, MODALITIES),
        ("foreground", [foreground], FOREGROUNDS),
        ("on_error", [on_error], ("stop", "skip")),
    ):
        for value in values:
            if value not in known:
                raise UserError(f"{key}: {value!r}: must be one of {', '.join(known)}")
    folders = sorted({file.parent for file in Path(path).glob("*/*.nii*")})
    truths = [
        sorted(p for p in folder.iterdir() if re.search(r"[_-]seg\.nii(\.gz)?$", p.name))
        for folder in folders
    ]
    if not any(truths):
        raise UserError(
            f"path: {path!r}: holds no case folders with *_seg.nii.gz; BraTS needs registration "
            "(synapse.org): get the training data and set `path` to the folder of case folders"
        )
    skipped = 0
    options = modalities, slices, FOREGROUNDS[foreground], minimum_foreground
    for folder, found in zip(folders, truths, strict=True):
        try:
            if not found:
                raise UserError(f"{folder}: has no labels (…_seg.nii or …_seg.nii.gz)")
            for truth in found:
                yield from _case(truth, *options)
        except UserError as error:
            if on_error == "stop":
                raise UserError(f"{error}; fix it, or set `on_error: skip`") from error
            skipped += 1
            log.warning("skipped: %s", error)
    if skipped:
        log.warning("skipped %d of %d cases in %s", skipped, len(folders), path)


def _case(
    truth: Path,
    modalities: Sequence[str],
    slices: str | int | dict[str, int],
    foreground: tuple[int, ...] | None,
    minimum: float,
) -> Iterator[Item]:
    name, separator = re.split(r"([_-])seg\.nii", truth.name)[:2]
    volumes = [_open(_find(truth.parent, name, modality)) for modality in modalities]
    labels = _open(truth)
    for volume in volumes:
        if volume.shape != labels.shape:
            raise UserError(f"{volume.get_filename()}: {volume.shape} but labels {labels.shape}")
    for z in _choose(labels, slices, truth):
        mask = _labels(_axial(labels, z), separator)
        if foreground:
            mask = np.isin(mask, foreground).astype(np.uint8)
        if (mask > 0).mean() >= minimum:
            image = np.stack([_to_bytes(_axial(volume, z), volume) for volume in volumes])
            yield Item(f"{name}-z{z:03d}", name, image, mask, f"{truth.parent.name}[z={z}]")


def _find(folder: Path, name: str, modality: str) -> Path:
    pattern = rf"{re.escape(name)}[_-]({MODALITIES[modality]})\.nii(\.gz)?"
    for path in sorted(folder.iterdir()):
        if re.fullmatch(pattern, path.name):
            return path
    raise UserError(f"{folder}: has no {modality} volume ({MODALITIES[modality]})")


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


def _choose(labels: Any, slices: str | int | dict[str, int], truth: Path) -> Sequence[int]:
    depth = labels.shape[2]
    if isinstance(slices, dict) and set(slices) == {"every"} and slices["every"] >= 1:
        return range(0, depth, slices["every"])
    if isinstance(slices, int) and not isinstance(slices, bool):
        if not 0 <= slices < depth:
            raise UserError(f"{truth}: slices: {slices}: the volume has slices 0 to {depth - 1}")
        return [slices]
    if slices == "middle":
        return [depth // 2]
    if slices == "largest":
        counts = [(_axial(labels, z) > 0).sum() for z in range(depth)]
        return [int(np.argmax(counts))]
    raise UserError(f"slices: {slices!r}: must be middle, largest, an index or {{every: k}}")


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


def _labels(plane: NDArray, separator: str) -> NDArray[np.uint8]:
    """Labels of any year as 1, 2, 3.

    From 2023 on (names with hyphens) 3 is enhancing tumour. Before, that was 4, and cases of 2013
    and 2015 also have 3, non-enhancing core, which later years count with the necrosis.
    """
    mask = plane.round().astype(np.uint8)
    if separator == "_":
        mask = np.array([0, 1, 2, 1, 3], dtype=np.uint8)[np.minimum(mask, 4)]
    return mask
