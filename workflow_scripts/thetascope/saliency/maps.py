"""All saliency maps of one evaluation: both models and the baselines, for x and for R_θ x."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor, nn
from torchvision.transforms.v2.functional import gaussian_blur

from thetascope.learning import runtime
from thetascope.learning.encoders import Encoder
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import UNet
from thetascope.saliency.baselines import BASELINES
from thetascope.saliency.gradients import Objective, folded, guided, smoothgrad
from thetascope.saliency.objectives import foreground_logit, pair_cosine
from thetascope.saliency.sanity import deletion_insertion, randomised

Maps = dict[tuple[str, str], tuple[Tensor, ...]]  # (model, attribution) → that of x and that of y


@dataclass(frozen=True)
class Blur:
    """Smoothing by a Gaussian.

    Attributes
    ----------
    size : int
        Taps per side, odd.
    sigma : float
        Standard deviation in pixels.
    """

    size: int
    sigma: float


@dataclass(frozen=True)
class Saliency:
    """Which maps are taken, and how: the configuration's `saliency` but for the scoring.

    Attributes
    ----------
    samples, noise_level, noise_scale, times_input, chunk_size
        As for `smoothgrad`.
    blur : Blur or None
        Smoothing of all maps, before they are turned back.
    unaligned : bool
        Also give the map of R_θ x as it is, not turned back.
    guided : bool
        Guided backpropagation, see `guided`.
    randomise : Sequence of int
        Percent of the layers whose weights are shuffled, one more pair of models for each, see
        `randomised`.
    deletion : int
        Steps of the curves of `deletion_insertion`; 0 leaves them out.
    items : int
        Test items to map at most.
    """

    samples: int
    noise_level: float
    noise_scale: str
    times_input: bool
    blur: Blur | None
    unaligned: bool
    guided: bool
    randomise: Sequence[int]
    deletion: int
    items: int
    chunk_size: int

    @classmethod
    def of_section(cls, section: Mapping[str, Any]) -> Saliency:
        """Read the configuration's section."""
        blur = section["blur"]
        return cls(**{**section, "blur": Blur(**blur) if blur else None})


def _blur(maps: Tensor, blur: Blur | None) -> Tensor:
    """Smooth maps [N, S, S]."""
    return gaussian_blur(maps, [blur.size] * 2, [blur.sigma] * 2) if blur else maps


def choose_items(manifest: pd.DataFrame, limit: int) -> np.ndarray:
    """Rows of the test split to map, evenly spread over it if there are more than `limit`.

    Only test items: the fine-tuned model has not seen them, and the pretrained one neither.
    """
    test = manifest.index[manifest["split"] == "test"].to_numpy()
    return test[np.linspace(0, len(test) - 1, min(limit, len(test))).round().astype(int)]


def saliency_maps(
    encoder: Encoder,
    unet: UNet,
    images: Tensor,
    degrees: float,
    view: View,
    settings: Saliency,
    generator: Generator,
) -> dict[str, np.ndarray]:
    """SmoothGrad and plain gradient of both models, and the baselines, for x and for R_θ x.

    Parameters
    ----------
    encoder, unet : Encoder, UNet
        The pretrained encoder, mapped by the pair's cosine, and the fine-tuned model, mapped by its
        foreground logit. Both are put into evaluation mode.
    images : Tensor
        Float [N, C, S, S] in [0, 1], on the models' device.
    degrees : float
        θ of the pair.
    view : View
        Canvas and interpolation.
    settings : Saliency
        Which maps, and how.
    generator : Generator
        The job's random state.

    Returns
    -------
    dict of str to ndarray
        `{model}.{input}.{attribution}` float32 [N, S, S] for the models pretrained and finetuned
        (attributions smoothgrad and gradient) and baseline (`BASELINES`), inputs original and
        rotated (the map of R_θ x, rotated back), all in the frame of the first view; and
        `valid.{input}` bool [S, S], the pixels that this input shows. Outside them the
        map is 0. The setting `unaligned` adds that input: the map of R_θ x as it is, not
        rotated back; `randomise` adds the models `pretrained-random-{percent}` and
        `finetuned-random-{percent}`, see `randomised`; `deletion` adds to those of pretrained and
        finetuned `{model}.{input}.{attribution}.deletion` and `.insertion` [2, N], of x (in its
        pair with R_θ x) in the order of the map and, as the null, of the footprint; see
        `deletion_insertion`.
    """
    x, y = view.original(images, degrees), view.rotated(images, degrees)
    arrays = {
        "valid.original": view.valid(images, 0.0),
        "valid.rotated": view.valid(images, degrees),
    }
    if settings.unaligned:
        arrays["valid.unaligned"] = view.shown(images, degrees)
    maps: Maps = {("baseline", name): (draw(x), draw(y)) for name, draw in BASELINES.items()}
    models = {"": (encoder, unet)}
    for percent in settings.randomise:
        # a random state of its own: it leaves the maps of all other models as they are
        shuffle = runtime.generator(generator.initial_seed(), "randomise", percent)
        options = (percent, torch.cat([x, y]), shuffle)
        models[f"-random-{percent}"] = randomised(encoder, *options), randomised(unet, *options)
    for suffix, pretrained_and_finetuned in models.items():
        same_noise = generator.clone_state()
        found = _model_maps(*pretrained_and_finetuned, x, y, settings, same_noise)
        maps |= {(model + suffix, kind): pair for (model, kind), pair in found.items()}
    for (model, kind), pair in maps.items():
        original, rotated = (_blur(m, settings.blur) for m in pair)
        arrays[f"{model}.original.{kind}"] = view.settle(original, degrees)
        arrays[f"{model}.rotated.{kind}"] = view.align(rotated, degrees)
        if settings.unaligned:
            shown = arrays["valid.unaligned"].to(rotated)
            arrays[f"{model}.unaligned.{kind}"] = rotated * shown
    if settings.deletion:
        objectives = {
            "pretrained": (pair_cosine(encoder), (x, y)),
            "finetuned": (foreground_logit(unet), (x,)),
        }
        order = runtime.generator(generator.initial_seed(), "deletion")
        arrays |= _areas(objectives, arrays, settings, order)
    return {key: array.cpu().numpy() for key, array in arrays.items()}


def _model_maps(
    encoder: Encoder,
    unet: UNet,
    x: Tensor,
    y: Tensor,
    settings: Saliency,
    generator: Generator,
) -> Maps:
    """SmoothGrad and plain gradient of both models, float [N, S, S] each."""
    kinds = {"smoothgrad": (settings.samples, settings.noise_level), "gradient": (1, 0.0)}
    encoder, unet = folded(encoder, x), folded(unet, x)
    cosine, logit = pair_cosine(encoder), foreground_logit(unet)
    models = nn.ModuleList([encoder, unet])
    maps: Maps = {}
    with guided(models) if settings.guided else nullcontext():
        for kind, (samples, noise_level) in kinds.items():
            gradients = partial(
                smoothgrad,
                samples=samples,
                noise_level=noise_level,
                chunk_size=settings.chunk_size,
                generator=generator,
                noise_scale=settings.noise_scale,
                times_input=settings.times_input,
            )
            maps["pretrained", kind] = gradients(cosine, (x, y))
            if noise_level == 0 and torch.equal(x, y):
                # the cosine of equal views is at its maximum: what is not 0 here is rounding
                maps["pretrained", kind] = tuple(map(torch.zeros_like, (x[:, 0], y[:, 0])))
            of_x, of_y = (gradients(logit, (z,))[0] for z in (x, y))
            maps["finetuned", kind] = (of_x, of_y)
    return maps


def _areas(
    objectives: Mapping[str, tuple[Objective, tuple[Tensor, ...]]],
    arrays: Mapping[str, Tensor],
    settings: Saliency,
    generator: Generator,
) -> dict[str, Tensor]:
    """Deletion and insertion by every map of these models, with that by the footprint: [2, N]."""
    areas = {}
    for model, (objective, inputs) in objectives.items():
        for input_ in ("original", "rotated"):
            place = f"{model}.{input_}"
            maps = {key: array for key, array in arrays.items() if key.startswith(f"{place}.")}
            footprint = arrays[f"valid.{input_}"].float().expand(len(inputs[0]), -1, -1)
            found = {
                key: deletion_insertion(
                    objective,
                    inputs,
                    array,
                    settings.deletion,
                    settings.chunk_size,
                    generator.clone_state(),
                )
                for key, array in {place: footprint, **maps}.items()
            }
            for key in maps:
                for name, area in found[key].items():
                    areas[f"{key}.{name}"] = torch.stack([area, found[place][name]])
    return areas
