"""Sanity checks of saliency maps: randomised models, and deletion of pixels."""

from __future__ import annotations

import copy
import math

import torch
from torch import Generator, Tensor, nn
from torchvision.transforms.v2.functional import gaussian_blur

from thetascope.saliency.gradients import Model, Objective


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
    given: tuple[Tensor, ...] = (),
) -> dict[str, Tensor]:
    """Areas under the objective's curve while pixels of the first input go, or come, by their map.

    Deletion and insertion (Petsiuk et al. 2018, arXiv 1806.07421): the highest pixels first, in
    equal steps. Deletion puts the picture's mean colour in their place; insertion puts them into
    the blurred picture (Gaussian of 11 pixels, σ 5, as in the authors' code). If the map finds what
    matters, the first is small and the second large.

    Parameters
    ----------
    objective, given
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
                objective(
                    part[:, None],
                    *(o[i].expand(len(part), 1, *o[i].shape) for o in others),
                    *(g[i].expand(len(part), *g[i].shape) for g in given),
                )
                for part in pictures.split(chunk_size)
            ]
            curves.append(torch.cat(parts))
        areas[name] = torch.trapezoid(torch.stack(curves), dx=1 / steps)
    return areas
