"""Generated pictures of known symmetry: sets for which theory says what θ can and cannot do.

A texture that repeats under a rotation by some angle is, but for where it lies, the same at θ and
at θ plus that angle. Whatever depends on the texture alone, for any encoder, then has that angle as
its period, or an overtone of it. Symmetry forbids periods; it does not say that the others have any
power.

gratings2
    Foreground of one plane wave, of the same orientation in all items: repeats under 180°. Allowed
    are 180 and its overtones 90, 60 and 45; 360 and 120 are not.
gratings3
    Foreground of three plane waves 60° apart: repeats under 60°. Allowed are 60 and its overtones.
gratings4
    Foreground of two crossed plane waves: repeats under 90°. Allowed are 90 and 45.
isotropic
    Foreground of noise that is coarser than the background and as isotropic: no period.

The background of gratings is the same texture turned by half its period: nothing but direction
tells the two apart, and a rotation by half the period exchanges them.

disc
    A centred disc, the same at every θ but for the corners of the canvas: no period.

Three things are no texture:

- the instrument: square canvas, pixels and resampling repeat under 90°, so 90 and 45 are allowed in
  every set, and only 180 (gratings2) and 60 (gratings3) tell texture from instrument. For gratings4
  that takes a view in which no angle is special: a disc, both pictures resampled, no θ of 90°;
- likeness of x and R_θ x pixel by pixel: they coincide at θ = 0 and come apart within about 10°
  (`disc` never does), so a curve may have a peak there, and a peak has all periods;
- the place of the region, which a rotation about the centre moves: period 360 and any overtone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from thetascope.datasets.items import Item
from thetascope.errors import UserError

Array = NDArray[np.float64]
Texture = Callable[[Generator, int, float], Array]  # of the size, turned by so many degrees
Pattern = Callable[[Generator, int, float], tuple[Array, NDArray[np.bool_]]]

ORIENTATION = 20  # degrees, of the first wave's normal; off the pixels' axes and diagonals
CYCLES = 10  # per side of the picture; at 64 pixels a wave of 6, which survives resampling
MEAN, CONTRAST = 127.5, 30.0  # grey levels; contrast is the standard deviation


def load(
    pattern: str, items: int = 60, size: int = 96, seed: int = 0, spread: float = 0.0
) -> Iterator[Item]:
    """Yield grey pictures, each a case of its own.

    Sets of the same seed and size have, but for `disc`, the same regions.

    Parameters
    ----------
    pattern : {"gratings2", "gratings3", "gratings4", "isotropic", "disc"}
        See the module's notes.
    items : int
        Number of pictures; the first are the same however many there are.
    size : int
        Side in pixels.
    seed : int
        Of the random state.
    spread : float
        Degrees to either side by which each picture's gratings may be turned. A network that has
        seen some directions tells those between them apart too, where one direction leaves that
        to chance.

    Yields
    ------
    Item
        Image uint8 [1, size, size]; mask 1 in the foreground.

    Raises
    ------
    UserError
        If there is no such pattern.
    """
    if pattern not in PATTERNS:
        raise UserError(f"pattern: {pattern!r} is none of {', '.join(PATTERNS)}; change it")
    for i, rng in enumerate(np.random.default_rng(seed).spawn(items)):
        image, mask = PATTERNS[pattern](rng, size, rng.uniform(-spread, spread))
        pixels = image.round().clip(0, 255).astype(np.uint8)[None]
        name = f"{i:04d}"
        yield Item(name, name, pixels, mask.astype(np.uint8), f"{pattern}[{i}] of seed {seed}")


def _axes(size: int) -> tuple[Array, Array]:
    """Rightward x [1, S] and upward y [S, 1] from the centre, in sides of the picture."""
    axis = (np.arange(size) + 0.5) / size - 0.5
    return axis[None], -axis[:, None]


def _grating(rng: Generator, size: int, waves: int, orientation: float) -> Array:
    """Sum of plane waves, evenly spread over 180°, with a common crest anywhere: [S, S]."""
    x, y = _axes(size)
    crest_x, crest_y = rng.uniform(-0.5, 0.5, 2)
    cycles = CYCLES * rng.uniform(0.9, 1.1)
    normals = np.deg2rad(orientation + 180 / waves * np.arange(waves))[:, None, None]
    along = np.cos(normals) * (x - crest_x) + np.sin(normals) * (y - crest_y)
    grating: Array = np.cos(2 * np.pi * cycles * along).sum(axis=0)
    return grating


def _noise(rng: Generator, size: int, cycles: float) -> Array:
    """Gaussian noise with a Gaussian ring as spectrum, `cycles` per side ± 15 %: [S, S]."""
    n = 2 * size  # a quarter of a larger picture has no edges that continue each other
    frequency = np.hypot(np.fft.fftfreq(n, 1 / size)[:, None], np.fft.rfftfreq(n, 1 / size))
    ring = np.exp(-(((frequency / cycles - 1) / 0.15) ** 2) / 2)
    return np.fft.irfft2(np.fft.rfft2(rng.normal(size=(n, n))) * ring)[:size, :size]


def _textured(foreground: Texture, background: Texture) -> Pattern:
    """Round region of one texture on another, of the same mean and contrast."""

    def make(rng: Generator, size: int, turn: float) -> tuple[Array, NDArray[np.bool_]]:
        x, y = _axes(size)
        radius = rng.uniform(0.22, 0.28)
        # anywhere in the inscribed disc, so that no rotation cuts the region
        distance, bearing = (0.5 - radius) * rng.uniform() ** 0.5, rng.uniform(0, 2 * np.pi)
        mask = np.hypot(x - distance * np.cos(bearing), y - distance * np.sin(bearing)) <= radius
        image = np.empty(mask.shape)
        for region, texture in (~mask, background), (mask, foreground):
            pixels = texture(rng, size, turn)[region]
            image[region] = MEAN + CONTRAST * (pixels - pixels.mean()) / pixels.std()
        return image, mask

    return make


def _gratings(waves: int) -> Pattern:
    """Sum of plane waves on the same turned by half its period."""
    return _textured(
        lambda rng, size, turn: _grating(rng, size, waves, ORIENTATION + turn),
        lambda rng, size, turn: _grating(rng, size, waves, ORIENTATION + turn + 90 / waves),
    )


def _disc(rng: Generator, size: int, turn: float) -> tuple[Array, NDArray[np.bool_]]:
    """Centred disc, brighter than its ground; radius and grey levels vary."""
    mask = np.hypot(*_axes(size)) <= rng.uniform(0.22, 0.28)
    ground, step = rng.uniform(40, 100), rng.uniform(60, 120)
    return np.where(mask, ground + step, ground), mask


PATTERNS = {
    "gratings2": _gratings(1),
    "gratings3": _gratings(3),
    "gratings4": _gratings(2),
    "isotropic": _textured(
        lambda rng, size, turn: _noise(rng, size, CYCLES / 2),
        lambda rng, size, turn: _noise(rng, size, CYCLES),
    ),
    "disc": _disc,
}
