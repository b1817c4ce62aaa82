"""What turns the items of any image set into arrays on disk, and reads them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thetascope.datasets import splits
from thetascope.datasets.items import Image, Item
from thetascope.errors import UserError
from thetascope.files import DamagedError, atomic, read_record, write_csv

if TYPE_CHECKING:  # it takes half a second, and not all that read arrays need it
    import pandas as pd

log = logging.getLogger(__name__)

STRIP = 512  # columns of a picture that are resampled at a time


def prepare(
    items: Iterable[Item],
    image_size: int,
    split: splits.Split,
    images_path: str | Path,
    masks_path: str | Path,
    manifest_path: str | Path,
    record: Mapping[str, Any],
    rotate: float = 0,
) -> None:
    """Turn items, bring them to one size, divide their cases, and write arrays and manifest.

    Pictures that are not square are padded with black to a square first: a rotation of a squeezed
    picture would be no rotation of what it shows.

    Parameters
    ----------
    items : iterable of Item
        Read one at a time.
    image_size : int
        Side S in pixels.
    split : Split
        How cases are divided.
    images_path, masks_path, manifest_path : path
        Written atomically: uint8 [N, C, S, S], uint8 [N, S, S], and one row per item with `id`,
        `case`, `split`, `source`, `sha256` (of the stored image and mask), `width` and `height`
        (pixels, before), `foreground` (share of the stored mask). Of a set without masks these are
        0 everywhere and `foreground` is empty.
    record : mapping
        What made them, for the manifest.
    rotate : float
        Degrees by which all pictures and masks are turned before anything else, counter-clockwise:
        by quarters exactly, pixel for pixel, and by the rest at their own size, see `turn`.

    Raises
    ------
    UserError
        If there are no items, two share an id, an image and its mask differ in size, the number of
        channels differs, only some items have a mask, or a part of the split has no foreground at
        all.
    """
    import pandas as pd

    images: list[Image] = []
    masks: list[Image] = []
    rows: list[dict[str, Any]] = []
    ids: set[str] = set()
    for item in items:
        _check(item, images, ids)
        ids.add(item.id)
        height, width = item.image.shape[1:]
        image, share = _placed(item.image, image_size, rotate), np.nan
        mask = np.zeros(image.shape[1:], np.uint8)
        if item.mask is not None:
            mask = _placed(item.mask, image_size, rotate, labels=True)
            share = (mask > 0).mean()
        digest = hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest()
        images.append(image)
        masks.append(mask)
        of_item = {"id": item.id, "case": item.case, "source": item.source, "sha256": digest}
        rows.append(of_item | {"width": width, "height": height, "foreground": share})
    if not rows:
        raise UserError("the data set holds no items; check its path and options in `datasets`")
    manifest = pd.DataFrame(rows)
    parts = splits.assign(manifest["case"].unique(), split)
    manifest.insert(2, "split", manifest["case"].map(parts))
    _check_foreground(manifest)
    digests = {}
    for path, arrays in (images_path, images), (masks_path, masks):
        with atomic(path) as temporary:
            with temporary.open("wb") as file:
                # np.save does not say that it is the disk that is full
                shape = (len(arrays), *arrays[0].shape)
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                file.writelines(array.tobytes() for array in arrays)
            digests[Path(path).name] = hashlib.sha256(temporary.read_bytes()).hexdigest()
    others = {name: list(getattr(items, name, [])) for name in ("left_out", "unused")}
    write_csv(manifest, manifest_path, {**record, "arrays": digests, **others})


def _check_foreground(manifest: pd.DataFrame) -> None:
    """Refuse masks that allow no score; a set without masks has none to look at."""
    share = manifest["foreground"]
    if share.isna().all():
        return
    if share.isna().any():
        first = manifest.loc[share.isna(), "source"].iloc[0]
        raise UserError(f"{first}: has no mask where other items have one; add it, or leave it out")
    if len(empty := manifest.loc[share == 0, "source"]):
        log.warning(
            "%d of %d items have no foreground and will have no Dice, the first: %s",
            *(len(empty), len(manifest), empty.iloc[0]),
        )
    for part, group in manifest.groupby("split"):
        if not group["foreground"].any():
            raise UserError(
                f"none of the {len(group)} {part} items has any foreground "
                f"(first: {group['source'].iloc[0]}); check the masks or change `split.seed`"
            )


def read_array(path: str | Path) -> NDArray[np.uint8]:
    """Read images or masks that `prepare` wrote: as far as they are used, they are in memory once.

    Raises
    ------
    DamagedError
        If they are not what the manifest beside them says.
    """
    expected = read_record(Path(path).with_name("manifest.csv"))["arrays"][Path(path).name]
    with Path(path).open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != expected:
            raise DamagedError(path, "another SHA-256 than manifest.csv says")
    # mapped: the system reads pages as they are needed; a change would stay in memory
    array: NDArray[np.uint8] = np.load(path, mmap_mode="c", allow_pickle=False)
    return array


@lru_cache(maxsize=64)
def _resampling(before: int, after: int) -> Any:
    """Sparse matrix [after, before] by which scikit-image smooths and resamples pixels in a row.

    As its `resize` with `anti_aliasing`: a Gaussian of half the factor less one, mirrored at the
    edges and cut at four standard deviations, then linear interpolation.
    """
    from scipy.sparse import csr_array

    factor = before / after
    positions = (np.arange(after) + 0.5) * factor - 0.5
    sigma = max(0.0, (factor - 1) / 2)
    reach = np.arange(-int(4 * sigma + 0.5), int(4 * sigma + 0.5) + 1)
    smooth = np.exp(-0.5 * (reach / sigma) ** 2) if sigma else np.ones(1)
    smooth /= smooth.sum()
    left = np.floor(positions).astype(int)
    share = positions - left
    rows, columns, weights = [], [], []
    for neighbour, weight in (left, 1 - share), (left + 1, share):
        # beyond the edge of the smoothed pixels, then beyond that of the pixels
        columns.append(_mirrored(_mirrored(neighbour, before)[:, None] + reach, before).ravel())
        weights.append((weight[:, None] * smooth).ravel())
        rows.append(np.repeat(np.arange(after), len(reach)))
    entries = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    return csr_array(entries, shape=(after, before))


def _mirrored(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Pixels that stand for those beyond an edge, whose own pixel is not repeated."""
    if size == 1:
        return np.zeros_like(index)
    folded = np.abs(index) % (2 * size - 2)
    return np.minimum(folded, 2 * size - 2 - folded)


def resize(array: Image, size: int, *, labels: bool = False) -> Image:
    """Pad to a square with zeros and resample: uint8 [..., H, W] → uint8 [..., size, size].

    Images are smoothed against aliasing; labels take the nearest pixel's value and never blend.
    Large pictures are worked on in strips, so that they need little memory beside their own.
    """
    from skimage.transform import resize as resample

    height, width = array.shape[-2:]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    resized = np.zeros((*array.shape[:-2], size, size), np.uint8)
    if labels:
        pixels = np.arange(side, dtype=float)
        nearest = resample(pixels, (size,), order=0, preserve_range=True, anti_aliasing=False)
        y, x = nearest.astype(int) - top, nearest.astype(int) - left
        down, across = (
            np.flatnonzero((y >= 0) & (y < height)),
            np.flatnonzero((x >= 0) & (x < width)),
        )
        resized[..., down[:, None], across] = array[..., y[down][:, None], x[across]]
        return resized
    matrix = _resampling(side, size)
    down, across = matrix[:, top : top + height], matrix[:, left : left + width].T
    for index in np.ndindex(array.shape[:-2]):
        strips = [
            down @ array[index][:, start : start + STRIP].astype(float)
            for start in range(0, width, STRIP)
        ]
        # linear, and the same down and across: as products it is several times as fast
        resized[index] = (np.concatenate(strips, axis=1) @ across).round()
    return resized


def _placed(array: Image, size: int, rotate: float, *, labels: bool = False) -> Image:
    """Turn and resize: uint8 [..., H, W] → uint8 [..., size, size]."""
    # quarters at the end: nearest pixels are not the same ones in a turned picture
    quarters, rest = divmod(rotate, 90)
    resized = resize(turn(array, rest, labels=labels), size, labels=labels)
    return np.rot90(resized, int(quarters), axes=(-2, -1))


def turn(array: Image, degrees: float, *, labels: bool = False) -> Image:
    """Turn pictures about their centre, counter-clockwise: uint8 [..., H, W] → [..., side, side].

    They are padded to a square with zeros and interpolated linearly; labels take the nearest pixel.
    What is turned in from beyond the border is the mirrored picture, in images and labels alike:
    black corners would tell how it was turned. By 0° they stay as they are.
    """
    if degrees == 0:
        return array
    from scipy.ndimage import rotate

    height, width = array.shape[-2:]
    side = max(height, width)
    turned = np.zeros((*array.shape[:-2], side, side), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    turned[..., top : top + height, left : left + width] = array
    for index in np.ndindex(array.shape[:-2]):
        plane = turned[index].astype(float)
        order = 0 if labels else 1
        turned[index] = rotate(plane, degrees, reshape=False, order=order, mode="reflect").round()
    return turned


def _check(item: Item, images: list[Image], ids: set[str]) -> None:
    if item.id in ids:
        raise UserError(f"{item.source}: the id {item.id!r} stands for two items; rename a file")
    shape = item.image.shape[1:] if item.mask is None else item.mask.shape
    if item.image.ndim != 3 or item.image.shape[1:] != shape:
        raise UserError(
            f"{item.source}: image {item.image.shape} and mask {shape} do not fit; "
            "expected [C, H, W] and [H, W]"
        )
    if images and len(item.image) != len(images[0]):
        raise UserError(
            f"{item.source}: {len(item.image)} channels where the items before have "
            f"{len(images[0])}; convert it"
        )
