#!/usr/bin/env python3
"""How much maps of different pictures are the same, in networks that have learnt nothing.

Usage: python bench/sameness.py FOLDER FIGURE NETWORK… Folder: of a prepared data set, such as
results/data/ihc. It prints the sameness of maps of x of every network, and draws three maps each.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import yaml

from thetascope.datasets.arrays import read_array
from thetascope.files import read_csv
from thetascope.learning.encoders import Encoder
from thetascope.learning.rotation import View
from thetascope.saliency.maps import Saliency, choose_items, saliency_maps
from thetascope.saliency.scoring import sameness

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text())
OF_SCORING = "quantile", "extra_metrics"
SECTION = {k: v for k, v in CONFIG["saliency"].items() if k not in OF_SCORING}
SECTION |= {"items": 12, "samples": 16}
KEY, SHOWN = "pretrained.original.smoothgrad", 3


def main():
    """Map twelve test pictures, in pairs with themselves turned by half a circle."""
    folder, figure, *networks = sys.argv[1:]
    manifest = read_csv(Path(folder, "manifest.csv"))
    rows = choose_items(manifest, SECTION["items"])
    cases = manifest.loc[rows, "case"].tolist()
    images = torch.from_numpy(read_array(Path(folder, "images.npy"))[rows]).float() / 255
    drawn = {"picture": images[:SHOWN].mean(dim=1).numpy()}
    for name in networks:
        torch.manual_seed(0)
        encoder, drawer = Encoder(name, images.shape[1]), torch.Generator().manual_seed(0)
        view, settings = View(canvas="disc", matched=True), Saliency.of_section(SECTION)
        arrays = saliency_maps(encoder, None, images, 180.0, view, settings, drawer)
        alike = sameness(arrays[KEY][:, arrays["valid.original"]], cases).mean()
        print(f"{name}: sameness {alike:.2f}", flush=True)
        drawn[f"{name}\n{alike:.2f}"] = arrays[KEY][:SHOWN]
    _, grid = plt.subplots(SHOWN, len(drawn), figsize=(1.6 * len(drawn), 1.6 * SHOWN + 0.5))
    for (name, pictures), column in zip(drawn.items(), grid.T, strict=True):
        column[0].set_title(name)
        for picture, axes in zip(pictures, column, strict=True):
            axes.imshow(picture, "gray" if name == "picture" else "magma")
            axes.set_axis_off()
    plt.tight_layout()
    plt.savefig(figure, dpi=110)


if __name__ == "__main__":
    main()
