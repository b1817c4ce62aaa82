"""Features of an encoder, which are compared with those of others."""

import numpy as np
import pytest
import torch
from torch import nn

from thetascope.angles import NONE
from thetascope.learning.contrastive import Pretrain
from thetascope.learning.features import features_of
from thetascope.learning.rotation import View


class Rows(nn.Module):
    """An encoder that gives the pixels, and must not be in training."""

    def forward(self, images):
        assert not self.training
        return images.flatten(1)


@pytest.mark.parametrize("canvas", ["zero", "disc"])
def test_features_are_of_every_image_as_the_view_shows_it(canvas):
    stored = torch.randint(0, 256, (150, 1, 6, 6), dtype=torch.uint8)
    found = features_of(Rows().train(), stored, View(canvas))
    expected = View(canvas).original(stored / 255).flatten(1).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_run_without_training_has_no_epoch_and_no_spike():
    section = dict.fromkeys(Pretrain.__dataclass_fields__) | {"epochs": 3, "spike": {"period": 60}}
    assert Pretrain.of_run(section, "030.0") == Pretrain(**section)
    assert Pretrain.of_run(section, NONE) == Pretrain(**section | {"epochs": 0, "spike": None})
