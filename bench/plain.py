#!/usr/bin/env python3
"""One (data set, θ) from pre-training to scores, as one would write it by hand; see bench/job.py.

Usage: python bench/plain.py PICTURES.csv FOLDER SETTINGS.yaml. The CSV has columns image, mask and
split, the settings are those of the workflow. Each picture is read, resized and rotated by PIL
whenever it is needed, networks and optimisers are used as they come.
"""

import copy
import math
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import timm
import torch
import torch.nn.functional as F
import yaml
from PIL import Image
from scipy.stats import spearmanr
from skimage.filters import sobel, threshold_otsu
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tf

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Pictures(Dataset):
    """Row, picture, rotated picture and mask."""

    def __init__(self, table, angle, size):
        self.table, self.angle, self.size = table, angle, [size, size]

    def __len__(self):
        """Count."""
        return len(self.table)

    def __getitem__(self, index):
        """Read, resize and rotate one."""
        row = self.table.iloc[index]
        image = tf.resize(Image.open(row["image"]).convert("RGB"), self.size)
        mask = tf.resize(Image.open(row["mask"]).convert("L"), self.size, InterpolationMode.NEAREST)
        rotated = tf.rotate(image, self.angle, InterpolationMode.BILINEAR)
        x, y = (
            tf.normalize(tf.to_dtype(tf.pil_to_tensor(i), scale=True), MEAN, STD)
            for i in (image, rotated)
        )
        return index, x, y, (tf.pil_to_tensor(mask)[0] >= 128).long()


class UNet(nn.Module):
    """U-Net on a timm encoder."""

    def __init__(self, encoder, widths):
        super().__init__()
        self.encoder = encoder
        skips = [info["num_chs"] for info in encoder.feature_info]
        channels = [*skips[::-1], 0]
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before + skip, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            )
            for before, skip, width in zip(
                [channels[0], *widths], channels[1:], widths, strict=False
            )
        )
        self.classifier = nn.Conv2d(widths[-1], 2, 1)

    def forward(self, images):
        """Float [N, 3, S, S] → logits [N, 2, S, S]."""
        *skips, x = self.encoder.forward_intermediates(images, intermediates_only=True)
        for block in self.blocks:
            x = F.interpolate(x, scale_factor=2)
            x = block(torch.cat([x, skips.pop()], dim=1) if skips else x)
        return self.classifier(x)


def pretrain(encoder, pictures, settings):
    """MoCo v2."""
    dim = settings["output_dim"]
    head = nn.Sequential(
        nn.Linear(encoder.num_features, settings["hidden_dim"]),
        nn.ReLU(),
        nn.Linear(settings["hidden_dim"], dim),
    )
    model = nn.Sequential(encoder, head).train()
    momentum_model = copy.deepcopy(model).requires_grad_(False)
    queue, position = F.normalize(torch.randn(settings["queue_size"], dim), dim=1), 0
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=settings["lr"] * settings["batch_size"] / 256,
        momentum=settings["momentum"],
        weight_decay=settings["weight_decay"],
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings["epochs"])
    loader = DataLoader(
        pictures,
        settings["batch_size"],
        shuffle=True,
        drop_last=True,
        num_workers=2,
        persistent_workers=True,
    )
    for epoch in range(settings["epochs"]):
        losses = []
        for _, x, y, _ in loader:
            query = F.normalize(model(x), dim=1)
            with torch.no_grad():
                m = settings["encoder_momentum"]
                for slow, fast in zip(momentum_model.parameters(), model.parameters(), strict=True):
                    slow.mul_(m).add_(fast, alpha=1 - m)
                key = F.normalize(momentum_model(y), dim=1)
            positive = (query * key).sum(dim=1, keepdim=True)
            logits = torch.cat([positive, query @ queue.clone().T], dim=1)
            loss = F.cross_entropy(logits / settings["temperature"], torch.zeros(len(x)).long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            queue[(position + torch.arange(len(key))) % len(queue)] = key
            position = (position + len(key)) % len(queue)
            losses.append(loss.item())
        schedule.step()
        print(f"epoch {epoch + 1} loss {np.mean(losses):.4f}")


def soft_dice_loss(logits, masks):
    """1 − soft Dice of the foreground."""
    foreground = logits.softmax(dim=1)[:, 1]
    return 1 - (2 * (foreground * masks).sum() + 1) / (foreground.sum() + masks.sum() + 1)


def dice(a, b):
    """Dice of two masks."""
    return 2 * (a & b).sum() / (a.sum() + b.sum()) if b.any() else math.nan


def segment(model, loader):
    """Dice of each picture."""
    model.eval()
    found = []
    with torch.no_grad():
        for _, x, _, masks in loader:
            found += map(dice, (model(x).argmax(1) == 1).numpy(), (masks == 1).numpy())
    return found


def finetune(model, parts, settings):
    """Train on the masks and keep the best epoch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["lr"])
    batch, options = settings["batch_size"], {"num_workers": 2, "persistent_workers": True}
    train = DataLoader(parts["train"], batch, shuffle=True, drop_last=True, **options)
    validation = DataLoader(parts["validation"], batch, **options)
    best = -1.0
    for epoch in range(settings["epochs"]):
        model.train()
        for _, x, _, masks in train:
            loss = soft_dice_loss(model(x), masks)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        score = np.nanmean(segment(model, validation))
        print(f"epoch {epoch + 1} Dice {score:.4f}")
        if score > best:
            best, state = score, copy.deepcopy(model.state_dict())
    model.load_state_dict(state)
    return segment(model, DataLoader(parts["test"], batch))


def smoothgrad(objective, inputs, samples, level):
    """Mean gradient over noisy copies of one picture, or one pair: [S, S] of each."""
    noisy = [
        (x + level * (x.max() - x.min()) * torch.randn(samples, *x.shape)).requires_grad_()
        for x in inputs
    ]
    gradients = torch.autograd.grad(objective(*noisy).sum(), noisy)
    return [g.mean(dim=0).abs().amax(dim=0).numpy() for g in gradients]


def saliency(encoder, unet, x, y, settings):
    """All maps of one pair: (model, map) → that of x, and that of y rotated back by the caller."""

    def cosine(a, b):
        return F.cosine_similarity(encoder(a), encoder(b))

    def logit(a):
        logits = unet(a)
        return (logits[:, 1] - logits[:, 0]).mean(dim=(1, 2))

    size = x.shape[-1]
    axis = (np.arange(size) + 0.5) / size - 0.5
    gaussian = np.exp(-((axis / 0.25) ** 2) / 2)
    maps = {("baseline", "centre"): [np.outer(gaussian, gaussian)] * 2}
    maps["baseline", "sobel"] = [sobel(z.numpy(), axis=(1, 2)).max(axis=0) for z in (x, y)]
    for kind, options in (
        ("smoothgrad", (settings["samples"], settings["noise_level"])),
        ("gradient", (1, 0.0)),
    ):
        maps["pretrained", kind] = smoothgrad(cosine, (x, y), *options)
        maps["finetuned", kind] = [smoothgrad(logit, (z,), *options)[0] for z in (x, y)]
    return maps


def score(saliency, mask, quantile):
    """All metrics of one map."""
    flat, truth = saliency.ravel(), mask.ravel()
    falling = np.sort(flat)[::-1]
    thresholds = {
        "otsu": threshold_otsu(saliency),
        "area": falling[mask.sum() - 1],
        "quantile": falling[round((1 - quantile) * len(falling)) - 1],
    }
    return {
        **{
            f"dice_{name}": dice((saliency >= t) & (saliency > 0), mask)
            for name, t in thresholds.items()
        },
        "auroc": roc_auc_score(truth, flat),
        "auprc": average_precision_score(truth, flat),
        "relevance_mass": flat[truth].sum() / flat.sum(),
        "pointing_game": mask[saliency == saliency.max()].mean(),
    }


def probe(encoder, train, test):
    """Accuracy of telling pairs (x, R_θ x) from pairs of different pictures."""

    def features(pictures):
        with torch.no_grad():
            pairs = [(encoder(x), encoder(y)) for _, x, y, _ in DataLoader(pictures, 48)]
        f, g = (F.normalize(torch.cat(views), dim=1) for views in zip(*pairs, strict=True))
        products = torch.cat([f * g, f * g.roll(len(g) // 2, dims=0)]).numpy()
        return products, np.repeat([1, 0], len(f))

    return RidgeClassifier().fit(*features(train)).score(*features(test))


def main(csv, folder, settings):
    """Run the four stages and say how long each took."""
    begun = {"start": time.monotonic()}
    folder, settings = Path(folder), yaml.safe_load(Path(settings).read_text())
    torch.set_num_threads(settings["threads"])
    table, angle = pd.read_csv(csv), settings["angles"][0]
    parts = {
        part: Pictures(rows, angle, settings["image_size"]) for part, rows in table.groupby("split")
    }
    encoder = timm.create_model(settings["encoders"][0], pretrained=False, num_classes=0)
    begun["pretrain"] = time.monotonic()
    pretrain(encoder, parts["train"], settings["pretrain"])
    torch.save(encoder.state_dict(), folder / "pretrained.pt")
    begun["finetune"] = time.monotonic()
    unet = UNet(copy.deepcopy(encoder), settings["finetune"]["decoder_channels"])
    segmentation = finetune(unet, parts, settings["finetune"])
    torch.save(unet.state_dict(), folder / "finetuned.pt")
    pd.Series(segmentation).to_csv(folder / "segmentation.csv")
    begun["saliency"] = time.monotonic()
    for model in (encoder.eval(), unet.eval()):
        model.requires_grad_(False)
    test = parts["test"]
    limit = min(settings["saliency"]["items"], len(test))
    chosen = [test[i] for i in np.linspace(0, len(test) - 1, limit).round().astype(int)]
    maps = [saliency(encoder, unet, x, y, settings["saliency"]) for _, x, y, _ in chosen]
    accuracy = probe(encoder, parts["train"], test)
    begun["score"] = time.monotonic()

    def back(array):
        turned = tf.rotate(
            torch.from_numpy(array)[None].float(), -angle, InterpolationMode.BILINEAR
        )
        return turned[0].numpy()

    rows = []
    everywhere = np.ones(chosen[0][1].shape[1:], dtype=np.float32)
    footprints = {"original": everywhere, "rotated": (back(back(everywhere)) > 0).astype(float)}
    for (item, *_, mask), found in zip(chosen, maps, strict=True):
        truth = mask.numpy() == 1
        nulls = {
            k: score(f, truth, settings["saliency"]["quantile"]) for k, f in footprints.items()
        }
        for (model, kind), (of_x, of_y) in found.items():
            both = {"original": of_x, "rotated": back(of_y)}
            for input_, values in both.items():
                values = values * footprints[input_]
                scores = score(values, truth, settings["saliency"]["quantile"])
                if input_ == "rotated":
                    scores["equivariance"] = spearmanr(of_x.ravel(), values.ravel()).statistic
                for metric, value in scores.items():
                    null = nulls[input_].get(metric)
                    rows.append((item, model, input_, kind, metric, value, null))
    pd.DataFrame(rows).to_csv(folder / "dice.csv")
    print(f"probe {accuracy:.3f}")
    ends = [*begun.values(), time.monotonic()][1:]
    for (stage, start), end in zip(begun.items(), ends, strict=True):
        print(f"{stage}: {end - start:.2f} s", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
