"""Where and how torch computes in a job: device, threads, and one random state."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from thetascope.errors import UserError
from thetascope.files import seed_for
from thetascope.learning import gpus

# where bfloat16 is no faster than tf32, in captured steps on an H100 (bench/README.md)
SMALL, DEPTHWISE = 128, "efficientnet_lite0"


def setup(device: str, threads: int) -> torch.device:
    """Choose the device and make results repeatable on it.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", ...}
        `auto` takes the CUDA device that fewest jobs have, where there is one, and else the CPU;
        `cuda` takes such a device too, and `cuda:1` that very one.
    threads : int
        Threads of one job on the CPU. It is fixed by the configuration, not by the machine, since
        the order of summation (and so the last bit) depends on it.

    Raises
    ------
    UserError
        If CUDA is asked for and not there.
    """
    torch.set_num_threads(threads)
    if device in ("auto", "cuda") and torch.cuda.is_available():
        count = torch.cuda.device_count()  # of a divided GPU torch takes one part
        device = f"cuda:{gpus.claim((gpus.allowed() or [*map(str, range(count))])[:count])}"
    elif device == "auto":
        device = "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(gpus.MISSING.format(device))
    # warn_only: some CUDA kernels (the gradient of bilinear upsampling) have no repeatable form
    torch.use_deterministic_algorithms(True, warn_only=True)
    # would fill all new memory first, a tenth of a training step; no result of ours reads it unset
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device(device)


def set_precision(precision: str, device: torch.device, encoder: str, size: int) -> str:
    """Choose how networks compute, and make this process do so; all else is float32 in any case.

    Parameters
    ----------
    precision : {"auto", "float32", "tf32", "bfloat16"}
        `float32` is nothing less, not in convolutions either. `tf32` rounds the factors of products
        to 10 bits, `bfloat16` to 7 bits. `auto` is float32 on a CPU. On a GPU it is what is
        fastest: tf32 for images below `SMALL` pixels and for the network `DEPTHWISE`, else
        bfloat16.
    device : device
        As `setup` gave it.
    encoder : str
        As for `encoders.build_network`.
    size : int
        Side S of the images in pixels.

    Returns
    -------
    str
        What was chosen. Networks for bfloat16 are to be built with it, see `Encoder`.

    Raises
    ------
    UserError
        If tf32 is asked for on a CPU, which has none.
    """
    if precision == "auto" and device.type == "cuda":
        precision = "tf32" if size < SMALL or encoder == DEPTHWISE else "bfloat16"
    elif precision == "auto":
        precision = "float32"
    if precision == "tf32" and device.type != "cuda":
        raise UserError(
            "precision: tf32: only GPUs have it; set `precision: auto`, which is float32 on a CPU"
        )
    products = "tf32" if precision == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = products
    torch.backends.cudnn.conv.fp32_precision = products  # type: ignore[attr-defined]
    return precision


def generator(*parts: object) -> torch.Generator:
    """Return the random state of one job, on the CPU, from (seed, data set, angle, stage, …)."""
    return torch.Generator().manual_seed(seed_for(*parts))


def on_device(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """Return what draws on this device: on a CPU the generator itself, else one that it seeds."""
    if device.type == "cpu":
        return generator
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.Generator(device).manual_seed(seed)


def to_tensor(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy an array to the device, dtype and shape unchanged."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def to_images(array: np.ndarray, device: torch.device) -> Tensor:
    """Images as stored, uint8 [N, C, S, S], to float [N, C, S, S] in [0, 1] on the device."""
    return to_tensor(array, device).float() / 255


def to_bytes(images: Tensor) -> np.ndarray:
    """Images as floats in [0, 1], [N, C, S, S], to uint8 on the host, as they are stored."""
    return (images * 255).round().to(torch.uint8).cpu().numpy()
