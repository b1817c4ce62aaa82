"""Fine-tuning: a U-Net on the pretrained encoder, trained on the masks."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from thetascope.errors import UserError
from thetascope.learning import checkpoints
from thetascope.learning.capture import captured
from thetascope.learning.encoders import Encoder, memory_format
from thetascope.learning.resume import State
from thetascope.learning.stored import Images

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finetune:
    """How a U-Net is fine-tuned: the configuration's `finetune`.

    Attributes
    ----------
    epochs : int
        Passes over the training images, at most.
    batch_size : int
        Images per step; at most all images.
    lr : float
        Learning rate of Adam (Kingma & Ba 2015, arXiv 1412.6980).
    patience : int
        Epochs without a better validation Dice before it stops.
    decoder_channels : Sequence of int
        As for `UNet`.
    """

    epochs: int
    batch_size: int
    lr: float
    patience: int
    decoder_channels: Sequence[int]


class DecoderBlock(nn.Sequential):
    """Two 3×3 convolutions with batch-norm and ReLU on the upsampled map and its skip."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            *(
                layer
                for channels in (inputs, outputs)
                for layer in (
                    nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
                    nn.BatchNorm2d(outputs),
                    nn.ReLU(),
                )
            )
        )


class UNet(nn.Module):
    """U-Net (Ronneberger et al. 2015, arXiv 1505.04597) whose contracting half is an encoder.

    Parameters
    ----------
    encoder : Encoder
        Any encoder with a feature pyramid.
    classes : int
        Number of labels, background included.
    decoder_channels : Sequence of int
        Channels of the decoder's blocks, deepest first, for five levels; an encoder with fewer
        levels takes the last ones, one with more the first several times.
    """

    def __init__(self, encoder: Encoder, classes: int, decoder_channels: Sequence[int]) -> None:
        super().__init__()
        self.encoder, self.decoder_channels = encoder, list(decoder_channels)
        channels = encoder.channels
        deep, skips = channels[-1], [*channels[-2::-1], 0]
        more = max(len(channels) - len(self.decoder_channels), 0)
        widths = more * self.decoder_channels[:1] + self.decoder_channels
        widths = widths[-len(channels) :]
        self.blocks = nn.ModuleList(
            DecoderBlock(before + skip, width)
            for before, skip, width in zip([deep, *widths], skips, widths, strict=False)
        )
        self.classifier = nn.Conv2d(widths[-1], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Float [N, C, S, S] in [0, 1] → logits [N, classes, S, S]."""
        with self.encoder.autocast(images.device):
            *skips, x = self.encoder.pyramid(images)
            for block in self.blocks:
                skip = skips.pop() if skips else None
                size = images.shape[-2:] if skip is None else skip.shape[-2:]
                x = F.interpolate(x, size=size, mode="nearest")
                x = block(x if skip is None else torch.cat([x, skip], dim=1))
            logits: Tensor = self.classifier(x)
        return logits.to(images)


def build_unet(encoder: Encoder, classes: int, settings: Finetune, generator: Generator) -> UNet:
    """U-Net with a decoder drawn from the job's random state."""
    torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
    return UNet(encoder, classes, settings.decoder_channels)


def save_unet(model: UNet, path: str | Path, record: Mapping[str, Any]) -> None:
    """Write a U-Net's weights and what `load_unet` needs to build it again."""
    checkpoints.save(
        path,
        record,
        model=checkpoints.to_cpu(model),
        classes=model.classifier.out_channels,
        decoder_channels=model.decoder_channels,
    )


def load_unet(name: str, in_channels: int, path: str | Path, precision: str = "float32") -> UNet:
    """Read a U-Net on the encoder `name`, which computes in this precision, from a finetuned.pt."""
    contents = checkpoints.load(path)
    encoder = Encoder(name, in_channels, precision)
    model = UNet(encoder, contents["classes"], contents["decoder_channels"])
    model.load_state_dict(contents["model"])
    return model


def soft_dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """1 − soft Dice, averaged over the foreground classes, sums taken over the whole batch.

    Parameters
    ----------
    logits : Tensor
        Float [N, K, S, S], class 0 is background.
    masks : Tensor
        Integer labels [N, S, S].

    Notes
    -----
    Milletari et al. 2016 (arXiv 1606.04797), with plain sums in the denominator and 1 added to both
    sides of the fraction, so that a batch without foreground is learnt as such.
    """
    probabilities = logits.softmax(dim=1)
    labels = torch.arange(logits.shape[1], device=masks.device).view(1, -1, 1, 1)
    truth = (masks[:, None] == labels).to(probabilities)  # one_hot would wait for the GPU
    both, sizes = (
        (m.sum(dim=(0, 2, 3))[1:]) for m in (probabilities * truth, probabilities + truth)
    )
    return 1 - ((2 * both + 1) / (sizes + 1)).mean()


def item_dice(predictions: Tensor, masks: Tensor, classes: int) -> Tensor:
    """Dice of each item and foreground class: integer labels [N, S, S] twice → float [N, K − 1].

    NaN where the mask lacks the class, whatever is predicted: Dice has no meaning there, and every
    model is scored on the same items.
    """
    labels = torch.arange(1, classes, device=masks.device).view(1, -1, 1, 1)
    a, b = (m[:, None] == labels for m in (predictions, masks))
    both, predicted, true = (m.sum(dim=(2, 3)) for m in (a & b, a, b))
    return torch.where(true > 0, 2 * both / (predicted + true), torch.nan)


def labels(model: UNet, images: Tensor) -> Tensor:
    """Labels of a batch: float [N, C, S, S] → uint8 [N, S, S]."""
    return model(images).argmax(dim=1).byte()


@torch.no_grad()
def predict(
    model: UNet,
    images: Images,
    batch_size: int,
    rows: Tensor | None = None,
    label: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Labels of images, or of rows [N] of them, in evaluation mode: uint8 [N, S, S].

    They are those of `label`, if given, which is to do what `labels` does with the model.
    """
    model.eval()
    if rows is None:
        rows = torch.arange(len(images), device=images.device)
    label = label or partial(labels, model)
    return torch.cat([label(images[r]) for r in rows.split(batch_size)])


def _step(model: UNet, optimizer: torch.optim.Optimizer, images: Tensor, masks: Tensor) -> Tensor:
    """Learn from one batch; returns its loss."""
    loss = soft_dice_loss(model(images), masks)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def finetune(
    model: UNet,
    images: Images,
    masks: Tensor,
    train: Sequence[int],
    validation: Sequence[int],
    settings: Finetune,
    generator: Generator,
    state: State | None = None,
) -> pd.DataFrame:
    """Train a U-Net, in place, and leave it as it was in the epoch of best validation Dice.

    Parameters
    ----------
    model : UNet
        All of it is trained, encoder included.
    images, masks : Images, Tensor
        Float [N, C, S, S] in [0, 1] and labels [N, S, S]; the model comes to their device.
    train, validation : Sequence of int
        Rows of the two parts.
    settings : Finetune
        How long and by what rate.
    generator : Generator
        The job's random state.
    state : State or None
        Where to go on from and where to save.

    Returns
    -------
    DataFrame
        One row per epoch: `epoch`, `loss` (soft Dice loss on the training part),
        `validation_dice` (mean over items and classes) and `best`, true for the epoch kept.

    Raises
    ------
    UserError
        If the loss is not finite.
    """
    device = images.device
    model.to(device).to(memory_format=memory_format(model, device))
    optimizer = torch.optim.Adam(
        model.parameters(), lr=settings.lr, fused=True, capturable=device.type == "cuda"
    )
    step = captured(partial(_step, model, optimizer), device)
    label = captured(partial(labels, model), device)
    rows = torch.as_tensor(train)
    held_out = torch.as_tensor(validation, device=device)
    batch_size = min(settings.batch_size, len(rows))
    classes = model.classifier.out_channels
    best_dice, best_epoch, best_state = -1.0, 0, model.state_dict()
    epochs: list[dict[str, float]] = []
    parts: dict[str, Any] = {"model": model, "adam": optimizer}
    if state and (saved := state.resume(parts, generator)):
        epochs, (best_dice, best_epoch, best_state) = saved
    for epoch in range(len(epochs) + 1, settings.epochs + 1):
        if epoch - best_epoch > settings.patience:
            break
        model.train()
        order = rows[torch.randperm(len(rows), generator=generator)].to(device)
        # a remainder of one item cannot be batch-normalised at the deepest, 1 by 1 level
        batches = order[: len(order) // batch_size * batch_size].split(batch_size)
        losses = [step(images[batch], masks[batch]) for batch in batches]
        predictions = predict(model, images, batch_size, held_out, label)
        dice = float(item_dice(predictions, masks[held_out], classes).nanmean())
        mean_loss = float(torch.stack(losses).mean())
        row = {"epoch": epoch, "loss": mean_loss, "validation_dice": dice}
        said = epoch, settings.epochs, mean_loss, dice
        log.info("epoch %d/%d loss %.4f validation Dice %.4f", *said, extra={"scalars": row})
        if not math.isfinite(mean_loss):
            raise UserError(
                f"the loss is {mean_loss} in epoch {epoch}: lower `finetune.lr` (now "
                f"{settings.lr}); if it is so in epoch 1, the encoder has probably diverged in "
                "pre-training: lower `pretrain.lr`"
            )
        epochs.append(row)
        if dice > best_dice:
            best_dice, best_epoch = dice, epoch
            best_state = copy.deepcopy(model.state_dict())
        if state:
            state.save(parts, generator, (epochs, (best_dice, best_epoch, best_state)))
    model.load_state_dict(best_state)
    table = pd.DataFrame(epochs)
    return table.assign(best=table["epoch"] == best_epoch)


def segmentation_scores(
    model: UNet, images: Images, masks: Tensor, items: pd.DataFrame, batch_size: int
) -> pd.DataFrame:
    """Score the segmentation of each item and class, beside chance.

    Parameters
    ----------
    model : UNet
        Fine-tuned.
    images, masks : Images, Tensor
        Float [N, C, S, S] and labels [N, S, S].
    items : DataFrame
        The items to score: `id` and `case` by their rows in `images`, as in the manifest.
    batch_size : int
        Items predicted at a time.

    Returns
    -------
    DataFrame
        Columns `item`, `case`, `label`, `dice`, `chance` (what as many pixels as were predicted can
        expect anywhere in the picture, see `scoring.chance`); both are NaN by `item_dice`'s rule.
    """
    classes = model.classifier.out_channels
    rows = torch.tensor(list(items.index), device=images.device)
    masks, predictions = masks[rows], predict(model, images, batch_size, rows)
    dice = item_dice(predictions, masks, classes)
    tables = []
    for label in range(1, classes):
        found, true = ((m == label).float().mean(dim=(1, 2)) for m in (predictions, masks))
        tables.append(
            pd.DataFrame(
                {
                    "item": items["id"].to_numpy(),
                    "case": items["case"].to_numpy(),
                    "label": label,
                    "dice": dice[:, label - 1].cpu(),
                    "chance": torch.where(
                        true > 0, 2 * found * true / (found + true), torch.nan
                    ).cpu(),
                }
            )
        )
    return pd.concat(tables)
