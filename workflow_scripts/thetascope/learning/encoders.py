"""Encoders: timm networks behind one interface, for images in [0, 1] with any channel count."""

from __future__ import annotations

from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TIMM_NAMES = {
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "convnext_tiny": "convnext_tiny",
    "vit_base_patch16_224": "vit_base_patch16_224",
    "efficientnet_lite0": "tf_efficientnet_lite0",
}


def build_network(name: str, in_channels: int = 3) -> Any:
    """Build the bare timm network of an encoder, without classifier and with random weights."""
    options = {"dynamic_img_size": True} if name.startswith("vit") else {}
    return timm.create_model(
        TIMM_NAMES[name], pretrained=False, num_classes=0, in_chans=in_channels, **options
    )


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
        A key of `TIMM_NAMES`.
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
        self.num_features: int = self.network.num_features

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
        """Float [N, C, S, S] in [0, 1] → maps, finest first, each half the last in size.

        They are of the precision that is asked for by `autocast` around the call.

        A vision transformer has one resolution throughout; four of its depths, evenly spaced, are
        resampled to strides 4, 8, 16 and 32, as in ViTDet (Li et al. 2022, arXiv 2203.16527).
        """
        transformer = self.name.startswith("vit")
        maps: list[Tensor] = self.network.forward_intermediates(
            self._normalise(images),
            indices=[2, 5, 8, 11] if transformer else None,
            output_fmt="NCHW",
            intermediates_only=True,
        )
        if not transformer:
            return maps
        size = images.shape[-1]
        return [
            F.interpolate(m, size=(size // stride,) * 2, mode="bilinear", align_corners=False)
            for m, stride in zip(maps, (4, 8, 16, 32), strict=True)
        ]
