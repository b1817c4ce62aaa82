"""Gradients of a scalar with respect to the pixels.

SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825) is the mean gradient over noisy copies of the
input. With one sample and no noise it is the plain gradient (Simonyan et al. 2014).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from thetascope.errors import UserError
from thetascope.learning import runtime
from thetascope.learning.capture import Captured, Function, captured
from thetascope.learning.encoders import memory_format

# batches of copies [N, K, C, S, S], then what is given with each item [N, ...] → their mean [N]
Objective = Callable[..., Tensor]
Model = TypeVar("Model", bound=nn.Module)

TOGETHER = 10  # noisy copies of an item that an objective sees at once
ACTIVATIONS = ("torch.nn.modules.activation", "timm.layers.activations")  # where their classes are
GATES = {"Sigmoid", "Hardsigmoid", "HardSigmoid"}  # these are factors, not what a layer gives


def gradient_of(objective: Objective, count: int, device: torch.device) -> Function:
    """Gradients with respect to the first `count` tensors that an objective takes.

    Captured where the device can. Calls of `smoothgrad` may share it, and then find their passes
    recorded.

    Parameters
    ----------
    objective : callable
        Takes up to `TOGETHER` copies of each item of every input, [N, K, C, S, S], then what is
        given with each item, [N, ...], and returns the mean scalar of these copies, [N]; the model
        behind it must be in evaluation mode, so that rows do not depend on each other.
    count : int
        Number of inputs.
    device : device
        Where the tensors will be.
    """
    return captured(partial(_pass, objective, count), device)


def smoothgrad(
    gradient: Function,
    inputs: tuple[Tensor, ...],
    samples: int,
    noise_level: float,
    chunk_size: int,
    generator: Generator,
    noise_scale: str = "range",
    times_input: bool = False,
    given: tuple[Tensor, ...] = (),
) -> tuple[Tensor, ...]:
    """SmoothGrad maps of an objective, one for each of its inputs, from one backward pass for all.

    Each half of the samples makes a map of its own too: how well the two agree tells how much of
    the whole map is noise (see `reliability`). Within a half noise comes in pairs, ε and −ε
    (antithetic sampling, Hammersley and Morton 1956), whose linear parts cancel: the mean gradient
    has the same expectation and less noise.

    Parameters
    ----------
    gradient : callable
        Of the objective, see `gradient_of`.
    inputs : tuple of Tensor
        Float, each [N, C, S, S].
    samples : int
        Noisy copies of each item.
    noise_level : float
        Standard deviation of the noise over the item's range, σ / (max − min); 0 adds none.
    chunk_size : int
        Copies per pass, `TOGETHER` at least; bounds the memory and changes nothing else.
    generator : Generator
        Draws the noise item by item, independently for each input. A GPU has a generator of its
        own, seeded from this one, so that its noise is another than the CPU's.
    noise_scale : {"range", "inverse_range"}
        With `inverse_range` σ = `noise_level` / (max − min), and no noise for a constant item: what
        the first paper's public notebook computes.
    times_input : bool
        Multiply the mean gradient by the item.
    given : tuple of Tensor
        What the objective needs of every item beside the inputs, [N, ...]: the same for all of its
        noisy copies.

    Returns
    -------
    tuple of Tensor
        For each input float [3, N, S, S]: the map of all samples, of the first half and of the
        second, which is NaN if there is one sample. A map is the absolute value of the mean
        gradient, maximum over channels.
    """
    ranges = [(x.amax((1, 2, 3)) - x.amin((1, 2, 3)))[:, None, None, None, None] for x in inputs]
    if noise_scale == "inverse_range":
        ranges = [torch.where(r > 0, 1 / r, 0) for r in ranges]
    device = inputs[0].device
    drawn = runtime.on_device(generator, device)
    sizes = [samples - samples // 2, samples // 2]
    maps: list[list[Tensor]] = [[] for _ in inputs]
    groups = math.ceil(len(inputs[0]) / max(1, chunk_size // min(TOGETHER, sizes[0])))
    at_once = math.ceil(len(inputs[0]) / groups)
    for rows in torch.arange(len(inputs[0]), device=device).split(at_once):
        # drawn item by item, so that the grouping of rows does not change the noise of any
        noise = [
            [torch.cat([mirrored(n, x[0], drawn) for n in sizes]) for x in inputs] for _ in rows
        ]
        # every shape is recorded by itself: with the last item again all groups have one
        lacking = at_once - len(rows) if isinstance(gradient, Captured) else 0
        group = torch.cat([rows, rows[-1:].expand(lacking)])
        noise += noise[-1:] * lacking
        noisy = [
            x[group, None] + torch.stack(of_input).to(x) * noise_level * r[group]
            for x, r, of_input in zip(inputs, ranges, zip(*noise, strict=True), strict=True)
        ]
        beside = [g[group] for g in given]
        sums = inputs[0].new_zeros(len(inputs), 2, len(group), *inputs[0].shape[1:])
        for half, copies in enumerate(zip(*(n.split(sizes, dim=1) for n in noisy), strict=True)):
            passes = math.ceil(sizes[half] / TOGETHER)  # about equal, so that few shapes are new
            for parts in zip(*(c.tensor_split(max(1, passes), dim=1) for c in copies), strict=True):
                if count := parts[0].shape[1]:  # of one sample the second half has none
                    sums[:, half] += count * gradient(*parts, *beside)
        for found, total, x in zip(maps, sums[:, :, : len(rows)], inputs, strict=True):
            means = [total.sum(dim=0) / samples, *(total[i] / sizes[i] for i in (0, 1))]
            relevance = torch.stack(means) * (x[rows] if times_input else 1)
            found.append(relevance.abs().amax(dim=2))
    return tuple(torch.cat(found, dim=1) for found in maps)


def _pass(objective: Objective, count: int, *tensors: Tensor) -> Tensor:
    """Gradients of the first `count` tensors, copies [R, K, C, S, S]: [count, R, C, S, S].

    Means over the copies, since the objective is one.
    """
    copies = [one.detach().requires_grad_() for one in tensors[:count]]
    gradients = torch.autograd.grad(objective(*copies, *tensors[count:]).sum(), copies)
    return torch.stack([gradient.sum(dim=1) for gradient in gradients])


def mirrored(count: int, like: Tensor, generator: Generator) -> Tensor:
    """Draw standard normal noise, float32 [count, *like.shape]: ε, −ε, the next ε, and so on."""
    shape = (count + 1) // 2, *like.shape
    drawn = torch.randn(shape, generator=generator, device=generator.device)
    return torch.stack([drawn, -drawn], dim=1).flatten(0, 1)[:count]


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
    model = model.to(memory_format=memory_format(model, images.device))
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
    of_any_kind = [m for m in model.modules() if type(m).__module__.startswith(ACTIVATIONS)]
    relus = [m for m in of_any_kind if isinstance(m, nn.ReLU | nn.ReLU6)]
    others = {type(m).__name__ for m in {*of_any_kind} - {*relus}} - GATES
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
