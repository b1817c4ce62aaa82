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
from scipy.ndimage import gaussian_filter
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
    """Mean gradient over noisy copies of one picture, or one pair: [3, S, S], of all and halves."""
    noisy = [
        (x + level * (x.max() - x.min()) * torch.randn(samples, *x.shape)).requires_grad_()
        for x in inputs
    ]
    gradients = torch.autograd.grad(objective(*noisy).sum(), noisy)
    return [
        np.stack([part.mean(dim=0).abs().amax(dim=0).numpy() for part in (g, *g.tensor_split(2))])
        for g in gradients
    ]


def hog(image):
    """Mean magnitude of the gradient in 14 × 14 cells."""
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)), mode="edge")
    across, down = (
        padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2],
        padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1],
    )
    magnitude = torch.from_numpy(np.hypot(across, down).max(axis=0))[None, None]
    cells = F.adaptive_avg_pool2d(magnitude, min(14, image.shape[-1]))
    return F.interpolate(cells, size=image.shape[1:])[0, 0].numpy()


def noise(size, sigma):
    """Smooth noise, as random beside the border as in the middle."""
    margin = round(4 * sigma)
    white = np.random.default_rng().random([size + 2 * margin] * 2)
    return gaussian_filter(white, sigma)[margin : margin + size, margin : margin + size]


def saliency(encoder, unet, x, y, settings):
    """All maps of one pair: (model, map) → [maps, S, S] of x, and of y as it is."""

    def cosine(a, b):
        return F.cosine_similarity(encoder(a), encoder(b))

    def logit(where):
        def scalar(a):
            logits = unet(a)
            return (logits[:, 1] - logits[:, 0])[:, where].mean(dim=1)

        return scalar

    size, levels = x.shape[-1], settings["noise_level"]
    sigma = settings["blur"] * size
    axis = (np.arange(size) + 0.5) / size - 0.5
    gaussian = np.exp(-((axis / 0.25) ** 2) / 2)
    maps = {("baseline", "centre"): [np.outer(gaussian, gaussian)[None]] * 2}
    maps["baseline", "sobel"] = [sobel(z.numpy(), axis=(1, 2)).max(axis=0)[None] for z in (x, y)]
    maps["baseline", "hog"] = [hog(z.numpy())[None] for z in (x, y)]
    samples = settings["samples"]
    maps["pretrained", "smoothgrad"] = smoothgrad(
        cosine, (x, y), samples["pretrained"], levels["pretrained"]
    )
    found = []
    for z in (x, y):
        with torch.no_grad():
            where = unet(z[None]).argmax(dim=1)[0] == 1
        where = where if where.any() else torch.ones_like(where)
        found += smoothgrad(logit(where), (z,), samples["finetuned"], levels["finetuned"])
    maps["finetuned", "smoothgrad"] = found
    maps = {
        key: [gaussian_filter(m, sigma, axes=(1, 2), mode="mirror") for m in both]
        for key, both in maps.items()
    }
    maps["baseline", "random"] = [noise(size, sigma)[None] for _ in range(2)]
    return maps


def score(saliency, mask, quantile):
    """All metrics of one map on the shown pixels, flat; and how many pixels each Dice marked."""
    falling = np.sort(saliency)[::-1]
    thresholds = {
        "otsu": threshold_otsu(saliency),
        "area": falling[mask.sum() - 1],
        "quantile": falling[round((1 - quantile) * len(falling)) - 1],
    }
    marked = {f"dice_{k}": (saliency >= t) & (saliency > 0) for k, t in thresholds.items()}
    scores = {
        **{name: dice(pixels, mask) for name, pixels in marked.items()},
        "auroc": roc_auc_score(mask, saliency),
        "auprc": average_precision_score(mask, saliency),
        "relevance_mass": saliency[mask].sum() / saliency.sum(),
        "pointing_game": mask[saliency == saliency.max()].mean(),
    }
    return scores, {name: pixels.sum() for name, pixels in marked.items()}


def chance(marked, mask, draws):
    """What random maps can expect where as many pixels are marked."""
    m, n = mask.sum(), len(mask)
    return {
        **{name: 2 * k * m / (n * (k + m)) for name, k in marked.items()},
        "auroc": 0.5,
        "auprc": np.mean([average_precision_score(mask, draw) for draw in draws]),
        "relevance_mass": m / n,
        "pointing_game": m / n,
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
    """Run the four stages for every θ."""
    folder, settings = Path(folder), yaml.safe_load(Path(settings).read_text())
    torch.set_num_threads(settings["threads"])
    for angle in settings["angles"]:
        stages(pd.read_csv(csv), angle, folder, settings)


def stages(table, angle, folder, settings):
    """Run the four stages for one θ and say how long each took."""
    begun = {"start": time.monotonic()}
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

    quantile, size = settings["saliency"]["quantile"], settings["image_size"]

    def turned(array, by, mode="reflect"):
        """Turn maps [k, S, S]; what comes in from outside is mirrored, or 0."""
        margin = size // 2
        padded = F.pad(torch.from_numpy(array)[None].float(), [margin] * 4, mode=mode)
        found = tf.rotate(padded, by, InterpolationMode.BILINEAR)[0]
        return found[:, margin:-margin, margin:-margin].numpy()

    everywhere = np.ones((1, size, size), dtype=np.float32)
    there_and_back = turned(turned(everywhere, angle, "constant"), -angle, "constant")
    footprints = {"original": everywhere, "rotated": there_and_back}
    shown = {input_: footprint[0] > 0 for input_, footprint in footprints.items()}
    framed = [
        {key: (of_x, turned(of_y, -angle)) for key, (of_x, of_y) in found.items()} for found in maps
    ]
    rows, halves = [], []
    for place, (input_, where) in enumerate(shown.items()):
        draws = [
            np.rot90(found["baseline", "random"][place][0], quarter)[where]
            for found in framed
            for quarter in (1, 2, 3)
        ]
        for (item, *_, mask), found in zip(chosen, framed, strict=True):
            truth = mask.numpy()[where] == 1
            if truth.all() or not truth.any():
                continue
            found["baseline", "footprint"] = everywhere, everywhere
            for (model, kind), both in found.items():
                of_x, values = both[0][0][where], both[place][0][where]
                scores, marked = score(values, truth, quantile)
                expected = chance(marked, truth, draws)
                own_cut = score(of_x, truth, quantile)[0] if place else {}
                if place and kind != "footprint":
                    scores["equivariance"] = spearmanr(of_x, values).statistic
                    expected["equivariance"] = 0
                for metric, value in scores.items():
                    numbers = value, expected[metric], own_cut.get(metric)
                    rows.append((item, model, input_, kind, metric, *numbers))
                if len(both[place]) == 3:
                    first, second = (m[where] for m in both[place][1:])
                    halves.append((item, model, input_, np.corrcoef(first, second)[0, 1]))
    columns = ["item", "model", "input", "attribution", "metric", "value", "chance", "own_cut"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "dice.csv")
    columns = ["item", "model", "input", "split_half"]
    pd.DataFrame(halves, columns=columns).to_csv(folder / "reliability.csv")
    print(f"probe {accuracy:.3f}")
    ends = [*begun.values(), time.monotonic()][1:]
    for (stage, start), end in zip(begun.items(), ends, strict=True):
        print(f"{stage}: {end - start:.2f} s", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
