"""Dice, the U-Net and its training."""

import copy
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import torch
from factories import ENCODERS, squares
from sklearn.metrics import f1_score

from thetascope.learning.encoders import Encoder
from thetascope.learning.segmentation import (
    Finetune,
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
SETTINGS = Finetune(epochs=15, batch_size=4, lr=0.005, patience=15, decoder_channels=WIDTHS)


def trained(**changes):
    torch.manual_seed(0)
    images, masks = squares(12)
    generator = torch.Generator().manual_seed(0)
    settings = replace(SETTINGS, **changes)
    model = build_unet(Encoder("test_resnet", 3), 2, settings, generator)
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


def widths(model):
    return [block[0].out_channels for block in model.blocks]


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_carries_a_unet(name):
    model = UNet(Encoder(name, 3), 4, WIDTHS).eval()
    assert widths(model) == (WIDTHS if len(model.encoder.channels) == 5 else WIDTHS[1:])
    with torch.no_grad():
        assert model(torch.rand(1, 3, 64, 64)).shape == (1, 4, 64, 64)


def test_a_network_with_more_levels_than_the_decoder_has_widths():
    model = UNet(Encoder("selecsls42", 3), 2, WIDTHS).eval()  # strides 2 to 64
    assert widths(model) == [32, *WIDTHS]
    with torch.no_grad():
        assert model(torch.rand(1, 3, 64, 64)).shape == (1, 2, 64, 64)


@pytest.mark.parametrize("channels", [1, 4])
def test_other_channel_counts(channels):
    model = UNet(Encoder("test_resnet", channels), 2, WIDTHS).eval()
    with torch.no_grad():
        assert model(torch.rand(2, channels, 48, 48)).shape == (2, 2, 48, 48)


def test_training_learns_an_easy_mask_and_keeps_the_best_epoch():
    model, table = trained()
    images, masks = squares(12)
    dice = item_dice(predict(model, images, 4, torch.arange(8, 12)), masks[8:], 2).mean().item()
    assert dice > 0.85
    assert table["loss"].iloc[-1] < table["loss"].iloc[0]
    best = table.loc[table["best"], "validation_dice"].item()
    assert best == table["validation_dice"].max()
    kept = item_dice(predict(model, images, 4, torch.arange(8, 10)), masks[8:10], 2).mean().item()
    assert kept == pytest.approx(best, abs=1e-6)


def test_training_stops_when_it_no_longer_helps():
    _, table = trained(lr=1e-12, patience=2)
    best = table.loc[table["best"], "epoch"].item()
    assert len(table) == best + 2 < SETTINGS.epochs


# another value than in `SETTINGS`
OTHER = {"epochs": 2, "batch_size": 2, "lr": 0.02, "patience": 1, "decoder_channels": [8] * 5}


@pytest.mark.parametrize("name", [field.name for field in fields(Finetune)])
def test_no_setting_is_ignored(name):
    (usual, table), (other, its_table) = (
        trained(**{"epochs": 8, **changes}) for changes in ({}, {name: OTHER[name]})
    )
    shapes = [[p.shape for p in model.parameters()] for model in (usual, other)]
    assert (shapes[0] != shapes[1]) == (name == "decoder_channels")
    assert not table.equals(its_table)


def test_the_decoder_is_drawn_from_the_jobs_generator():
    def drawn(seed, global_seed):
        torch.manual_seed(0)
        encoder, generator = Encoder("test_resnet", 3), torch.Generator().manual_seed(seed)
        torch.manual_seed(global_seed)
        return build_unet(encoder, 2, SETTINGS, generator).blocks[0][0].weight

    assert torch.equal(drawn(0, 1), drawn(0, 2))
    assert not torch.equal(drawn(0, 1), drawn(1, 1))


def test_the_order_of_items_is_drawn_from_the_jobs_generator():
    torch.manual_seed(0)
    start = UNet(Encoder("test_resnet", 3), 2, WIDTHS)

    def weights(seed, global_seed):
        torch.manual_seed(global_seed)
        model, generator = copy.deepcopy(start), torch.Generator().manual_seed(seed)
        settings = replace(SETTINGS, epochs=1)
        finetune(model, *squares(12), range(8), [8, 9], settings, generator)
        return model.classifier.weight

    assert torch.equal(weights(0, 1), weights(0, 2))
    assert not torch.equal(weights(0, 1), weights(1, 1))


def test_what_is_left_of_the_last_batch_waits_for_the_next_epoch():
    """One item has one deepest pixel here, of which there are no batch statistics."""
    model, settings = UNet(Encoder("test_resnet", 3), 2, WIDTHS), replace(SETTINGS, epochs=1)
    finetune(model, *squares(12), range(9), [9, 10], settings, torch.Generator())
    assert model.blocks[0][1].num_batches_tracked == 2


def test_the_loss_of_an_epoch_is_the_mean_over_its_batches():
    torch.manual_seed(0)
    model, (images, masks) = UNet(Encoder("test_resnet", 3), 2, WIDTHS), squares(12)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        losses = [soft_dice_loss(model(images[b]), masks[b]).item() for b in order.split(4)]
    settings, generator = replace(SETTINGS, epochs=1, lr=1e-12), torch.Generator().manual_seed(3)
    table = finetune(model, images, masks, range(8), [8, 9], settings, generator)
    assert table["loss"].tolist() == pytest.approx([np.mean(losses)], rel=1e-5)
    assert abs(np.diff(losses)) > 1e-3


def test_an_epoch_that_is_only_as_good_is_not_kept(monkeypatch):
    _, masks = squares(12)
    monkeypatch.setattr("thetascope.learning.segmentation.predict", lambda *_: masks[8:10])
    assert trained(patience=2)[1]["best"].tolist() == [True, False, False]


def test_a_class_that_an_item_lacks_does_not_count_in_its_validation_dice(monkeypatch):
    images, masks = squares(12)
    masks[8, :4] = 2  # in one validation item of two, and never found
    found = torch.where(masks[8:10] == 2, 0, masks[8:10])
    monkeypatch.setattr(
        "thetascope.learning.segmentation.predict", lambda model, images, size, rows, label: found
    )
    model, settings = UNet(Encoder("test_resnet", 3), 3, WIDTHS), replace(SETTINGS, epochs=1)
    table = finetune(model, images, masks, range(8), [8, 9], settings, torch.Generator())
    assert table["validation_dice"].tolist() == pytest.approx([2 / 3])  # 1, 0, and 1


def test_same_seed_same_weights():
    first, second = trained(epochs=2)[0], trained(epochs=2)[0]
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_saved_and_loaded_it_computes_the_same(tmp_path):
    model, _ = trained(epochs=1)
    save_unet(model, tmp_path / "finetuned.pt", {"rule": "finetune"})
    again = load_unet("test_resnet", 3, tmp_path / "finetuned.pt").eval()
    images, _ = squares(2)
    torch.testing.assert_close(again(images), model.eval()(images), rtol=1e-5, atol=1e-5)
    half = load_unet("test_resnet", 3, tmp_path / "finetuned.pt", "bfloat16").eval()
    assert 1e-4 < (half(images) - again(images)).norm() / again(images).norm() < 0.1


def test_scores_stand_beside_chance_for_as_many_pixels_anywhere():
    model, _ = trained(epochs=1)
    images, masks = squares(3)
    items = pd.DataFrame({"id": ["a", "b", "c"], "case": ["x", "x", "y"]})
    scores = segmentation_scores(model, images, masks, items, 2)
    share, predicted = 14 * 14 / 32**2, predict(model, images, 3).float().mean(dim=(1, 2))
    assert scores["item"].tolist() == ["a", "b", "c"]
    expected = [2 * share * p / (share + p) for p in predicted.tolist()]
    assert scores["chance"].tolist() == pytest.approx(expected)


def test_scores_are_of_the_rows_that_the_items_have():
    model, _ = trained(epochs=1)
    images, masks = squares(6)
    rows = [5, 1]
    items = pd.DataFrame({"id": ["f", "b"], "case": ["x", "y"]}, rows)
    scores = segmentation_scores(model, images, masks, items, 2)
    expected = item_dice(predict(model, images[rows], 2), masks[rows], 2)[:, 0]
    assert scores["dice"].tolist() == expected.tolist()


def test_soft_dice_loss_of_the_opposite_is_nearly_1():
    masks = torch.zeros(2, 64, 64, dtype=torch.long)
    masks[:, :32] = 1
    logits = 50.0 * torch.stack([masks, 1 - masks], dim=1)
    assert soft_dice_loss(logits, masks).item() == pytest.approx(1, abs=1e-3)


def test_soft_dice_loss_of_a_batch_without_foreground_falls_with_the_false_alarms():
    masks = torch.zeros(1, 8, 8, dtype=torch.long)
    logits = torch.zeros(1, 2, 8, 8, requires_grad=True)
    soft_dice_loss(logits, masks).backward()
    assert (logits.grad[:, 1] > 0).all()


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", ["test_convnext", "test_vit", "efficientnet_lite0"])
@torch.no_grad()
def test_every_family_carries_a_unet_for_other_channel_counts(name, channels):
    model = UNet(Encoder(name, channels), 2, WIDTHS).eval()
    logits = model(torch.rand(1, channels, 32, 32))
    assert logits.shape == (1, 2, 32, 32)
    assert logits.isfinite().all()


def test_every_skip_reaches_the_output():
    """Without a level the logits differ, if little: an untrained decoder weakens deep ones."""
    torch.manual_seed(0)
    model = UNet(Encoder("test_resnet", 3), 2, WIDTHS).eval()
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        maps = model.encoder.pyramid(images)
        reference = model(images)
        for level in range(len(maps)):
            changed = [torch.zeros_like(m) if i == level else m for i, m in enumerate(maps)]
            model.encoder.pyramid = lambda _, changed=changed: changed
            assert not torch.equal(model(images), reference)


def test_an_untrained_model_does_not_know_the_easy_mask_and_training_moves_the_encoder():
    torch.manual_seed(0)
    images, masks = squares(12)
    model = build_unet(Encoder("test_resnet", 3), 2, SETTINGS, torch.Generator().manual_seed(0))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    untrained = predict(model, images, 4, torch.arange(8, 12))
    assert item_dice(untrained, masks[8:], 2).mean().item() < 0.6
    finetune(model, images, masks, range(8), [8, 9], replace(SETTINGS, epochs=1), torch.Generator())
    after = model.state_dict()
    weights = [key for key in before if key.startswith("encoder.network") and "conv" in key]
    for key in weights[0], weights[-1]:
        assert not torch.equal(before[key], after[key])


def test_the_best_epochs_weights_are_those_of_a_run_that_ends_there(monkeypatch):
    """Which epoch validates best is a matter of chance: here the third is made to."""
    _, masks = squares(12)
    calls = []

    def perfect_in_the_third_epoch(model, images, batch_size, rows, label):
        model.eval()
        calls.append(len(rows))
        return masks[8:10] if len(calls) == 3 else torch.zeros_like(masks[8:10])

    monkeypatch.setattr("thetascope.learning.segmentation.predict", perfect_in_the_third_epoch)
    model, table = trained(epochs=6)
    assert calls == [2] * 6
    assert table["best"].tolist() == [False, False, True, False, False, False]
    # batch-norm learnt in each of the three epochs, two batches in each
    assert model.blocks[0][1].num_batches_tracked == 6
    calls.clear()
    shorter, _ = trained(epochs=3)
    for a, b in zip(model.state_dict().values(), shorter.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_predictions_do_not_depend_on_the_batch():
    model, _ = trained(epochs=1)
    images, _ = squares(5)
    model.train()
    by_2, by_5 = (predict(model, images, size, torch.arange(5)) for size in (2, 5))
    assert torch.equal(by_2, by_5)
    assert not model.training


def test_scores_of_several_classes_by_hand():
    model, _ = trained(epochs=1)
    model.classifier = torch.nn.Conv2d(WIDTHS[-1], 3, 1)
    with torch.no_grad():  # says 1 everywhere
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    images = torch.rand(2, 3, 32, 32)
    masks = torch.zeros(2, 32, 32, dtype=torch.uint8)
    masks[0, :16] = 1  # half
    masks[:, 24:] = 2  # a quarter
    items = pd.DataFrame({"id": ["a", "b"], "case": ["x", "y"]})
    scores = segmentation_scores(model, images, masks, items, 2).set_index(["label", "item"])
    half = 2 * 0.5 / 1.5
    assert scores.loc[(1, "a"), ["dice", "chance"]].tolist() == pytest.approx([half, half])
    assert scores.loc[(1, "b"), ["dice", "chance"]].isna().all()
    assert scores.loc[2, "dice"].tolist() == [0, 0]
    assert scores.loc[2, "chance"].tolist() == [0, 0]  # of no pixel
    assert scores["case"].tolist() == ["x", "y", "x", "y"]
