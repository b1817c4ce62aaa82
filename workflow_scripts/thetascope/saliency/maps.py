"""All saliency maps of one evaluation: both models and the baselines, for x and for R_θ x."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor, nn

from thetascope.learning import runtime
from thetascope.learning.capture import Function
from thetascope.learning.encoders import Encoder
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import UNet, predict
from thetascope.saliency.baselines import blur, centre, hog, random, sobel
from thetascope.saliency.gradients import Objective, folded, gradient_of, guided, smoothgrad
from thetascope.saliency.objectives import foreground_logit, pair_cosine, scalar_pixels
from thetascope.saliency.sanity import deletion_insertion, randomised

MODELS = ("pretrained", "finetuned")

# model → its maps of x and of y: of a network float [3, N, S, S], see `smoothgrad`
Maps = dict[str, tuple[Tensor, Tensor]]
# model → its scalar, what that takes, and what is given with each item
Objectives = dict[str, tuple[Objective, tuple[Tensor, ...], tuple[Tensor, ...]]]


@dataclass(frozen=True)
class Saliency:
    """Which maps are taken, and how: the configuration's `saliency` but for the scoring.

    Attributes
    ----------
    samples, noise_level : mapping
        Of each of `MODELS`; as for `smoothgrad`.
    noise_scale, times_input, chunk_size
        As for `smoothgrad`.
    logit_over : {"predicted", "all"}
        Over which pixels the fine-tuned model's foreground logit is averaged.
    blur : float
        Standard deviation of the Gaussian that smooths all maps before they are turned back, as a
        share of the image's side; 0 for none.
    unaligned : bool
        Also give the map of R_θ x as it is, not turned back.
    pre_rotation : bool
        Map pictures that were turned by a random angle first, see `pre_rotation`.
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

    samples: Mapping[str, int]
    noise_level: Mapping[str, float]
    noise_scale: str
    times_input: bool
    logit_over: str
    blur: float
    unaligned: bool
    pre_rotation: bool
    guided: bool
    randomise: Sequence[int]
    deletion: int
    items: int
    chunk_size: int

    @classmethod
    def of_section(cls, section: Mapping[str, Any]) -> Saliency:
        """Read the configuration's section, where one number may stand for both models."""
        per_model = {
            key: section[key]
            if isinstance(section[key], Mapping)
            else dict.fromkeys(MODELS, section[key])
            for key in ("samples", "noise_level")
        }
        return cls(**{**section, **per_model})


def choose_items(manifest: pd.DataFrame, limit: int) -> np.ndarray:
    """Rows of the test split to map, evenly spread over it if there are more than `limit`.

    Only test items: the fine-tuned model has not seen them, and the pretrained one neither.
    """
    test = manifest.index[manifest["split"] == "test"].to_numpy()
    return test[np.linspace(0, len(test) - 1, min(limit, len(test))).round().astype(int)]


def saliency_maps(
    encoder: Encoder,
    unet: UNet | None,
    images: Tensor,
    degrees: float,
    view: View,
    settings: Saliency,
    generator: Generator,
) -> dict[str, np.ndarray]:
    """SmoothGrad maps of both models, and the baselines, for x and for R_θ x.

    The fine-tuned model's scalar is taken over the pixels that it calls foreground in the clean
    picture, of x and of R_θ x each its own. Where it finds none, or with `logit_over: all`, it is
    taken over all pixels.

    Parameters
    ----------
    encoder, unet : Encoder, UNet or None
        The pretrained encoder, mapped by the pair's cosine, and the fine-tuned model, mapped by its
        foreground logit; None where there is none, and then no map of it. Both are put into
        evaluation mode.
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
        - `{model}.{input}.{attribution}` float32 [N, S, S], in the frame of the first view. Models
          are pretrained and finetuned (attribution smoothgrad) and baseline (sobel, centre, hog,
          random); inputs are original and rotated, the map of R_θ x turned back. The setting
          `unaligned` adds that input, the map of R_θ x as it is; `randomise` adds the models
          `{model}-random-{percent}`, see `randomised`, whose scalar is that of the intact model.
        - `{model}.{input}.smoothgrad.split_half` float32 [N], the correlation of its two halves.
        - `valid.{input}` bool [S, S], the pixels that this input shows. Outside them maps are 0.
        - `predicted.{input}` float32 [N], the share of the pixels of that picture that the
          fine-tuned model calls foreground.
        - `deletion` adds `{model}.{input}.smoothgrad.deletion` and `.insertion` [2, N] of
          pretrained and finetuned: of x (in its pair with R_θ x) in the order of the map and, for
          chance, in random order of the shown pixels; see `deletion_insertion`.
    """
    x, y = view.original(images, degrees), view.rotated(images, degrees)
    arrays = {
        "valid.original": view.valid(images, 0.0),
        "valid.rotated": view.valid(images, degrees),
    }
    if settings.unaligned:
        arrays["valid.unaligned"] = view.shown(images, degrees)
    found = [predict(unet, z, settings.chunk_size) > 0 for z in (x, y)] if unet else []
    for input_, where in zip(("original", "rotated"), found, strict=False):
        arrays[f"predicted.{input_}"] = where.float().mean(dim=(1, 2))
    pixels = [scalar_pixels(where, settings.logit_over) for where in found]

    models = {"": (encoder, unet)}
    for percent in settings.randomise:
        # a random state of its own: it leaves the maps of all other models as they are
        shuffle = runtime.generator(generator.initial_seed(), "randomise", percent)
        options = (percent, torch.cat([x, y]), shuffle)
        of_encoder = randomised(encoder, *options)
        models[f"-random-{percent}"] = of_encoder, randomised(unet, *options) if unet else None
    maps: Maps = {}
    for suffix, networks in models.items():
        same_noise = generator.clone_state()
        of_networks = _network_maps(*networks, (x, y), pixels, settings, same_noise)
        maps |= {f"{name}{suffix}": pair for name, pair in of_networks.items()}

    def place(model: str, attribution: str, of_x: Tensor, of_y: Tensor) -> None:
        """Put maps [K, N, S, S] into the first view's frame; of three, keep the first."""
        settled = {
            "original": view.settle(of_x.flatten(0, 1), degrees),
            "rotated": view.align(of_y.flatten(0, 1), degrees),
        }
        if settings.unaligned:
            settled["unaligned"] = of_y.flatten(0, 1) * arrays["valid.unaligned"].to(of_y)
        for input_, flat in settled.items():
            whole, *halves = flat.unflatten(0, of_x.shape[:2])
            key = f"{model}.{input_}.{attribution}"
            arrays[key] = whole
            if halves:
                shown = arrays[f"valid.{input_}"]
                arrays[f"{key}.split_half"] = correlation(*(h[:, shown] for h in halves))

    sigma = settings.blur * x.shape[-1]
    for model, pair in maps.items():
        of_x, of_y = (blur(m.flatten(0, 1), sigma).view_as(m) for m in pair)
        place(model, "smoothgrad", of_x, of_y)
    for name, draw in {"sobel": sobel, "centre": centre, "hog": hog}.items():
        place("baseline", name, *(blur(draw(z), sigma)[None] for z in (x, y)))
    noise = runtime.generator(generator.initial_seed(), "random")
    place("baseline", "random", *(random(z, sigma, noise)[None] for z in (x, y)))

    if settings.deletion:
        objectives: Objectives = {"pretrained": (pair_cosine(encoder), (x, y), ())}
        if unet:
            objectives["finetuned"] = (foreground_logit(unet), (x,), (pixels[0],))
        order = runtime.generator(generator.initial_seed(), "deletion")
        arrays |= _areas(objectives, arrays, settings, order)
    return {key: array.cpu().numpy() for key, array in arrays.items()}


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's correlation of maps [N, pixels] → [N]; NaN where one is constant."""
    a, b = (m - m.mean(dim=1, keepdim=True) for m in (a, b))
    return (a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1))


def _network_maps(
    encoder: Encoder,
    unet: UNet | None,
    views: tuple[Tensor, Tensor],
    pixels: Sequence[Tensor],
    settings: Saliency,
    generator: Generator,
) -> Maps:
    """SmoothGrad maps of the models; `pixels` are those that the fine-tuned scalar is over."""
    x, y = views
    encoder, unet = folded(encoder, x), folded(unet, x) if unet else None
    networks = nn.ModuleList(filter(None, [encoder, unet]))

    def of_model(model: str, gradient: Function, inputs: tuple, given: tuple = ()) -> tuple:
        samples, noise_level = settings.samples[model], settings.noise_level[model]
        options = (settings.noise_scale, settings.times_input, given)
        noise = samples, noise_level, settings.chunk_size, generator
        return smoothgrad(gradient, inputs, *noise, *options)

    with guided(networks) if settings.guided else nullcontext():
        # handed over, so that what was recorded of the encoder is gone before the U-Net is mapped
        of_pairs = of_model("pretrained", gradient_of(pair_cosine(encoder), 2, x.device), views)
        maps = {"pretrained": of_pairs}
        if unet is not None:
            of_masks = gradient_of(foreground_logit(unet), 1, x.device)
            of_x, of_y = (
                of_model("finetuned", of_masks, (z,), (where,))[0]
                for z, where in zip(views, pixels, strict=True)
            )
            maps["finetuned"] = of_x, of_y
    if settings.noise_level["pretrained"] == 0 and torch.equal(x, y):
        # the cosine of equal views is at its maximum: what is not 0 here is rounding
        of_x, of_y = maps["pretrained"]
        maps["pretrained"] = torch.zeros_like(of_x), torch.zeros_like(of_y)
    return maps


def _areas(
    objectives: Objectives,
    arrays: Mapping[str, Tensor],
    settings: Saliency,
    generator: Generator,
) -> dict[str, Tensor]:
    """Deletion and insertion by every map of these models, with that in random order: [2, N]."""
    areas = {}
    for model, (objective, inputs, given) in objectives.items():
        for input_ in ("original", "rotated"):
            key = f"{model}.{input_}.smoothgrad"
            # all shown pixels are equal in it, and equals go in random order
            footprint = arrays[f"valid.{input_}"].float().expand(len(inputs[0]), -1, -1)
            of_map, at_random = (
                deletion_insertion(
                    objective,
                    inputs,
                    maps,
                    settings.deletion,
                    settings.chunk_size,
                    generator.clone_state(),
                    given,
                )
                for maps in (arrays[key], footprint)
            )
            for name, area in of_map.items():
                areas[f"{key}.{name}"] = torch.stack([area, at_random[name]])
    return areas
