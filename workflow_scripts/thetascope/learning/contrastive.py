"""Contrastive learning: heads, queue, losses, and one step of MoCo v2 or SimCLR."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from thetascope.angles import NONE
from thetascope.learning.encoders import Encoder, memory_format

COLUMNS = ["epoch", "lr", "loss", "top1", "positive", "negative", "own_key_share", "spread"]


@dataclass(frozen=True)
class Pretrain:
    """How an encoder is pre-trained: the configuration's `pretrain` but for where it starts.

    MoCo v2 is Chen et al. 2020 (arXiv 2003.04297) on He et al. 2020 (arXiv 1911.05722), SimCLR is
    Chen et al. 2020 (arXiv 2002.05709).

    Attributes
    ----------
    epochs : int
        Passes over the training images; 0 leaves the encoder as it is.
    batch_size : int
        Pairs per step; at most all images.
    lr : float
        Peak learning rate of SGD for a batch of 256; in proportion for others (Goyal et al. 2017,
        arXiv 1706.02677).
    schedule : {"cosine", "step"}
        Of the learning rate, see `pretraining.learning_rate_factor`.
    momentum, weight_decay : float
        Of SGD, per step.
    temperature : float
        τ by which cosines are divided in the loss.
    queue_size : int
        Keys that MoCo's queue holds, its negatives.
    frozen_queue : bool
        No key ever enters the queue: the negatives stay the random vectors that it starts with.
    encoder_momentum : float
        m of MoCo's momentum encoder, in [0, 1]: what it keeps of itself in a step.
    hidden_dim : int or None
        Hidden units of the projection head; None makes it linear, as in MoCo v1.
    output_dim : int
        Length of the vectors that are compared.
    spike : mapping or None
        `period` in degrees and `strength` of `spike.spoilt_share`; None spoils no pair.
    """

    epochs: int
    batch_size: int
    lr: float
    schedule: str
    momentum: float
    weight_decay: float
    temperature: float
    queue_size: int
    frozen_queue: bool
    encoder_momentum: float
    hidden_dim: int | None
    output_dim: int
    spike: Mapping[str, float] | None

    @classmethod
    def of_run(cls, section: Mapping[str, Any], angle: str) -> Pretrain:
        """Read the configuration's section for a run with this angle in its path.

        No self-supervised training is training for no epoch: the backbone passes through.
        """
        untrained = {"epochs": 0, "spike": None} if angle == NONE else {}
        return cls(**{**section, **untrained})


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
    position : Tensor
        Where the next key goes, int64 [].
    """

    def __init__(self, size: int, dim: int, generator: Generator, device: torch.device) -> None:
        self.keys = F.normalize(torch.randn(size, dim, generator=generator), dim=1).to(device)
        self.items = torch.full((size,), -1, device=device)
        # on the device, where a captured step can move it on
        self.position = torch.zeros((), dtype=torch.long, device=device)

    def enqueue(self, keys: Tensor, items: Tensor) -> None:
        """Put a batch of keys [B, dim] of the images `items` [B] in place of the oldest."""
        size = len(self.keys)
        skipped = max(0, len(keys) - size)
        where = (self.position + torch.arange(skipped, len(keys), device=keys.device)) % size
        self.keys[where] = keys[skipped:]
        self.items[where] = items[skipped:]
        self.position.add_(len(keys)).remainder_(size)

    def state_dict(self) -> dict[str, Any]:
        """Everything that `load_state_dict` needs."""
        return {"keys": self.keys, "items": self.items, "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the keys of another queue of this size."""
        self.keys.copy_(state["keys"])
        self.items.copy_(state["items"])
        self.position.copy_(state["position"])


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


class Learner:
    """An encoder with all that contrastive learning puts beside it, and one step of it.

    Parameters
    ----------
    encoder : Encoder
        Trained in place.
    method : {"moco", "simclr"}
        As for `pretrain`.
    settings : Pretrain
        As for `pretrain`.
    generator : Generator
        Draws the head's weights and the queue's first keys.
    device : device
        Where the images will be.
    """

    def __init__(
        self,
        encoder: Encoder,
        method: str,
        settings: Pretrain,
        generator: Generator,
        device: torch.device,
    ) -> None:
        self.method, self.settings = method, settings
        dim = settings.output_dim
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))  # the head's weights
        head = ProjectionHead(encoder.num_features, settings.hidden_dim, dim)
        model = nn.Sequential(encoder, head).to(device)
        self.model = model.to(memory_format=memory_format(encoder, device)).train()
        self.momentum_model = copy.deepcopy(model).requires_grad_(False)
        self.queue = Queue(settings.queue_size, dim, generator, device)
        self.lr = torch.tensor(settings.lr, device=device)
        self.optimizer = torch.optim.SGD(
            model.parameters(),
            lr=self.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
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

    def set_lr(self, lr: float) -> None:
        """Learn by this rate from now on, in a step that was captured before too."""
        self.lr.fill_(lr)
        self.optimizer.param_groups[0]["lr"] = self.lr  # not the one of a loaded state

    def step(self, first: Tensor, second: Tensor, items: Tensor, partners: Tensor) -> Tensor:
        """Learn from one batch of pairs, float [B, C, S, S] twice.

        The first views are of the images `items` [B], the second of `partners` [B], which are the
        same unless a spike spoils pairs.
        Returns what `COLUMNS` names from `loss` on, [6].
        """
        temperature = self.settings.temperature
        query = self.model(first)
        if self.method == "moco":
            with torch.no_grad():
                _update_momentum_model(
                    self.momentum_model, self.model, self.settings.encoder_momentum
                )
                key = self.momentum_model(second)
            logits = moco_logits(query, key, self.queue.keys.clone(), temperature)
            targets = torch.zeros(len(items), dtype=torch.long, device=items.device)
            own = (self.queue.items == items[:, None]).float().mean()
            if not self.settings.frozen_queue:
                self.queue.enqueue(key, partners)
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


def _update_momentum_model(momentum_model: nn.Module, model: nn.Module, momentum: float) -> None:
    """θ_k ← m θ_k + (1 − m) θ_q (He et al. 2020, eq. 2); each keeps its own batch statistics."""
    with torch.no_grad():
        torch._foreach_lerp_(
            list(momentum_model.parameters()), list(model.parameters()), 1 - momentum
        )
