#!/usr/bin/env python3
"""What a GPU does with this: steps beside their bare limit, kernel time, first use, many runs.

Usage: python bench/gpu.py; about three minutes on an H100, without Snakemake and without a network.
Steps and stages are those of experiments/paper-2025-medical.yaml, runs those of config.yaml. To see
without a GPU that it works: python bench/gpu.py --device cpu --size 32 --pictures 40 --seconds 5
"""

import argparse
import copy
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import torch
import yaml
from step import ANGLE, ROOT, bare_step

from thetascope.learning import runtime
from thetascope.learning.capture import WARM_UP, captured
from thetascope.learning.contrastive import Learner, Pretrain
from thetascope.learning.encoders import Encoder
from thetascope.learning.pretraining import pairs_of, pretrain
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import Finetune, build_unet, finetune
from thetascope.learning.stored import Stored
from thetascope.saliency.maps import Saliency, saliency_maps

PLAIN = View()
STAGES = ("pretrain", "finetune", "saliency")
PROCESSES = 12  # that share the GPU while runs are counted
RUN_PICTURES = 70  # of a data set of the default experiment, all but those of the test


def arguments():
    """Read the command line, and refuse what cannot run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--pictures", type=int, default=700, help="of the profiled stages")
    parser.add_argument("--epochs", type=int, default=4, help="of the profiled stages")
    parser.add_argument("--stored", type=int, default=0, help="also train on so many, as bytes")
    parser.add_argument("--seconds", type=float, default=4, help="in which runs are counted")
    # the part of a process of its own, which begins once it is told on its standard input
    parser.add_argument("--first-use", metavar="ENCODER", help=argparse.SUPPRESS)
    parser.add_argument("--count-runs", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("no GPU here; to try the bench: --device cpu --size 32 --pictures 40 --seconds 5")
    return chosen


def merged(settings, changes):
    """Settings with those of an overlay."""
    inner = {
        key: merged(settings[key], value)
        for key, value in changes.items()
        if isinstance(value, dict) and isinstance(settings.get(key), dict)
    }
    return {**settings, **changes, **inner}


DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())
PAPER = merged(DEFAULT, yaml.safe_load((ROOT / "experiments/paper-2025-medical.yaml").read_text()))


class Run:
    """The stages of a run on random pictures, uint8, an eighth of which validates."""

    def __init__(self, chosen, config, name, size, count):
        self.config, self.name, self.size, self.count = config, name, size, count
        self.device = runtime.setup(chosen.device, config["threads"])
        self.precision = runtime.set_precision(chosen.precision, self.device, name, size)
        section = config["pretrain"].items()
        self.settings = Pretrain(**{k: v for k, v in section if k not in ("init", "weights")})
        shape = count, 3, size, size
        self.images = torch.randint(256, shape, dtype=torch.uint8, device=self.device)

    def new_encoder(self):
        """Build an encoder of the precision that is measured."""
        torch.manual_seed(0)
        return Encoder(self.name, 3, self.precision).to(self.device)

    def pretrain(self, epochs):
        """Pre-train the encoder."""
        settings = replace(self.settings, epochs=epochs)
        pretrain(self.encoder, self.images, ANGLE, PLAIN, "moco", settings, torch.Generator())
        self.encoder.zero_grad()  # else gradients keep the memory of the graph that made them

    def finetune(self, epochs):
        """Fine-tune a U-Net on a copy of the encoder."""
        section, split = self.config["finetune"] | {"epochs": epochs}, self.count // 8
        settings, drawn = Finetune(**section | {"patience": epochs}), torch.Generator()
        self.unet = build_unet(copy.deepcopy(self.encoder), 2, settings, drawn)
        images, masks = Stored(self.images, PLAIN.original), (self.images[:, 0] > 127).byte()
        parts = range(split, self.count), range(split)
        finetune(self.unet, images.kept(), masks, *parts, settings, drawn)
        self.unet.zero_grad()

    def saliency(self, _):
        """Map what both look at."""
        section = self.config["saliency"].items()
        rest = {k: v for k, v in section if k not in ("quantile", "extra_metrics")}
        settings = Saliency.of_section(rest)
        images = self.images[: settings.items].float() / 255
        saliency_maps(self.encoder, self.unet, images, ANGLE, PLAIN, settings, torch.Generator())

    def timed(self, stage, epochs):
        """Do one stage: seconds."""
        begun = time.perf_counter()
        getattr(self, stage)(epochs)
        wait(self.device)
        return time.perf_counter() - begun

    def first_step(self):
        """Build an encoder and do one step of pre-training: seconds."""
        begun = time.perf_counter()
        self.encoder = self.new_encoder()
        self.pretrain(1)
        wait(self.device)
        return time.perf_counter() - begun

    def whole(self, epochs):
        """Build an encoder and do all three."""
        self.encoder = self.new_encoder()
        for stage in STAGES:
            getattr(self, stage)(epochs)
        wait(self.device)


def wait(device):
    """Wait until the device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def milliseconds(step, device, seconds=1.0):
    """Of one call: the median over as many groups of five as fit."""
    for _ in range(WARM_UP + 2):
        step()
    wait(device)
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or not times:
        begun = time.perf_counter()
        for _ in range(5):
            step()
        wait(device)
        times.append((time.perf_counter() - begun) / 5)
    return 1000 * np.median(times)


def steps(run):
    """Print what a step of pre-training takes."""
    encoder, device, batch = run.new_encoder(), run.device, run.settings.batch_size
    rows = torch.arange(batch, device=device)
    pairs = pairs_of(run.images[:batch], ANGLE, PLAIN, None)
    x, y = (images[rows] for images in pairs(rows, rows))
    bare = bare_step(encoder, x, y)

    def bare_in_precision():
        with encoder.autocast(device):
            return bare()

    learner = Learner(encoder, "moco", run.settings, torch.Generator(), device)
    ways = (
        lambda: learner.step(x, y, rows, rows),
        captured(lambda: learner.step(x, y, rows, rows), device),
        captured(bare_in_precision, device),
    )
    eager, ours, limit = (milliseconds(way, device) for way in ways)
    print(
        f"{run.name}, {run.precision}, {run.size} px, batch of {batch}, ms per step: "
        f"eager {eager:.1f}, captured {ours:.1f}, bare limit {limit:.1f} ({limit / ours:.2f})",
        flush=True,
    )


def kernel_shares(run, epochs):
    """Print the share of each stage's time in which any kernel runs.

    Each comes twice. First a profiler notes when kernels run, which takes time itself, as does the
    choice of kernels that are new. Then it takes the time that it takes in a worker.
    """
    said, run.encoder = [], run.new_encoder()
    for stage in STAGES:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            first = run.timed(stage, epochs)
        most = torch.cuda.max_memory_reserved() / 1e9
        seconds, busy = run.timed(stage, epochs), busy_seconds(profile)
        share = f"{stage} {busy / seconds:.2f} of {seconds:.1f} s"
        said.append(f"{share} (first time, profiled: {first:.1f} s) with {most:.1f} GB")
    stages = ", ".join(said)
    print(f"{run.name}, {run.count} pictures, {epochs} epochs: kernels run {stages}", flush=True)


def busy_seconds(profile):
    """Time in which any kernel ran."""
    busy = done = 0
    # as they were recorded: `profile.events()` takes a minute for as many
    events = profile.profiler.kineto_results.events()
    of_gpu = ((e.start_ns(), e.duration_ns()) for e in events if e.device_type().name == "CUDA")
    for start, length in sorted(of_gpu):
        busy += max(0, start + length - max(start, done))
        done = max(done, start + length)
    return busy / 1e9


def many_stored(run):
    """Print what a step takes, and memory, where pictures are kept as bytes only."""
    device, batch = run.device, run.settings.batch_size
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    learner = Learner(run.new_encoder(), "moco", run.settings, torch.Generator(), device)
    pairs = pairs_of(run.images, ANGLE, PLAIN, torch.Generator())
    step, rows = captured(learner.step, device), torch.randperm(run.count, device=device)[:batch]
    took = milliseconds(lambda: step(*pairs(rows, rows), rows, rows), device)
    memory = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else np.nan
    print(
        f"{run.name}, {run.count} pictures of {run.size} px as bytes: {took:.1f} ms per step with "
        f"its pairs, {memory:.1f} GB at most"
    )


def count_runs(run, seconds):
    """Print, in a process of its own, how many runs it does per minute once all are warm."""
    run.whole(1)
    wait_for_others()
    begun, count = time.perf_counter(), 0
    while time.perf_counter() < begun + seconds:
        run.whole(DEFAULT["pretrain"]["epochs"])  # as many to fine-tune
        count += 1
    print(60 * count / (time.perf_counter() - begun))


def wait_for_others():
    """Say to the process that started this one that it is `ready`, and wait until told to `go`."""
    print("ready", flush=True)
    input()


def waiting(chosen, *parts):
    """Start processes, one for each part of this bench, which import and then wait."""
    options = ("--device", chosen.device, "--precision", chosen.precision, "--size", chosen.size)
    command = [sys.executable, __file__, *options, "--seconds", chosen.seconds]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return [subprocess.Popen([*map(str, command), *part], **pipes) for part in parts]


def ready(processes):
    """Wait until these processes are."""
    for process in processes:
        if process.stdout.readline() != "ready\n":
            sys.exit("a process of this bench ended; what it said is above")


def go(processes):
    """Let these processes go on, all at once."""
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def numbers(process):
    """Read what it found out."""
    return [float(number) for number in process.communicate()[0].split()]


def main():
    """Print all of it, a line as soon as it is known."""
    chosen = arguments()
    device, batch = torch.device(chosen.device), PAPER["pretrain"]["batch_size"]
    (small,) = DEFAULT["encoders"]
    if chosen.first_use:
        wait_for_others()
        config, size = (DEFAULT, 64) if chosen.first_use == small else (PAPER, chosen.size)
        run = Run(chosen, config, chosen.first_use, size, config["pretrain"]["batch_size"] + 8)
        wait(device)  # the driver's start is not ours
        print(*(run.first_step() for _ in range(2)))
        return
    if chosen.count_runs:
        wait_for_others()
        count_runs(Run(chosen, DEFAULT, small, 64, RUN_PICTURES), chosen.seconds)
        return
    print(torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU", flush=True)
    count = max(chosen.pictures, batch)
    for name in PAPER["encoders"]:
        steps(Run(chosen, PAPER, name, chosen.size, count))
    steps(Run(chosen, DEFAULT, small, DEFAULT["image_size"], RUN_PICTURES))
    # afterwards, since what profiles stays attached and may slow down other steps
    for name in PAPER["encoders"] if device.type == "cuda" else ():
        kernel_shares(Run(chosen, PAPER, name, chosen.size, count), chosen.epochs)
    if chosen.stored:
        many_stored(Run(chosen, PAPER, "resnet50", chosen.size, chosen.stored))
    names = *PAPER["encoders"], small
    parts = [("--first-use", name) for name in names] + [("--count-runs",)] * PROCESSES
    processes = waiting(chosen, *parts)
    ready(processes)
    for name, process in zip(names, processes, strict=False):
        go([process])
        step, again = numbers(process)
        print(f"{name}: first step after {step:.1f} s, of another training {again:.1f}", flush=True)
    counting = processes[len(names) :]
    go(counting)  # to their first run
    ready(counting)
    go(counting)  # to those that count
    rate = np.sum([numbers(process) for process in counting])
    print(f"runs per minute of {RUN_PICTURES} pictures of 64 px, {PROCESSES} processes: {rate:.0f}")


if __name__ == "__main__":
    main()
