"""Contrastive pre-training on pairs (x, R_θ x): MoCo v2 and SimCLR."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torchvision.transforms import v2

from thetascope.encoders import Encoder
from thetascope.errors import UserError
from thetascope.resume import State
from thetascope.rotation import View, rotate

log = logging.getLogger(__name__)

COLUMNS = ["epoch", "lr", "loss", "top1", "positive", "negative", "own_key_share", "spread"]


class ProjectionHead(nn.Sequential):
    """Two-layer MLP head of MoCo v2 and SimCLR: [N, inputs] → unit vectors [N, outputs].

    Without `hidden` units it is the linear head of MoCo v1.
    """

    def __init__(self, inputs: int, hidden: int | None, outputs: int) -> None:
        if hidden is None:
            super().__init__(nn.Linear(inputs, outputs))
        else:
            super().__init__(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))

    def forward(self, features: Tensor) -> Tensor:
        """Float [N, inputs] → unit vectors [N, outputs]."""
        return F.normalize(super().forward(features), dim=1)


class Queue:
    """First-in-first-out store of key vectors, the negatives of MoCo.

    Any batch fits any queue: a batch runs on past the end to the beginning, and of a batch larger
    than the queue the last keys stay. It starts with random unit vectors, as in the paper.

    Parameters
    ----------
    size, dim : int
        Number K and length of the keys.
    generator : Generator
        Draws the first keys.

    Attributes
    ----------
    keys : Tensor
        Unit vectors, [K, dim].
    items : Tensor
        Which image each key came from, [K]; −1 for the random ones at the start.
    """

    def __init__(self, size: int, dim: int, generator: Generator, device: torch.device) -> None:
        self.keys = F.normalize(torch.randn(size, dim, generator=generator), dim=1).to(device)
        self.items = torch.full((size,), -1, device=device)
        self.position = 0

    def enqueue(self, keys: Tensor, items: Tensor) -> None:
        """Put a batch of keys [B, dim] of the images `items` [B] in place of the oldest."""
        size = len(self.keys)
        skipped = max(0, len(keys) - size)
        where = (self.position + torch.arange(skipped, len(keys), device=keys.device)) % size
        self.keys[where] = keys[skipped:].to(self.keys)  # of half precision under autocast
        self.items[where] = items[skipped:]
        self.position = (self.position + len(keys)) % size

    def state_dict(self) -> dict[str, Any]:
        """Everything that `load_state_dict` needs."""
        return {"keys": self.keys, "items": self.items, "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the keys of another queue of this size."""
        self.keys.copy_(state["keys"])
        self.items.copy_(state["items"])
        self.position = state["position"]


def moco_logits(query: Tensor, key: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Similarities over temperature, the positive in column 0: [B, 1 + K].

    `query` and `key` are unit vectors [B, D], `negatives` [K, D] (He et al. 2020, eq. 1).
    """
    positive = (query * key).sum(dim=1, keepdim=True)
    return torch.cat([positive, query @ negatives.T], dim=1) / temperature


def simclr_logits(first: Tensor, second: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Similarities of all 2B unit vectors with each other, and where each one's partner is.

    `first` and `second` are [B, D]; the result is logits [2B, 2B], −∞ on the diagonal, and targets
    [2B]. Their cross-entropy is NT-Xent (Chen et al. 2020, eq. 1).
    """
    vectors = torch.cat([first, second])
    logits = (vectors @ vectors.T / temperature).fill_diagonal_(-math.inf)
    targets = torch.arange(len(vectors), device=vectors.device).roll(len(first))
    return logits, targets


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


class Learner:
    """An encoder with all that contrastive learning puts beside it, and one step of it.

    Parameters
    ----------
    encoder : Encoder
        Trained in place.
    method : {"moco", "simclr"}
        As for `pretrain`.
    settings : Mapping
        The configuration's `pretrain` section.
    generator : Generator
        Draws the head's weights and the queue's first keys.
    device : device
        Where the images will be.

    Attributes
    ----------
    optimizer : SGD
        Its learning rate is the caller's to set.
    """

    def __init__(
        self,
        encoder: Encoder,
        method: str,
        settings: Mapping[str, Any],
        generator: Generator,
        device: torch.device,
    ) -> None:
        self.method, self.settings = method, settings
        dim = settings["output_dim"]
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))  # the head's weights
        head = ProjectionHead(encoder.num_features, settings["hidden_dim"], dim)
        model = nn.Sequential(encoder, head).to(device).to(memory_format=torch.channels_last)
        self.model = model.train()
        self.momentum_model = copy.deepcopy(model).requires_grad_(False)
        self.queue = Queue(settings["queue_size"], dim, generator, device)
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            lr=settings["lr"],
            momentum=settings["momentum"],
            weight_decay=settings["weight_decay"],
            fused=True,
        )

    def parts(self) -> dict[str, Any]:
        """All that changes as it learns, by the names under which it is saved."""
        return {
            "model": self.model,
            "momentum_model": self.momentum_model,
            "queue": self.queue,
            "sgd": self.optimizer,
        }

    def step(self, first: Tensor, second: Tensor, items: Tensor) -> Tensor:
        """Learn from one batch of pairs, float [B, C, S, S] twice, of the images `items` [B].

        Returns what `COLUMNS` names from `loss` on, [6].
        """
        temperature = self.settings["temperature"]
        query = self.model(first)
        if self.method == "moco":
            with torch.no_grad():
                _update_momentum_model(
                    self.momentum_model, self.model, self.settings["encoder_momentum"]
                )
                key = self.momentum_model(second)
            logits = moco_logits(query, key, self.queue.keys.clone(), temperature)
            targets = torch.zeros(len(items), dtype=torch.long, device=items.device)
            own = (self.queue.items == items[:, None]).float().mean()
            if not self.settings["frozen_queue"]:
                self.queue.enqueue(key, items)
        else:
            logits, targets = simclr_logits(query, self.model(second), temperature)
            own = torch.zeros((), device=items.device)
        loss = F.cross_entropy(logits, targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            positive = logits.gather(1, targets[:, None])
            others = logits.isfinite().scatter(1, targets[:, None], False)
            values = (
                loss,
                (logits.argmax(dim=1) == targets).float().mean(),
                positive.mean() * temperature,
                # not logits[others], for whose length the CPU would wait for the GPU
                torch.where(others, logits, 0).sum() / others.sum() * temperature,
                own,
                query.std(dim=0, correction=0).norm(),
            )
            return torch.stack([value.detach() for value in values])


def pretrain(
    encoder: Encoder,
    images: Tensor,
    angle: float | None,
    view: View,
    method: str,
    settings: Mapping[str, Any],
    generator: Generator,
    state: State | None = None,
) -> pd.DataFrame:
    """Train an encoder, in place, to tell pairs (x, R_θ x) from pairs of different images.

    Parameters
    ----------
    encoder : Encoder
        Starts from the backbone's weights; trained in place.
    images : Tensor
        Float [N, C, S, S] in [0, 1], on the encoder's device.
    angle : float or None
        θ in degrees, the only augmentation; None draws both views anew in each epoch with
        `augment`.
    view : View
        Canvas and interpolation of the pair.
    method : {"moco", "simclr"}
        MoCo v2 (Chen et al. 2020, arXiv 2003.04297) or SimCLR (Chen et al. 2020, arXiv 2002.05709).
    settings : Mapping
        The configuration's `pretrain` section.
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
        If there are fewer than two images, or the loss is not finite.
    """
    if len(images) < 2:
        raise UserError(f"pre-training needs at least 2 training images, got {len(images)}")
    if method == "moco" and settings["queue_size"] > len(images):
        log.warning(
            "pretrain.queue_size: %d is more than the %d training images: each meets keys of its "
            "own among the negatives (`own_key_share` in pretrain.csv); lower it",
            settings["queue_size"],
            len(images),
        )
    device = images.device
    learner = Learner(encoder, method, settings, generator, device)
    batch_size = min(settings["batch_size"], len(images))
    steps = len(images) // batch_size  # the rest of a shuffled epoch waits for the next one
    peak_lr = settings["lr"] * batch_size / 256
    if angle is not None:
        first, second = view.original(images, angle), view.rotated(images, angle)

    epochs: list[list[float]] = []
    parts = learner.parts()
    if state and (saved := state.load()):
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        generator.set_state(saved["generator"])
        torch.set_rng_state(saved["torch"])
        epochs = saved["epochs"]
    for epoch in range(len(epochs), settings["epochs"]):
        lr = peak_lr * learning_rate_factor(settings["schedule"], epoch / settings["epochs"])
        learner.optimizer.param_groups[0]["lr"] = lr
        if angle is None:
            first, second = (augment(view.original(images), view, generator) for _ in range(2))
        order = torch.randperm(len(images), generator=generator).to(device)
        sums = torch.zeros(6, device=device)
        for items in order[: steps * batch_size].split(batch_size):
            sums += learner.step(first[items], second[items], items)
        row = [epoch + 1, lr, *(sums / steps).tolist()]
        loss_, top1 = row[2:4]
        log.info("epoch %d/%d loss %.4f top1 %.3f", epoch + 1, settings["epochs"], loss_, top1)
        if not math.isfinite(loss_):
            raise UserError(
                f"the loss is {loss_} in epoch {epoch + 1}: lower `pretrain.lr` "
                f"(now {settings['lr']}) or raise `pretrain.temperature` "
                f"(now {settings['temperature']})"
            )
        epochs.append(row)
        if state:
            state.save(
                **{name: part.state_dict() for name, part in parts.items()},
                generator=generator.get_state(),
                torch=torch.get_rng_state(),
                epochs=epochs,
            )
    return pd.DataFrame(epochs, columns=COLUMNS)


def _update_momentum_model(momentum_model: nn.Module, model: nn.Module, momentum: float) -> None:
    """θ_k ← m θ_k + (1 − m) θ_q (He et al. 2020, eq. 2); each keeps its own batch statistics."""
    with torch.no_grad():
        torch._foreach_lerp_(
            list(momentum_model.parameters()), list(model.parameters()), 1 - momentum
        )
