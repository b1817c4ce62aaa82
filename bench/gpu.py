#!/usr/bin/env python3
"""What a GPU does with this: pre-training beside its bare limit, maps, and hours of a whole study.

Usage: python bench/gpu.py [--precision fp32] … The study is experiments/paper-2025-medical.yaml,
361 angles, with image sets as large as they were published, RGB, and no early stop. bf16 is torch's
autocast around our functions: the rules themselves compute in float32. To see without a GPU that
this works: python bench/gpu.py --device cpu --precision fp32 --size 32 --batch 2 --rounds 1
"""

import argparse
import sys
import time

import numpy as np
import pandas as pd
import torch
import yaml
from in_turn import in_turn
from snakemake.utils import update_config
from step import ANGLE, ROOT, bare_step, our_step

from thetascope import angles
from thetascope.engine.estimate import report
from thetascope.learning import runtime
from thetascope.learning.encoders import Encoder
from thetascope.learning.rotation import rotate
from thetascope.learning.segmentation import Finetune, build_unet, finetune
from thetascope.saliency.gradients import folded, smoothgrad
from thetascope.saliency.maps import MODELS, Saliency
from thetascope.saliency.objectives import foreground_logit, pair_cosine

ITEMS = {"brats": 369, "lung_mask": 1000, "kvasir_seg": 1000}
BATCHES = 4  # of an epoch of fine-tuning


def arguments():
    """Read the command line, and refuse what cannot run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=256, help="beside the bare limit")
    parser.add_argument("--rounds", type=int, default=10)
    chosen = parser.parse_args()
    if chosen.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("no GPU here; to try the bench: --device cpu --precision fp32 --size 32 --batch 2")
    return chosen


def study():
    """Read the experiment whose hours are asked for."""
    experiment = yaml.safe_load((ROOT / "config.yaml").read_text())
    preset = ROOT / "experiments/paper-2025-medical.yaml"
    update_config(experiment, yaml.safe_load(preset.read_text()))
    return experiment


def jobs_of(name, experiment, x, seconds):
    """Seconds of a job of each stage, on each image set: rows of `estimate`'s table."""
    encoder, drawn = Encoder(name).to(x.device), torch.Generator()
    one_epoch = Finetune(**experiment["finetune"] | {"epochs": 1})
    unet = build_unet(Encoder(name), 2, one_epoch, drawn).to(x.device)
    many = x.repeat(BATCHES, 1, 1, 1)
    masks = (many[:, 0] > 0.5).byte()
    # as many for each training image as the split has
    parts = range(len(many)), range(max(1, len(many) // 7))
    y, section = rotate(x, ANGLE), experiment["saliency"]
    scoring = ("quantile", "extra_metrics")
    saliency = Saliency.of_section({k: v for k, v in section.items() if k not in scoring})
    everywhere = torch.ones_like(x[:, 0], dtype=torch.bool)
    pretrained, finetuned = (
        (saliency.samples[model], saliency.noise_level[model], saliency.chunk_size, drawn)
        for model in MODELS
    )

    def maps():
        smoothgrad(pair_cosine(folded(encoder, x)), (x, y), *pretrained)
        logit = foreground_logit(folded(unet, x))
        for images in (x, y):
            smoothgrad(logit, (images,), *finetuned, given=(everywhere,))

    took = seconds(
        {
            "pretrain": our_step(encoder, x, y),
            "finetune": lambda: finetune(unet, many, masks, *parts, one_epoch, drawn),
            "saliency": maps,
        }
    )
    maps_per_item = 4  # of two models and two views
    print(f"{name}, {maps_per_item * len(x) / took['saliency']:.1f} SmoothGrad maps/s")
    labels = angles.expand(experiment["angles"])
    arms = (experiment[key] for key in ("seeds", "views", "methods"))
    jobs = len(labels) * int(np.prod([len(arm) for arm in arms]))
    for dataset, items in ITEMS.items():
        train, test = (round(experiment["split"][part] * items) for part in ("train", "test"))
        times = {
            "pretrain": experiment["pretrain"]["epochs"] * train / len(x),
            "finetune": experiment["finetune"]["epochs"] * train / len(many),
            "saliency": min(section["items"], test) / len(x),
        }
        for rule, count in times.items():
            yield rule, dataset, "all", name, "all", jobs, 0, count * took[rule], 0


def main():
    """Print rates, then hours."""
    chosen, experiment = arguments(), study()
    device = runtime.setup(chosen.device, 1)

    def clock():
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    def seconds(ways):
        with torch.autocast(device.type, torch.bfloat16, chosen.precision == "bf16"):
            return {name: np.median(s) for name, s in in_turn(ways, chosen.rounds, clock).items()}

    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU, one thread"
    print(f"{where}, {chosen.precision}, {chosen.size} px")
    x = torch.rand(chosen.batch, 3, chosen.size, chosen.size, device=device)
    y, encoder = rotate(x, ANGLE), Encoder("resnet50").to(device)
    took = seconds({"bare": bare_step(encoder, x, y), "ours": our_step(encoder, x, y)})
    print(
        f"resnet50, batch of {chosen.batch}: {chosen.batch / took['ours']:.1f} images/s in "
        f"pre-training, {took['bare'] / took['ours']:.1%} of the bare limit"
    )
    x = x[: experiment["pretrain"]["batch_size"]]
    rows = [row for name in experiment["encoders"] for row in jobs_of(name, experiment, x, seconds)]
    columns = ["rule", "dataset", "view", "encoder", "method", "jobs", "done", "seconds", "bytes"]
    print(report(pd.DataFrame(rows, columns=columns)))


if __name__ == "__main__":
    main()
