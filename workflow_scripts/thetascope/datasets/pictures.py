"""Decodes files of pictures: upright as viewers show them, and deep ones on one scale for a set."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thetascope.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

MODES = {"grey": "L", "rgb": "RGB"}
Pixels = NDArray[np.uint8]
# what a file's pixels are → the values in it that are black and white
Scale = Mapping[str, tuple[float, float]]
BYTES: Scale = {"bytes": (0, 255)}

DEPTHS = (8, 10, 12, 14, 16)  # bit: of sensors, whatever a file has room for
FULL = 16
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
        What `scale_of` says of the set.

    Raises
    ------
    UserError
        If the file cannot be read, holds more than one picture or another number of channels, or
        some of its pixels are no numbers.
    """
    stored = read(path, MODES[colour])
    values, kind = _without_alpha(stored.values), stored.kind
    _finite(values, path)
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


def scale_of(paths: Sequence[Path], value_range: Sequence[float] | None) -> Scale:
    """Find the values that are black and white in all pictures of a set.

    Without a range of the user's, black is 0 and white is 255 for bytes, 1 for fractions, and for
    other integers the highest number of the fewest bits, among 8, 10, 12, 14 and 16, that hold the
    highest value of the whole set.

    Parameters
    ----------
    paths : sequence of Path
        The images; what cannot be read is left to `read_image`.
    value_range : sequence of float or None
        The user's two values; they hold for every file.

    Raises
    ------
    UserError
        If the range is none, or there is none and the values do not tell it: integers below 0 or
        of more than 16 bits, fractions outside 0–1, or pictures of fewer bits beside others.
    """
    if value_range is not None:
        if len(value_range) != 2 or not value_range[0] < value_range[1]:
            raise UserError(
                f"value_range: {list(value_range)}: must be two values, the one that is black and "
                "a higher one that is white"
            )
        return dict.fromkeys(("bytes", "integers", "fractions"), tuple(value_range))  # type: ignore[arg-type]
    seen = _survey(paths)
    scale = dict(BYTES)
    if "fractions" in seen:
        scale["fractions"] = (0, 1)
        _refuse_outside(seen["fractions"], 1, "fractions outside 0–1")
    if "integers" in seen:
        extremes = seen["integers"]
        _refuse_outside(extremes, 2**FULL - 1, "integers below 0 or of more than 16 bit")
        bits = next(bits for bits in DEPTHS if extremes.high < 2**bits)
        scale["integers"] = (0, 2**bits - 1)
        if bits < FULL and len(seen) > 1:
            other = seen.get("bytes", seen.get("fractions"))
            assert other  # noqa: S101 (there are two)
            raise UserError(
                f"{extremes.highest} holds integers up to {extremes.high:g} and {other.highest} "
                "values of another kind, so they share no scale; save all alike, or say which "
                f"values are black and white in all, such as `value_range: [0, {2**bits - 1}]`"
            )
    for kind, extremes in seen.items():
        if kind != "bytes":
            _report(extremes, scale[kind])
    return scale


@dataclass
class Extremes:
    """Lowest and highest values of the files of one kind, and where they are."""

    low: float
    high: float
    bright: float  # the highest of their 99 % quantiles
    lowest: Path
    highest: Path


def _survey(paths: Sequence[Path]) -> dict[str, Extremes]:
    seen: dict[str, Extremes] = {}
    for path in paths:
        try:
            if _is_bytes(path):
                seen.setdefault("bytes", Extremes(0, 255, 255, path, path))
                continue
            stored = read(path, None)
            values = _without_alpha(stored.values)
            _finite(values, path)
        except UserError:
            continue  # `read_image` will say so, or skip it
        low, high, bright = values.min(), values.max(), np.quantile(values, 0.99)
        found = seen.setdefault(stored.kind, Extremes(low, high, bright, path, path))
        if low < found.low:
            found.low, found.lowest = low, path
        if high > found.high:
            found.high, found.highest = high, path
        found.bright = max(found.bright, bright)
    return seen


def _refuse_outside(found: Extremes, most: float, what: str) -> None:
    if found.low < 0 or found.high > most:
        where = found.highest if found.high > most else found.lowest
        raise UserError(
            f"{where}: {what}, so black and white are not known: the set's values go from "
            f"{found.low:g} (in {found.lowest.name}) to {found.high:g} (in {found.highest.name}); "
            f"say which are black and white, such as `value_range: [{found.low:g}, {found.high:g}]`"
        )


def _report(found: Extremes, scale: tuple[float, float]) -> None:
    log.info(
        "deep pictures have values from %g to %g: %g is black, %g white (`value_range` changes it)",
        found.low,
        found.high,
        *scale,
    )
    if found.bright < scale[1] / 4:
        log.warning(
            "in every picture 99 %% of the pixels are below %g, a quarter of white, which is %g; "
            "if that is too dark, set `value_range`, such as [0, %.4g]",
            scale[1] / 4,
            scale[1],
            found.bright,
        )


def _without_alpha(values: NDArray) -> NDArray:
    return values[..., :-1] if values.ndim == 3 and values.shape[2] in (2, 4) else values


def _finite(values: NDArray, path: Path) -> None:
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


def _is_bytes(path: Path) -> bool:
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
    if values.ndim > 3 or (values.ndim == 3 and values.shape[2] > 4):
        raise UserError(
            f"{path}: is an array of {' × '.join(map(str, values.shape))}; save pictures of one to "
            "four channels, each as a file of its own"
        )
    return values


def _by_torchvision(path: Path) -> NDArray:
    from torchvision.io import decode_image  # takes seconds

    values: NDArray = decode_image(str(path), mode="UNCHANGED").numpy()
    return np.moveaxis(values, 0, -1)
