"""Pre-training of an encoder on pairs (x, R_θ x), epoch by epoch."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial

import pandas as pd
import torch
from torch import Generator, Tensor
from torchvision.transforms import v2

from thetascope.errors import UserError
from thetascope.learning.capture import captured
from thetascope.learning.contrastive import COLUMNS, Learner, Pretrain
from thetascope.learning.encoders import Encoder
from thetascope.learning.resume import State
from thetascope.learning.rotation import View, rotate
from thetascope.learning.spike import partners_of
from thetascope.learning.stored import KEPT, Stored

log = logging.getLogger(__name__)


def random_augmentation(size: int) -> v2.Transform:
    """Augmentations beside rotation of `angle-random`: crop, flips, affine, blur, for [C, S, S]."""
    bilinear = v2.InterpolationMode.BILINEAR
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.5, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.RandomAffine(0, translate=(0.1, 0.1), shear=10, interpolation=bilinear),
            v2.RandomApply([v2.GaussianBlur(5, sigma=(0.1, 2.0))], p=0.3),
        ]
    )


def augment(images: Tensor, view: View, generator: Generator) -> Tensor:
    """One random view of each image: rotation by 0–360° with probability 0.3, and the rest.

    Float [N, C, S, S] on any device → the same shape. The probabilities are those of the first
    paper's public notebook.
    """
    turned = torch.rand(len(images), generator=generator) < 0.3
    degrees = torch.rand(len(images), generator=generator, dtype=torch.float64) * 360
    padding = "reflection" if view.canvas == "reflect" else "zeros"
    rotated = rotate(images, degrees, view.interpolation, padding)
    images = torch.where(turned.to(images.device)[:, None, None, None], rotated, images)
    transform = random_augmentation(images.shape[-1])
    with torch.random.fork_rng(devices=[]):  # torchvision draws from the global random state
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        return torch.stack([transform(image) for image in images])


def learning_rate_factor(schedule: str, progress: float) -> float:
    """Learning rate over its peak at the share `progress` of all epochs.

    `cosine` falls from 1 towards 0; `step` is 1 in the first half and 0.1 in the second.
    """
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    return 1.0 if progress < 0.5 else 0.1


def pairs_of(
    images: Tensor, angle: float | None, view: View, generator: Generator
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return what makes the pairs of a batch: rows [B] twice → float [B, C, S, S] twice.

    Parameters are those of `pretrain`. The rows are of the images x, and of those that the copies
    R_θ x are of. Both views of all images are made at once and kept where
    they take no more than `KEPT` bytes, and are made for each batch else: the same pixels.
    """
    if angle is None:
        stored = Stored(images, view.original)
        return lambda rows, partners: (
            augment(stored[rows], view, generator),
            augment(stored[partners], view, generator),
        )
    first, second = (
        Stored(images, partial(turn, degrees=angle)).kept(KEPT / 2)
        for turn in (view.original, view.rotated)
    )
    return lambda rows, partners: (first[rows], second[partners])


def pretrain(
    encoder: Encoder,
    images: Tensor,
    angle: float | None,
    view: View,
    method: str,
    settings: Pretrain,
    generator: Generator,
    state: State | None = None,
) -> pd.DataFrame:
    """Train an encoder, in place, to tell pairs (x, R_θ x) from pairs of different images.

    Parameters
    ----------
    encoder : Encoder
        Starts from the backbone's weights; trained in place.
    images : Tensor
        Uint8 [N, C, S, S] as stored, or float in [0, 1], on the encoder's device.
    angle : float or None
        θ in degrees, the only augmentation; None draws both views anew for each batch with
        `augment`.
    view : View
        Canvas and interpolation of the pair.
    method : {"moco", "simclr"}
        MoCo v2 (Chen et al. 2020, arXiv 2003.04297) or SimCLR (Chen et al. 2020, arXiv 2002.05709).
    settings : Pretrain
        How long and by what rates.
    generator : Generator
        The job's random state.
    state : State or None
        Where to go on from and where to save.

    Returns
    -------
    DataFrame
        One row per epoch: `epoch`, `lr`, `loss` (InfoNCE, nats), `top1` (share of queries whose
        own key is nearest), `positive` and `negative` (mean cosine of pairs and of others),
        `own_key_share` (share of negatives that are keys of the query's own image, MoCo only) and
        `spread` (standard deviation of the unit query vectors × √D: 1 if they fill the sphere, 0 if
        the representation has collapsed).

    Raises
    ------
    UserError
        If there are fewer than two images, the loss is not finite, or a spike has no angle.
    """
    if len(images) < 2:
        raise UserError(f"pre-training needs at least 2 training images, got {len(images)}")
    if method == "moco" and settings.queue_size > len(images):
        log.warning(
            "pretrain.queue_size: %d is more than the %d training images: each meets keys of its "
            "own among the negatives (`own_key_share` in pretrain.csv); lower it",
            settings.queue_size,
            len(images),
        )
    device = images.device
    learner = Learner(encoder, method, settings, generator, device)
    batch_size = min(settings.batch_size, len(images))
    steps = len(images) // batch_size  # the rest of a shuffled epoch waits for the next one
    peak_lr = settings.lr * batch_size / 256
    pairs = pairs_of(images, angle, view, generator)
    partners_for = partners_of(settings.spike, angle, len(images), generator)
    step = captured(learner.step, device)
    epochs: list[list[float]] = []
    parts = learner.parts()
    if state:
        epochs = state.resume(parts, generator) or epochs
    for epoch in range(len(epochs), settings.epochs):
        lr = peak_lr * learning_rate_factor(settings.schedule, epoch / settings.epochs)
        learner.set_lr(lr)
        order = torch.randperm(len(images), generator=generator).to(device)
        sums = torch.zeros(6, device=device)
        for items in order[: steps * batch_size].split(batch_size):
            partners = partners_for(items)
            sums += step(*pairs(items, partners), items, partners)
        row = [epoch + 1, lr, *(sums / steps).tolist()]
        loss_, top1 = row[2:4]
        said, scalars = (epoch + 1, settings.epochs, loss_, top1), zip(COLUMNS, row, strict=True)
        log.info("epoch %d/%d loss %.4f top1 %.3f", *said, extra={"scalars": dict(scalars)})
        if not math.isfinite(loss_):
            raise UserError(
                f"the loss is {loss_} in epoch {epoch + 1}: lower `pretrain.lr` "
                f"(now {settings.lr}) or raise `pretrain.temperature` "
                f"(now {settings.temperature})"
            )
        epochs.append(row)
        if state:
            state.save(parts, generator, epochs)
    return pd.DataFrame(epochs, columns=COLUMNS)
