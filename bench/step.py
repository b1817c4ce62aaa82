#!/usr/bin/env python3
"""A step of MoCo pre-training beside its bare limit and lightly's, and an epoch with its data.

Usage: python bench/step.py [FOLDER] [--encoder NAME] [--pairs N] … The epochs read the pictures of
this folder, or else the tiles of the data set `ihc`. All ways run in turn, since a machine's speed
drifts; it prints medians of CPU seconds and of their ratios, with quartiles, of one thread. Where
lightly is not installed it is left out: pip install lightly, in an environment of its own.
"""

import argparse
import copy
import importlib.util
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import yaml
from in_turn import compare
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from thetascope.datasets import options
from thetascope.datasets.arrays import resize
from thetascope.datasets.pictures import read_image
from thetascope.learning import runtime
from thetascope.learning.contrastive import Learner, Pretrain
from thetascope.learning.encoders import Encoder, memory_format
from thetascope.learning.pretraining import pretrain
from thetascope.learning.rotation import View, rotate

ROOT = Path(__file__).parents[1]

ANGLE = 30.0
CPU = torch.device("cpu")
SECTION = yaml.safe_load((ROOT / "config.yaml").read_text())["pretrain"] | {"epochs": 1}
SETTINGS = Pretrain(**{k: v for k, v in SECTION.items() if k not in ("init", "weights")})


def sizes(encoder):
    """Inputs, hidden units and outputs of the projection head."""
    return encoder.num_features, SETTINGS.hidden_dim, SETTINGS.output_dim


def sgd(model):
    """Build the optimiser that all take."""
    options = {"momentum": SETTINGS.momentum, "weight_decay": SETTINGS.weight_decay}
    return torch.optim.SGD(model.parameters(), SETTINGS.lr / 16, fused=True, **options)


def our_step(encoder, x, y):
    """Build the step of rule `pretrain`, on pictures in [0, 1]."""
    learner = Learner(copy.deepcopy(encoder), "moco", SETTINGS, torch.Generator(), x.device)
    learner.set_lr(SETTINGS.lr / 16)
    items = torch.arange(len(x), device=x.device)
    return lambda: learner.step(x[items], y[items], items, items)


def bare_step(encoder, x, y):
    """Build the least that will do: two passes forward, one of them back, and the optimiser."""
    inputs, hidden, outputs = sizes(encoder)
    head = nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
    model = nn.Sequential(copy.deepcopy(encoder.network), *head)
    model.to(x.device, memory_format=memory_format(encoder, x.device))
    other, optimizer = copy.deepcopy(model).requires_grad_(False), sgd(model)
    x, y = (encoder._normalise(images) for images in (x, y))

    def step():
        loss = model(x).mean()
        optimizer.zero_grad()
        loss.backward()
        other(y)
        optimizer.step()
        return loss.detach()

    return step


def lightly_step(encoder):
    """Build the step of lightly's example of MoCo, on our network and in its memory format."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import MoCoProjectionHead
    from lightly.models.utils import deactivate_requires_grad, update_momentum

    model = nn.Sequential(copy.deepcopy(encoder.network), MoCoProjectionHead(*sizes(encoder)))
    model.to(memory_format=torch.channels_last)
    other, optimizer = copy.deepcopy(model), sgd(model)
    deactivate_requires_grad(other)
    memory = SETTINGS.queue_size, SETTINGS.output_dim
    criterion = NTXentLoss(SETTINGS.temperature, memory_bank_size=memory)

    def step(x, y):
        update_momentum(model, other, m=SETTINGS.encoder_momentum)
        x, y = (images.contiguous(memory_format=torch.channels_last) for images in (x, y))
        loss = criterion(model(x), other(y))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def lightly_epoch(encoder, folder, size, batch):
    """Train as lightly's example does: PIL reads, resizes and rotates each picture again."""
    from lightly.data import LightlyDataset
    from lightly.transforms.multi_view_transform import MultiViewTransform

    resized = v2.Resize((size, size))
    turned = v2.RandomRotation((ANGLE, ANGLE), v2.InterpolationMode.BILINEAR)
    tensor = (
        v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(encoder.mean.flatten().tolist(), encoder.std.flatten().tolist()),
    )
    first, second = v2.Compose([resized, *tensor]), v2.Compose([resized, turned, *tensor])
    data = LightlyDataset(str(folder), transform=MultiViewTransform([first, second]))
    step = lightly_step(encoder)
    # no workers: all CPU seconds are those of this process
    for (x, y), *_ in DataLoader(data, batch, shuffle=True, drop_last=True):
        step(x, y)


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=SETTINGS.batch_size)
    parser.add_argument("--batches", type=int, default=4, help="of an epoch; 0 for no epochs")
    parser.add_argument("--pairs", type=int, default=20, help="rounds of steps")
    parser.add_argument("--epochs", type=int, default=4, help="rounds of epochs")
    return parser.parse_args()


def pictures(folder, count):
    """Uint8 [C, H, W] each."""
    if folder:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        return [read_image(path, "rgb") for path in files[:count]]
    return [item.image for item in options.load_items("ihc", {})][:count]


def written(folder, arrays):
    """Write pictures into a new folder, as photographs are stored."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    for i, array in enumerate(arrays):
        Image.fromarray(array.transpose(1, 2, 0)).save(folder / f"{i:05}.jpg", quality=95)
    return folder


def main():
    """Compare steps, then epochs."""
    chosen = arguments()
    runtime.setup("cpu", 1)
    encoder = Encoder(chosen.encoder).train()
    has_lightly = importlib.util.find_spec("lightly")
    x = torch.rand(chosen.batch, 3, chosen.size, chosen.size)
    y = rotate(x, ANGLE)
    steps = {"bare limit": bare_step(encoder, x, y), "our step": our_step(encoder, x, y)}
    if has_lightly:
        step = lightly_step(encoder)
        steps["lightly's step"] = lambda: step(*map(encoder._normalise, (x, y)))
    print(f"{chosen.encoder}, {chosen.size} px, batch of {chosen.batch}, {chosen.pairs} rounds")
    compare(steps, chosen.pairs)
    if not chosen.batches:
        return
    arrays = pictures(chosen.folder, chosen.batches * chosen.batch)
    stored = np.stack([resize(array, chosen.size) for array in arrays])
    settings = replace(SETTINGS, batch_size=chosen.batch)

    def our_epoch():
        images = runtime.to_images(stored, CPU)
        options = ANGLE, View(), "moco", settings, torch.Generator()
        pretrain(copy.deepcopy(encoder), images, *options)

    epochs = {"our epoch": our_epoch}
    with tempfile.TemporaryDirectory() as folder:
        if has_lightly:
            for kind, files in ("as they are", arrays), ("resized before", stored):
                place = written(folder, files)
                epochs[f"lightly's, pictures {kind}"] = lambda place=place: lightly_epoch(
                    encoder, place, chosen.size, chosen.batch
                )
        print(
            f"{len(arrays)} pictures, the first one {arrays[0].shape[1:]}, {chosen.epochs} rounds"
        )
        compare(epochs, chosen.epochs)


if __name__ == "__main__":
    main()
