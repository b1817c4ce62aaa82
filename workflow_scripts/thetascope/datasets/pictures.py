"""Decodes files of pictures of any mode and depth, upright as viewers show them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thetascope.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

MODES = {"grey": "L", "rgb": "RGB"}
Pixels = NDArray[np.uint8]
# what a file's pixels are → the values in it that are black and white
Scale = Mapping[str, tuple[float, float]]
BYTES: Scale = {"bytes": (0, 255)}

GREY = (0.299, 0.587, 0.114)  # luma of R, G, B (ITU-R BT.601), as Pillow's
LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP", "AVIF")
ORIENTATION = 0x0112  # EXIF tag → where the first row and the first column are
UPRIGHT: dict[int, Callable[[NDArray], NDArray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@dataclass(frozen=True)
class Stored:
    """What a file holds, upright.

    Attributes
    ----------
    values : ndarray
        [H, W] or [H, W, channels] of the file's own type; indices if there is a palette.
    shown : ndarray or None
        uint8 [H, W, 4], what the palette makes of them.
    lossy : bool
        Whether values are only near to those that were saved.
    """

    values: NDArray
    shown: Pixels | None = None
    lossy: bool = False

    @property
    def kind(self) -> str:
        """What its pixels are: bytes, integers or fractions."""
        if self.values.dtype in (np.uint8, np.bool_):
            return "bytes"
        return "fractions" if np.issubdtype(self.values.dtype, np.floating) else "integers"


def read_image(path: Path, colour: str, scale: Scale = BYTES) -> Pixels:
    """Read an image file as uint8 [C, H, W]; an alpha channel is dropped.

    Parameters
    ----------
    path : Path
        The file.
    colour : {"grey", "rgb"}
        One channel or three.
    scale : mapping
        What `depths.scale_of` says of the set.

    Raises
    ------
    UserError
        If the file cannot be read, holds more than one picture or another number of channels, or
        some of its pixels are no numbers.
    """
    stored = read(path, MODES[colour])
    values, kind = without_alpha(stored.values), stored.kind
    finite(values, path)
    if kind not in scale:
        raise UserError(f"{path}: holds {kind}, where bytes were expected; say `value_range`")
    low, high = scale[kind]
    if kind != "bytes" and values.ndim == 3 and values.shape[2] == 3 and colour == "grey":
        values = values @ np.array(GREY)
    if kind != "bytes" or (low, high) != BYTES["bytes"]:
        scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
        values = scaled.round().clip(0, 255).astype(np.uint8)
    values = values.reshape(*values.shape[:2], -1)
    if values.shape[2] < len(MODES[colour]):
        values = np.repeat(values, 3, axis=2)
    return np.moveaxis(values, -1, 0)


def without_alpha(values: NDArray) -> NDArray:
    """[H, W, 2 or 4] without its last channel."""
    return values[..., :-1] if values.ndim == 3 and values.shape[2] in (2, 4) else values


def finite(values: NDArray, path: Path) -> None:
    """Raise a `UserError` if some values are not a number or infinite."""
    if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        raise UserError(f"{path}: holds pixels that are no finite numbers; replace them")


def read(path: Path, mode: str | None) -> Stored:
    """Read a file; pictures of up to 8 bit are converted to this mode of Pillow's, if there is one.

    Raises
    ------
    UserError
        If the file cannot be read or holds more than one picture.
    """
    with _opened(path) as file:
        if file is None:  # a TIFF of a kind that Pillow does not know
            return Stored(_by_scikit_image(path))
        raw = _raw_mode(file)
        deep = _is_deep(file) or _is_deep_colour(file)
        if deep and file.format == "TIFF" and file.tag_v2.get(262) == 0:
            raise UserError(f"{path}: has 0 for white (MinIsWhite); save it with 0 for black")
        if _is_deep_colour(file):
            values = (_by_scikit_image if file.format == "TIFF" else _by_torchvision)(path)
            return Stored(_turn(file)(values))
        file.load()  # which turns a TIFF upright and removes the tag
        turn = _turn(file)
        lossy = file.format in LOSSY or file.info.get("compression") == "jpeg"
        if _is_deep(file):
            values = np.asarray(file)
            if raw == "I;32N":  # which Pillow takes for signed
                values = values.view(np.uint32)
            return Stored(turn(values.astype(values.dtype.newbyteorder("="))))
        if mode is None and file.mode in ("P", "PA"):
            indices = np.asarray(file).reshape(file.height, file.width, -1)[..., 0]
            return Stored(turn(indices), turn(np.asarray(file.convert("RGBA"))), lossy)
        if mode is None and file.mode not in ("1", "L", "LA", "RGB", "RGBA"):
            mode = "RGB"
        image = file if mode in (None, file.mode) else file.convert(mode)
        return Stored(turn(np.asarray(image)), None, lossy)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file of one picture; gives None for a TIFF that Pillow does not know."""
    from PIL import Image, UnidentifiedImageError

    try:
        # not opened by its path: Pillow would map some TIFF files into memory with the wrong sides
        with path.open("rb") as opened, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            try:
                file = Image.open(opened)
            except UnidentifiedImageError:
                opened.seek(0)
                if opened.read(4) not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
                    raise
                yield None
                return
            # the second picture of an MPO is a preview or for the other eye
            count = 1 if file.format == "MPO" else getattr(file, "n_frames", 1)
            if count > 1:
                raise UserError(
                    f"{path}: holds {count} pictures (pages of a TIFF, or frames); save the one "
                    "that counts, or each, as a file of its own"
                )
            yield file
    except Image.DecompressionBombError as error:
        pixels, limit = (int(number) / 1e6 for number in re.findall(r"\d+", str(error))[:2])
        raise UserError(
            f"{path}: has {pixels:.0f} megapixels, more than the {limit:.0f} that are read; save "
            "it smaller: it is resampled to `image_size` all the same"
        ) from error
    except UserError:
        raise
    except Exception as error:  # decoders raise many kinds
        raise UserError(f"{path}: cannot be read as an image ({error})") from error


def _raw_mode(file: Any) -> str:
    """How the file codes a pixel, as Pillow's decoders call it, such as RGB;16B."""
    arguments = file.tile[0][3] if getattr(file, "tile", None) else ""
    return str(arguments if isinstance(arguments, str) else (arguments or ("",))[0])


def _is_deep(file: Image) -> bool:
    """Whether a pixel has one value, of more than 8 bit."""
    return file.mode == "F" or file.mode.startswith("I")


def _is_deep_colour(file: Image) -> bool:
    """Whether Pillow would cut each channel to 8 bit, or take signed bytes for unsigned ones."""
    if file.format == "TIFF":
        tags = file.tag_v2  # type: ignore[attr-defined]
        signed = 2 in (tags.get(339) or ()) and not _is_deep(file)
        return signed or (not _is_deep(file) and max(tags.get(258) or (1,)) > 8)
    return ";16" in _raw_mode(file) and not _is_deep(file)


def is_bytes(path: Path) -> bool:
    """Whether a picture has up to 8 bit, by its header."""
    with _opened(path) as file:
        return file is not None and not (_is_deep(file) or _is_deep_colour(file))


def _turn(file: Image) -> Callable[[NDArray], NDArray]:
    return UPRIGHT.get(file.getexif().get(ORIENTATION, 1), UPRIGHT[1])


def _by_scikit_image(path: Path) -> NDArray:
    from skimage.io import imread

    try:
        values: NDArray = imread(path)
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise UserError(
                f"{path}: deep and compressed ({error}); save it uncompressed"
            ) from error
        raise
    if not values.size or values.ndim > 3 or (values.ndim == 3 and values.shape[2] > 4):
        raise UserError(
            f"{path}: is an array of {' × '.join(map(str, values.shape))}; save pictures of one to "
            "four channels, each as a file of its own"
        )
    if values.dtype.kind not in "buif":
        raise UserError(f"{path}: holds {values.dtype} numbers; save their real part or magnitude")
    return values.astype(np.uint8) * np.uint8(255) if values.dtype == np.bool_ else values


def _by_torchvision(path: Path) -> NDArray:
    from torchvision.io import decode_image  # takes seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # our version of it is pinned
        values: NDArray = decode_image(str(path), mode="UNCHANGED").numpy()
    return np.moveaxis(values, 0, -1)
