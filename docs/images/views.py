"""Draws views.png: what each canvas makes of a picture that is turned.

`python docs/images/views.py`, in the development set-up.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from skimage import data, transform

from thetascope.learning.rotation import View

ANGLE, SIDE = 30.0, 256

tile = transform.resize(data.retina()[350:1060, 350:1060], (SIDE, SIDE), anti_aliasing=True)
image = torch.from_numpy(tile).float().permute(2, 0, 1)[None]
names = ["x", *(f"canvas: {canvas}" for canvas in ("zero", "reflect", "disc", "crop"))]

figure, axes = plt.subplots(2, len(names), figsize=(9, 3.9), layout="constrained")
for name, (above, below) in zip(names, axes.T, strict=True):
    view = View(canvas=name.split(": ")[-1]) if ":" in name else None
    shown = view.rotated(image, ANGLE) if view else image
    above.imshow(shown[0].permute(1, 2, 0).clamp(0, 1))
    above.set_title(name, fontsize=9)
    if view:
        below.imshow(view.valid(image, ANGLE), cmap="gray", vmin=0, vmax=1)
        below.set_title("scored pixels (white)", fontsize=8)
for ax in axes.flat:
    ax.set_axis_off()
figure.savefig(Path(__file__).with_suffix(".png"), dpi=150)
