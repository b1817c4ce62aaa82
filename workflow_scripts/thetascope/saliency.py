"""Saliency: which pixels a model's output depends on.

SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825) is the mean gradient over noisy copies of the
input. With one sample and no noise it is the plain gradient (Simonyan et al. 2014).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.transforms.v2.functional import gaussian_blur

from thetascope import runtime
from thetascope.encoders import Encoder
from thetascope.errors import UserError
from thetascope.rotation import View
from thetascope.segmentation import UNet

Objective = Callable[..., Tensor]
Maps = dict[tuple[str, str], tuple[Tensor, ...]]  # (model, map) → that of x and that of y
Model = TypeVar("Model", bound=nn.Module)


def pair_cosine(encoder: Encoder) -> Objective:
    """Scalar of the pretrained encoder: cos(f(x), f(y)) for pairs [N, C, S, S] twice → [N]."""
    return lambda x, y: F.cosine_similarity(encoder(x), encoder(y), dim=1)


def foreground_logit(model: UNet) -> Objective:
    """Scalar of the fine-tuned model: mean foreground logit over pixels, [N, C, S, S] → [N].

    With several foreground classes it is the log of the odds that a pixel is any of them.
    """

    def scalar(x: Tensor) -> Tensor:
        logits = model(x)
        return (logits[:, 1:].logsumexp(dim=1) - logits[:, 0]).mean(dim=(1, 2))

    return scalar


def smoothgrad(
    objective: Objective,
    inputs: tuple[Tensor, ...],
    samples: int,
    noise_level: float,
    chunk_size: int,
    generator: Generator,
    noise_scale: str = "range",
    times_input: bool = False,
) -> tuple[Tensor, ...]:
    """SmoothGrad maps of an objective, one for each of its inputs, from one backward pass for all.

    Parameters
    ----------
    objective : callable
        Takes batches shaped like `inputs` and returns one scalar per row, [N]; the model behind it
        must be in evaluation mode, so that rows do not depend on each other.
    inputs : tuple of Tensor
        Float, each [N, C, S, S].
    samples : int
        Noisy copies of each item.
    noise_level : float
        Standard deviation of the noise over the item's range, σ / (max − min); 0 adds none.
    chunk_size : int
        Rows per pass; bounds the memory and changes nothing else.
    generator : Generator
        Draws the noise on the CPU, item by item, independently for each input.
    noise_scale : {"range", "inverse_range"}
        With `inverse_range` σ = `noise_level` / (max − min), and no noise for a constant item: what
        the first paper's public notebook computes.
    times_input : bool
        Multiply the mean gradient by the item.

    Returns
    -------
    tuple of Tensor
        Absolute value of the mean gradient, maximum over channels: float [N, S, S] each.
    """
    ranges = [(x.amax((1, 2, 3)) - x.amin((1, 2, 3)))[:, None, None, None, None] for x in inputs]
    if noise_scale == "inverse_range":
        ranges = [torch.where(r > 0, 1 / r, 0) for r in ranges]
    maps: list[list[Tensor]] = [[] for _ in inputs]
    for rows in torch.arange(len(inputs[0])).split(max(1, chunk_size // samples)):
        clean = [x[rows, None].expand(-1, samples, -1, -1, -1) for x in inputs]
        # drawn item by item, so that the grouping of rows does not change the noise of any
        noise = [
            torch.stack([torch.randn(samples, *x.shape[1:], generator=generator) for x in inputs])
            for _ in rows
        ]
        noisy = [
            c + torch.stack([item[i] for item in noise]).to(c) * noise_level * r[rows]
            for i, (c, r) in enumerate(zip(clean, ranges, strict=True))
        ]
        sums = [torch.zeros_like(x[rows]) for x in inputs]
        for part in zip(*(x.split(chunk_size, dim=1) for x in noisy), strict=True):
            flat = tuple(p.flatten(0, 1).requires_grad_() for p in part)
            gradients = torch.autograd.grad(objective(*flat).sum(), flat)
            for total, gradient, p in zip(sums, gradients, part, strict=True):
                total += gradient.view(p.shape).sum(dim=1)
        for i, (total, x) in enumerate(zip(sums, inputs, strict=True)):
            relevance = total / samples * (x[rows] if times_input else 1)
            maps[i].append(relevance.abs().amax(dim=1))
    return tuple(torch.cat(m) for m in maps)


def folded(model: Model, images: Tensor) -> Model:
    """Copy of a model, in evaluation mode, with its batch-norms folded into the convolutions.

    There a batch-norm is an affine map per channel, so that the convolution before it can do its
    work (Jacob et al. 2018, arXiv 1712.05877, section 3.2): the same function and gradient up to
    rounding, in less time. The weights cannot be trained.

    Parameters
    ----------
    model : Module
        Not changed, but for being in evaluation mode.
    images : Tensor
        Float [N, C, S, S]; one of them shows which batch-norm takes the output of which
        convolution. What another layer comes before, or nothing at all, stays as it is.
    """
    model = copy.deepcopy(model.eval()).requires_grad_(False)
    model = model.to(memory_format=torch.channels_last)
    convolved: dict[nn.Conv2d, Tensor] = {}
    pairs: dict[nn.Module, nn.Conv2d] = {}

    def at_convolution(conv: nn.Conv2d, _: Any, output: Tensor) -> None:
        convolved[conv] = output

    def at_norm(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        pairs.update((norm, conv) for conv, output in convolved.items() if output is inputs[0])

    hooks = [
        m.register_forward_pre_hook(at_norm)
        if isinstance(m, nn.BatchNorm2d)
        else m.register_forward_hook(at_convolution)
        for m in model.modules()
        if isinstance(m, nn.Conv2d | nn.BatchNorm2d)
    ]
    with torch.no_grad():
        model(images[:1])
    for hook in hooks:
        hook.remove()
    for name, norm in list(model.named_modules()):
        if conv := pairs.get(norm):
            statistics = norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            conv.weight, conv.bias = fuse_conv_bn_weights(conv.weight, conv.bias, *statistics)
            # timm's batch-norms of EfficientNet are their activations too
            rest = [getattr(norm, part) for part in ("drop", "act") if hasattr(norm, part)]
            model.set_submodule(name, nn.Sequential(*rest))
    return model


@contextmanager
def guided(model: nn.Module) -> Iterator[None]:
    """Within this block gradients pass back through ReLUs only where they are positive.

    Guided backpropagation (Springenberg et al. 2015, arXiv 1412.6806).

    Raises
    ------
    UserError
        If the model has activations other than ReLU, for which the method is not defined.
    """
    relus = [m for m in model.modules() if isinstance(m, nn.ReLU | nn.ReLU6)]
    others = {type(m).__name__ for m in model.modules() if isinstance(m, nn.GELU | nn.SiLU)}
    if others or not relus:
        raise UserError(
            f"saliency.guided: true: guided backpropagation is defined for ReLU only, the model "
            f"uses {', '.join(sorted(others)) or 'none'}; set `saliency.guided: false`"
        )
    in_place = [m.inplace for m in relus]

    def keep_positive(module: nn.Module, inputs: Any, outputs: Any) -> tuple[Tensor, ...]:
        return (inputs[0].clamp(min=0),)

    hooks = [m.register_full_backward_hook(keep_positive) for m in relus]
    try:
        for m in relus:
            m.inplace = False  # a backward hook cannot follow an input that is overwritten
        yield
    finally:
        for m, before, hook in zip(relus, in_place, hooks, strict=True):
            m.inplace = before
            hook.remove()


def sobel(images: Tensor) -> Tensor:
    """Magnitude of the Sobel gradient, maximum over channels: float [N, C, S, S] → [N, S, S].

    A constant picture has none: what is below a millionth is rounding, since the smallest edge of
    an 8-bit picture is 1 / 2040.
    """
    kernel = torch.tensor([[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0]]) / 8
    kernels = torch.stack([kernel, kernel.T])[:, None].to(images)
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    gradients = F.conv2d(padded.flatten(0, 1)[:, None], kernels)
    edges = gradients.norm(dim=1).view_as(images).amax(dim=1)
    return torch.where(edges > 1e-6, edges, 0)


def centre(images: Tensor) -> Tensor:
    """Gaussian about the centre, a quarter of the side wide: float [N, C, S, S] → [N, S, S].

    What people photograph or scan is mostly in the middle, so saliency maps are compared with such
    a prior (Judd et al. 2012).
    """
    size = images.shape[-1]
    offset = (torch.arange(size).to(images) + 0.5) / size - 0.5
    gaussian = torch.exp(-((offset / 0.25) ** 2) / 2)
    return torch.outer(gaussian, gaussian).expand(len(images), -1, -1)


# maps that need no network, what Adebayo et al. (2018) compare with
BASELINES = {"sobel": sobel, "centre": centre}


def randomised(model: Model, percent: int, images: Tensor, generator: Generator) -> Model:
    """Copy of a model without what it has learnt in its last layers.

    Cascading randomisation (Adebayo et al. 2018, arXiv 1810.03292): maps that hardly change do not
    depend on what was learnt. The values of every weight tensor are shuffled, which keeps their
    scale. Drawn as before training, the blocks of ResNet and ConvNeXt would pass nothing on: their
    last gains start at 0 and 10⁻⁶.

    Parameters
    ----------
    model : Module
        Not changed.
    percent : int
        Share of the layers (modules with weights of their own), counted from the last one.
    images : Tensor
        Float [N, C, S, S]; the shuffled layers' batch-norm takes its mean and variance from them,
        since those of the old weights would not fit.
    generator : Generator
        Draws the order of the values.
    """
    model = copy.deepcopy(model).eval()
    layers = [m for m in model.modules() if next(m.parameters(recurse=False), None) is not None]
    chosen = layers[-math.ceil(len(layers) * percent / 100) :]
    with torch.no_grad():
        for weight in (w for layer in chosen for w in layer.parameters(recurse=False)):
            order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
            weight.copy_(weight.flatten()[order].view_as(weight))
        for layer in chosen:
            if isinstance(layer, nn.BatchNorm2d):
                layer.reset_running_stats()
                layer.train().momentum = None  # the plain mean over all that it sees
        model(images)
    return model.eval()


@torch.no_grad()
def deletion_insertion(
    objective: Objective,
    inputs: tuple[Tensor, ...],
    maps: Tensor,
    steps: int,
    chunk_size: int,
    generator: Generator,
) -> dict[str, Tensor]:
    """Areas under the objective's curve while pixels of the first input go, or come, by their map.

    Deletion and insertion (Petsiuk et al. 2018, arXiv 1806.07421): the highest pixels first, in
    equal steps. Deletion puts the picture's mean colour in their place; insertion puts them into
    the blurred picture (Gaussian of 11 pixels, σ 5, as in the authors' code). If the map finds what
    matters, the first is small and the second large.

    Parameters
    ----------
    objective : callable
        As for `smoothgrad`.
    inputs : tuple of Tensor
        Float, each [N, C, S, S]; only the first is changed.
    maps : Tensor
        Float [N, S, S].
    steps : int
        From the first pixel to the last.
    chunk_size : int
        Rows per pass; bounds the memory and changes nothing else.
    generator : Generator
        Draws the order of pixels whose values are equal, for a constant map that of all.

    Returns
    -------
    dict of str to Tensor
        `deletion` and `insertion`, float [N]: means of the trapezoids, in the objective's units.
    """
    x, *others = inputs
    pixels = maps[0].numel()
    at_random = torch.randperm(pixels, generator=generator).to(maps.device)
    falling = maps.flatten(1)[:, at_random].argsort(dim=1, descending=True, stable=True)
    rank = at_random[falling].argsort(dim=1).view_as(maps)
    done = torch.linspace(0, pixels, steps + 1, device=maps.device)[:, None, None, None]
    start_and_end = {
        "deletion": (x, x.mean(dim=(2, 3), keepdim=True).expand_as(x)),
        "insertion": (gaussian_blur(x, [11, 11], [5.0, 5.0]), x),
    }
    areas = {}
    for name, (start, end) in start_and_end.items():
        curves = []
        for i in range(len(x)):
            pictures = torch.where(rank[i] < done, end[i], start[i])
            parts = [
                objective(part, *(o[i].expand_as(part) for o in others))
                for part in pictures.split(chunk_size)
            ]
            curves.append(torch.cat(parts))
        areas[name] = torch.trapezoid(torch.stack(curves), dx=1 / steps)
    return areas


def _blur(maps: Tensor, blur: Mapping[str, Any] | None) -> Tensor:
    """Smooth maps [N, S, S] by a Gaussian of `size` taps and standard deviation `sigma`, pixels."""
    return gaussian_blur(maps, [blur["size"]] * 2, [blur["sigma"]] * 2) if blur else maps


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
    settings: Mapping[str, Any],
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
    settings : Mapping
        The configuration's `saliency` section.
    generator : Generator
        The job's random state.

    Returns
    -------
    dict of str to ndarray
        `{model}.{orientation}.{map}` float32 [N, S, S] for the models pretrained and finetuned
        (maps smoothgrad and gradient) and baseline (`BASELINES`), orientations original and rotated
        (the map of R_θ x, rotated back), all in the frame of the first view; and
        `valid.{orientation}` bool [S, S], the pixels that this orientation shows. Outside them the
        map is 0. The setting `unaligned` adds that orientation: the map of R_θ x as it is, not
        rotated back; `randomise` adds the models `pretrained-random-{percent}` and
        `finetuned-random-{percent}`, see `randomised`; `deletion` adds to those of pretrained and
        finetuned `{model}.{orientation}.{map}.deletion` and `.insertion` [2, N], of x (in its pair
        with R_θ x) in the order of the map and, as the null, of the footprint; see
        `deletion_insertion`.
    """
    x, y = view.original(images, degrees), view.rotated(images, degrees)
    arrays = {
        "valid.original": view.valid(images, 0.0),
        "valid.rotated": view.valid(images, degrees),
    }
    if settings["unaligned"]:
        arrays["valid.unaligned"] = view.shown(images, degrees)
    maps: Maps = {("baseline", name): (draw(x), draw(y)) for name, draw in BASELINES.items()}
    models = {"": (encoder, unet)}
    for percent in settings["randomise"]:
        # a random state of its own: it leaves the maps of all other models as they are
        shuffle = runtime.generator(generator.initial_seed(), "randomise", percent)
        options = (percent, torch.cat([x, y]), shuffle)
        models[f"-random-{percent}"] = randomised(encoder, *options), randomised(unet, *options)
    for suffix, pretrained_and_finetuned in models.items():
        same_noise = generator.clone_state()
        found = _model_maps(*pretrained_and_finetuned, x, y, settings, same_noise)
        maps |= {(model + suffix, kind): pair for (model, kind), pair in found.items()}
    for (model, kind), pair in maps.items():
        original, rotated = (_blur(m, settings["blur"]) for m in pair)
        arrays[f"{model}.original.{kind}"] = view.settle(original, degrees)
        arrays[f"{model}.rotated.{kind}"] = view.align(rotated, degrees)
        if settings["unaligned"]:
            shown = arrays["valid.unaligned"].to(rotated)
            arrays[f"{model}.unaligned.{kind}"] = rotated * shown
    if settings["deletion"]:
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
    settings: Mapping[str, Any],
    generator: Generator,
) -> Maps:
    """SmoothGrad and plain gradient of both models, float [N, S, S] each."""
    kinds = {"smoothgrad": (settings["samples"], settings["noise_level"]), "gradient": (1, 0.0)}
    encoder, unet = folded(encoder, x), folded(unet, x)
    cosine, logit = pair_cosine(encoder), foreground_logit(unet)
    models = nn.ModuleList([encoder, unet])
    maps: Maps = {}
    with guided(models) if settings["guided"] else nullcontext():
        for kind, (samples, noise_level) in kinds.items():
            options = (
                samples,
                noise_level,
                settings["chunk_size"],
                generator,
                settings["noise_scale"],
                settings["times_input"],
            )
            maps["pretrained", kind] = smoothgrad(cosine, (x, y), *options)
            if noise_level == 0 and torch.equal(x, y):
                # the cosine of equal views is at its maximum: what is not 0 here is rounding
                maps["pretrained", kind] = tuple(map(torch.zeros_like, (x[:, 0], y[:, 0])))
            of_x, of_y = (smoothgrad(logit, (z,), *options)[0] for z in (x, y))
            maps["finetuned", kind] = (of_x, of_y)
    return maps


def _areas(
    objectives: Mapping[str, tuple[Objective, tuple[Tensor, ...]]],
    arrays: Mapping[str, Tensor],
    settings: Mapping[str, Any],
    generator: Generator,
) -> dict[str, Tensor]:
    """Deletion and insertion by every map of these models, with that by the footprint: [2, N]."""
    areas = {}
    for model, (objective, inputs) in objectives.items():
        for orientation in ("original", "rotated"):
            place = f"{model}.{orientation}"
            maps = {key: array for key, array in arrays.items() if key.startswith(f"{place}.")}
            footprint = arrays[f"valid.{orientation}"].float().expand(len(inputs[0]), -1, -1)
            found = {
                key: deletion_insertion(
                    objective,
                    inputs,
                    array,
                    settings["deletion"],
                    settings["chunk_size"],
                    generator.clone_state(),
                )
                for key, array in {place: footprint, **maps}.items()
            }
            for key in maps:
                for name, area in found[key].items():
                    areas[f"{key}.{name}"] = torch.stack([area, found[place][name]])
    return areas
