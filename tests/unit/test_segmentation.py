"""Dice, the U-Net and its training."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import f1_score

from thetascope.encoders import TIMM_NAMES, Encoder
from thetascope.segmentation import (
    UNet,
    build_unet,
    finetune,
    item_dice,
    load_unet,
    predict,
    save_unet,
    segmentation_scores,
    soft_dice_loss,
)

WIDTHS = [32, 16, 16, 8, 8]
SETTINGS = {
    "epochs": 15,
    "batch_size": 4,
    "lr": 0.005,
    "patience": 15,
    "decoder_channels": WIDTHS,
}


def easy_problem(n=12):
    """Bright squares on dark ground."""
    images = torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.2
    masks = torch.zeros(n, 32, 32, dtype=torch.uint8)
    for i in range(n):
        top, left = 2 + i % 8, 14 - i % 7
        masks[i, top : top + 14, left : left + 14] = 1
    return images + 0.7 * masks[:, None], masks


def trained(**changes):
    torch.manual_seed(0)
    images, masks = easy_problem()
    generator = torch.Generator().manual_seed(0)
    model = build_unet(Encoder("resnet18", 3), 2, SETTINGS, generator)
    settings = {**SETTINGS, **changes}
    table = finetune(model, images, masks, range(8), [8, 9], settings, generator)
    return model, table


def test_soft_dice_loss_against_numpy():
    logits = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    masks = torch.randint(0, 3, (3, 8, 8))
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=1, keepdims=True)
    dice = []
    for label in (1, 2):
        truth = masks.numpy() == label
        both = (p[:, label] * truth).sum()
        dice.append((2 * both + 1) / (p[:, label].sum() + truth.sum() + 1))
    assert soft_dice_loss(logits, masks).item() == pytest.approx(1 - np.mean(dice))


def test_soft_dice_loss_of_a_perfect_prediction_is_0():
    masks = torch.randint(0, 2, (2, 16, 16))
    logits = 50.0 * torch.stack([1 - masks, masks], dim=1)
    assert soft_dice_loss(logits, masks).item() == pytest.approx(0, abs=1e-6)


def test_item_dice_against_f1():
    predictions, masks = (torch.randint(0, 3, (4, 9, 9)) for _ in range(2))
    ours = item_dice(predictions, masks, 3)
    for i in range(4):
        theirs = f1_score(masks[i].flatten(), predictions[i].flatten(), labels=[1, 2], average=None)
        np.testing.assert_allclose(ours[i], theirs, rtol=1e-6)


def test_item_dice_has_no_value_where_the_class_is_absent():
    masks = torch.zeros(2, 4, 4, dtype=torch.uint8)
    masks[1, 0] = 1
    predictions = torch.zeros_like(masks)
    predictions[0, 0] = 1  # a false alarm where there is nothing to find
    assert item_dice(predictions, masks, 2)[0].isnan().all()
    assert item_dice(predictions, masks, 2)[1].item() == 0


@pytest.mark.parametrize("name", TIMM_NAMES)
def test_every_encoder_carries_a_unet(name):
    model = UNet(Encoder(name, 3), 4, WIDTHS).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 3, 64, 64)).shape == (1, 4, 64, 64)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channel_counts(channels):
    model = UNet(Encoder("resnet18", channels), 2, WIDTHS).eval()
    with torch.no_grad():
        assert model(torch.rand(2, channels, 48, 48)).shape == (2, 2, 48, 48)


def test_training_learns_an_easy_mask_and_keeps_the_best_epoch():
    model, table = trained()
    images, masks = easy_problem()
    dice = item_dice(predict(model, images[8:], 4), masks[8:], 2).mean().item()
    assert dice > 0.85
    assert table["loss"].iloc[-1] < table["loss"].iloc[0]
    best = table.loc[table["best"], "validation_dice"].item()
    assert best == table["validation_dice"].max()
    kept = item_dice(predict(model, images[8:10], 4), masks[8:10], 2).mean().item()
    assert kept == pytest.approx(best, abs=1e-6)


def test_training_stops_when_it_no_longer_helps():
    _, table = trained(lr=1e-12, patience=2)
    best = table.loc[table["best"], "epoch"].item()
    assert len(table) == best + 2 < SETTINGS["epochs"]


def test_same_seed_same_weights():
    first, second = trained(epochs=2)[0], trained(epochs=2)[0]
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_saved_and_loaded_it_computes_the_same(tmp_path):
    model, _ = trained(epochs=1)
    save_unet(model, tmp_path / "finetuned.pt", {"rule": "finetune"})
    again = load_unet("resnet18", 3, tmp_path / "finetuned.pt").eval()
    images, _ = easy_problem(2)
    torch.testing.assert_close(again(images), model.eval()(images), rtol=1e-5, atol=1e-5)


def test_scores_stand_beside_calling_everything_foreground():
    model, _ = trained(epochs=1)
    images, masks = easy_problem(3)
    items = pd.DataFrame({"id": ["a", "b", "c"], "case": ["x", "x", "y"]})
    scores = segmentation_scores(model, images, masks, items, 2)
    share = 14 * 14 / 32**2
    assert scores["item"].tolist() == ["a", "b", "c"]
    assert scores["baseline"].tolist() == pytest.approx([2 * share / (share + 1)] * 3)
