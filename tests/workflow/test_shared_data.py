"""The adapters on real subsets of the reference data sets, where the machine has them."""

from pathlib import Path

import numpy as np
import pytest

from thetascope.datasets.options import load_items

DATA = Path(__file__).parents[3] / "shared" / "data"
SETS = {
    "kvasir": ("kvasir_seg", {"path": "Kvasir-SEG"}, 62, 3),
    "lung": ("lung_mask", {"path": "LungMask"}, 40, 1),
    "brats": (
        "brats",
        {"path": "BraTS", "modalities": ["flair", "t1ce"], "slices": "largest"},
        4,
        2,
    ),
    "cvc": (
        "folder",
        {
            "path": "CVC-ClinicDB/PNG",
            "images": "Original/*.png",
            "masks": "Ground Truth/*.png",
            "case_size": 10,
        },
        76,
        3,
    ),
}


@pytest.mark.skipif(not DATA.is_dir(), reason="the real subsets are not on this machine")
@pytest.mark.parametrize("name", SETS)
def test_real_subsets(name):
    adapter, options, count, channels = SETS[name]
    items = list(load_items(adapter, {**options, "path": str(DATA / options["path"])}))
    assert len(items) == count
    for item in items:
        assert item.image.shape == (channels, *item.mask.shape)
        assert set(np.unique(item.mask)) <= {0, 1}
        assert 0 < item.mask.mean() < 0.9
