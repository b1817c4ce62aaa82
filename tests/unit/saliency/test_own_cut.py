"""Own cut: where geometry alone makes a wave, it takes it away, and agrees with the view disc."""

import numpy as np
import pytest
import torch
from factories import harmonics
from skimage.transform import resize

from thetascope.datasets.options import load_items
from thetascope.learning.rotation import View
from thetascope.saliency.metrics import Scoring
from thetascope.saliency.scoring import score_maps

SIZE, ITEMS = 48, 8
THETA = np.arange(0, 360, 30.0)
METRICS = ("auroc", "dice_area", "dice_quantile", "relevance_mass")


def pictures(name):
    """Real pictures [N, 1, S, S] in grey, and their masks."""
    items = list(load_items(name, {}))[:: 4 if name == "mni152" else 6][:ITEMS]
    grey = [resize(i.image.mean(axis=0), (SIZE, SIZE), anti_aliasing=True) / 255 for i in items]
    masks = [resize(i.mask > 0, (SIZE, SIZE), order=0) for i in items]
    return torch.tensor(np.array(grey), dtype=torch.float32)[:, None], np.array(masks)


def curves(images, masks, view, darkness):
    """Curves of value and turning over θ, mean over items, of a map that turns with its picture.

    How dark, or bright, a pixel is, and more so far from the centre, so that corners count.
    """
    axis = torch.linspace(-1, 1, SIZE)
    far = 0.2 + axis[:, None] ** 2 + axis**2
    names = [f"{i:02d}" for i in range(len(masks))]
    noise = torch.rand(len(masks), SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    found = []
    for degrees in THETA:
        of_x, of_y = (
            (1 - x if darkness else x)[:, 0] * far
            for x in (view.original(images), view.rotated(images, degrees))
        )
        arrays = {
            "model.original.grey": view.settle(of_x, degrees).numpy(),
            "model.rotated.grey": view.align(of_y, degrees).numpy(),
            "baseline.original.random": noise.numpy(),
            "baseline.rotated.random": noise.numpy(),
            "valid.rotated": view.valid(images, degrees).numpy(),
        }
        table = score_maps(arrays | {"masks": masks}, names, names, Scoring(0.8, []))
        rows = table[table["attribution"] == "grey"].set_index("metric")
        found.append([rows.loc[m, ["value", "own_cut"]].mean() for m in METRICS])
    value, own_cut = np.moveaxis(np.array(found), 2, 0)
    return value, value - own_cut


@pytest.mark.parametrize(("name", "darkness"), [("mni152", False), ("retina", True), ("ihc", True)])
def test_a_wave_of_the_corners_is_gone_after_the_own_cut_as_in_the_disc(name, darkness):
    images, masks = pictures(name)
    amplitude = {}
    for canvas in ("zero", "disc"):
        value, turning = curves(images, masks, View(canvas), darkness)
        for series, curve in (("value", value), ("turning", turning)):
            amplitude[canvas, series] = harmonics(THETA, curve, [360, 180, 120, 90])[0][3]
    plain, left = amplitude["zero", "value"], amplitude["zero", "turning"]
    in_disc = amplitude["disc", "turning"]
    assert plain.max() > 0.005
    assert (abs(left - in_disc) <= 0.003 + 0.2 * plain).all()
