"""Encoders: any network of timm behind one interface, for images in [0, 1] of any channel count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
import torch
import torch.nn.functional as F
from timm.layers import DropPath
from torch import Tensor, nn

from thetascope.errors import UserError
from thetascope.learning.timm_names import timm_name

STRIDES = 4, 8, 16, 32  # of the pyramid that is made of one resolution


def build_network(name: str, in_channels: int = 3, *, pretrained: bool = False) -> Any:
    """Build the bare timm network of an encoder, without classifier.

    A network of a fixed picture size is built for any size, where timm can. Layers that drop units
    or paths at random drop none: rotation is the only augmentation, and a job has one random state.

    Parameters
    ----------
    name : str
        A name of `timm_names.known`, with or without a tag of weights, or an alias.
    in_channels : int
        Channels of the images.
    pretrained : bool
        With timm's weights, which timm downloads, instead of random ones.
    """
    options: dict[str, Any] = {"pretrained": pretrained, "num_classes": 0, "in_chans": in_channels}
    try:
        network = timm.create_model(timm_name(name), dynamic_img_size=True, **options)
    except TypeError:  # it knows no such argument: most sizes are free anyway
        network = timm.create_model(timm_name(name), **options)
    for module in network.modules():
        if isinstance(module, DropPath):
            module.drop_prob = 0.0
        elif isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def check_side(name: str, side: int) -> None:
    """See that an encoder takes pictures of a side in pixels, by showing it one.

    Raises
    ------
    UserError
        If it does not.
    """
    encoder = Encoder(name).eval()
    blank = torch.zeros(1, 3, side, side)
    try:
        with torch.no_grad():
            encoder(blank)
            encoder.pyramid(blank)
    except Exception as error:  # every network has its own
        raise UserError(
            f"image_size: {side}: {name} does not take pictures of this size ({error}); it takes "
            f"{encoder.network.pretrained_cfg['input_size'][-1]}"
        ) from error


def memory_format(network: nn.Module, device: torch.device) -> torch.memory_format:
    """Order in memory in which a network is fastest: channels last, but for depthwise ones on CUDA.

    There cuDNN builds kernels for convolutions of single channels when they are first used, for up
    to 25 s in all, and gains nothing by them.
    """
    if device.type != "cuda":
        return torch.channels_last
    depthwise = any(m.groups > 1 for m in network.modules() if isinstance(m, nn.Conv2d))
    return torch.contiguous_format if depthwise else torch.channels_last


class Encoder(nn.Module):
    """An image encoder f: images in [0, 1] → feature vectors, and a feature pyramid.

    Parameters
    ----------
    name : str
        As for `build_network`.
    in_channels : int
        Channels of the images. The normalisation is that of the network's ImageNet weights; for
        other than three channels each channel takes the mean over RGB.
    precision : {"float32", "tf32", "bfloat16"}
        With `bfloat16` the network computes in it, by autocast; its weights and what it gives are
        float32 all the same. The other two are the process's, see `runtime.set_precision`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, in_channels: int = 3, precision: str = "float32") -> None:
        super().__init__()
        self.name, self.in_channels, self.precision = name, in_channels, precision
        self.network: Any = build_network(name, in_channels)
        for key in ("mean", "std"):
            rgb = torch.tensor(self.network.pretrained_cfg[key])
            values = rgb if in_channels == 3 else rgb.mean().expand(in_channels)
            self.register_buffer(key, values.reshape(1, -1, 1, 1).clone(), persistent=False)
        # mobile networks have one more layer after the pooling
        self.num_features: int = getattr(
            self.network, "head_hidden_size", self.network.num_features
        )
        levels = list(self.network.feature_info)
        self.levels = _levels([info["reduction"] for info in levels])
        #: channels of the maps of `pyramid`, finest first
        self.channels: list[int] = [levels[index]["num_chs"] for index in self.levels[0]]

    def _normalise(self, images: Tensor) -> Tensor:
        normalised = (images - self.mean) / self.std
        return normalised.contiguous(memory_format=memory_format(self.network, images.device))

    def autocast(self, device: torch.device) -> torch.autocast:
        """Within this block networks compute in the encoder's precision."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def forward(self, images: Tensor) -> Tensor:
        """Float [N, C, S, S] in [0, 1] → pooled features [N, num_features]."""
        with self.autocast(images.device):
            features: Tensor = self.network(self._normalise(images))
        return features.to(images)

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """Float [N, C, S, S] in [0, 1] → maps, finest first, in most networks each half the last.

        They are of the precision that is asked for by `autocast` around the call.

        A vision transformer has one resolution throughout; four of its depths, evenly spaced, are
        resampled to strides 4, 8, 16 and 32, as in ViTDet (Li et al. 2022, arXiv 2203.16527).
        """
        indices, resampled = self.levels
        maps: list[Tensor] = self.network.forward_intermediates(
            self._normalise(images), indices=indices, output_fmt="NCHW", intermediates_only=True
        )
        if not resampled:
            return maps
        sides = [images.shape[-1] // stride for stride in STRIDES]
        return [_resampled(m, side) for m, side in zip(maps, sides, strict=True)]


def _resampled(maps: Tensor, side: int) -> Tensor:
    """Bilinear, maps [N, C, s, s] → [N, C, side, side].

    By matrices, since the gradient of `F.interpolate` on a GPU is slow where it is repeatable.
    """
    impulses = torch.eye(maps.shape[-1], device=maps.device, dtype=maps.dtype)[None]
    weights = F.interpolate(impulses, size=side, mode="linear", align_corners=False)[0]
    return weights.T @ maps @ weights


def _levels(strides: Sequence[int]) -> tuple[list[int], bool]:
    """Which intermediate maps make the pyramid, and whether they are to be resampled.

    The deepest map of every stride; where all have the same one, four of them, evenly spaced.

    >>> _levels([4, 8, 8, 16]), _levels([16] * 12)
    (([0, 2, 3], False), ([2, 5, 8, 11], True))
    """
    deepest = {stride: index for index, stride in enumerate(strides)}
    if len(deepest) > 1:
        return list(deepest.values()), False
    return [len(strides) * part // len(STRIDES) - 1 for part in (1, 2, 3, 4)], True
