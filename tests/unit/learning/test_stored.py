"""Images as bytes: the same pixels whether they are kept as floats or made batch by batch."""

from functools import partial

import pytest
import torch
from factories import noise_images, pretraining

from thetascope.learning import pretraining as module
from thetascope.learning.encoders import Encoder
from thetascope.learning.pretraining import pairs_of, pretrain
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import Finetune, build_unet, finetune
from thetascope.learning.stored import PART, Stored

BYTES = torch.from_numpy(noise_images(10, 3, 32))
FLOATS = BYTES / 255
VIEWS = {
    "rotated": partial(View().rotated, degrees=30.0),
    "crop": partial(View("crop", "bicubic").rotated, degrees=77.0),
    "matched": partial(View(matched=True).original, degrees=30.0),
    "disc": View("disc").original,
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_images_are_made_of_bytes_whether_kept_or_not(view):
    stored, expected = Stored(BYTES, view), view(FLOATS)
    rows = torch.tensor([3, 9, 0])
    assert torch.equal(stored[rows], expected[rows])
    assert torch.equal(Stored(FLOATS, view)[rows], expected[rows])
    kept = stored.kept(BYTES.numel() * 4)
    assert torch.equal(kept, expected)
    assert stored.kept(BYTES.numel() * 4 - 1) is stored
    assert len(kept) == len(stored) == 10


def test_many_are_made_part_by_part():
    images = torch.arange(2 * PART + 3, dtype=torch.uint8).view(-1, 1, 1, 1)
    sizes = []

    def view(batch):
        sizes.append(len(batch))
        return batch

    assert torch.equal(Stored(images, view).kept(), images / 255)
    assert sizes == [PART, PART, 3]


@pytest.mark.parametrize("angle", [30.0, 90.0])
def test_pairs_are_the_same_where_they_do_not_fit(angle, monkeypatch):
    rows = torch.tensor([4, 1])
    kept = pairs_of(BYTES, angle, View(), torch.Generator())(rows, rows)
    monkeypatch.setattr(module, "KEPT", 0)
    made = pairs_of(BYTES, angle, View(), torch.Generator())(rows, rows)
    for a, b, expected in zip(kept, made, (0.0, angle), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, View().rotated(FLOATS[rows], expected))


def test_both_views_together_are_kept_up_to_the_limit(monkeypatch):
    made = []
    monkeypatch.setattr(Stored, "kept", lambda _, limit: made.append(limit))
    monkeypatch.setattr(module, "KEPT", 1000)
    pairs_of(BYTES, 30.0, View(), torch.Generator())
    assert made == [500, 500]


@pytest.mark.parametrize("angle", [30.0, None])
def test_pre_training_on_bytes_is_that_on_floats(angle, monkeypatch):
    def weights(images):
        torch.manual_seed(0)
        encoder, drawn = Encoder("resnet18", 3), torch.Generator().manual_seed(0)
        pretrain(encoder, images, angle, View(), "moco", pretraining(), drawn)
        return encoder.network.conv1.weight

    expected = weights(FLOATS)
    monkeypatch.setattr(module, "KEPT", 0)
    assert torch.equal(weights(BYTES), expected)


def test_fine_tuning_on_bytes_is_that_on_floats():
    settings, masks = Finetune(2, 4, 0.01, 2, [8] * 5), (FLOATS.mean(1) > 0.5).byte()

    def weights(images):
        torch.manual_seed(0)
        model = build_unet(Encoder("resnet18", 3), 2, settings, torch.Generator().manual_seed(0))
        finetune(model, images, masks, range(8), [8, 9], settings, torch.Generator())
        return model.classifier.weight

    assert torch.equal(weights(Stored(BYTES, View().original)), weights(FLOATS))
