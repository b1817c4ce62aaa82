"""Pictures and maps that the explorer shows are those of the files."""

import base64
import hashlib
import io
import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
from factories import square_mask
from skimage.io import imread

from thetascope.files import write_csv
from thetascope.report import mapped
from thetascope.saliency.metrics import binarise_area, dice

ARM = {"dataset": "brains", "view": "plain", "encoder": "e", "method": "moco"}
SIZE = 160


def turn(evaluation, images, masks):
    """By a half turn, whatever θ is; exact."""
    return images, images[..., ::-1, ::-1], masks[..., ::-1, ::-1]


@pytest.fixture
def evaluation(tmp_path):
    """Maps of three items, the middle mask of which is a square, and their files.

    Trained at 60 and evaluated at 0, and shown at neither: θ is what the rules say.
    """
    masks = np.stack(
        [
            square_mask(SIZE, (0, 2), (0, 2)),
            square_mask(SIZE, (40, 80), (100, SIZE)),
            np.ones((SIZE, SIZE), np.uint8),
        ]
    )
    shown = np.ones((SIZE, SIZE), bool)
    shown[:50, -20:] = False
    ramp = np.broadcast_to(np.linspace(0, 1, SIZE, dtype=np.float32), (3, SIZE, SIZE))
    inputs = "original", "rotated"
    names = [f"pretrained.{input_}.smoothgrad" for input_ in (*inputs, "unaligned")]
    arrays = {"masks": masks, "items": np.array([4, 5, 6]), "valid.original": masks[2] > 0}
    arrays |= {"valid.rotated": shown, "valid.unaligned": shown}
    maps, images = tmp_path / "saliency.npz", tmp_path / "images.npy"
    np.savez(maps, **arrays, **dict.fromkeys(names, ramp))
    pictures = np.zeros((7, 2, SIZE, SIZE), np.uint8)
    pictures[5, 0, :, :80] = 200
    np.save(images, pictures)
    digest = hashlib.sha256(images.read_bytes()).hexdigest()
    manifest = tmp_path / "manifest.csv"
    write_csv(pd.DataFrame({"id": list("wxyzabc")}), manifest, {"arrays": {images.name: digest}})
    rows = [
        {"item": item, "model": "pretrained", "input": input_, "attribution": "smoothgrad"}
        | {"metric": metric, "value": 0.1 * i, "chance": 0.01, "own_cut": np.nan}
        for (i, item), input_, metric in product(
            enumerate("abc", 1), inputs, ("dice_area", "auroc")
        )
    ]
    scores = tmp_path / "dice.csv"
    write_csv(pd.DataFrame(rows), scores, {})
    wildcards = {**ARM, "seed": 3, "angle": "060.0", "eval_angle": "000.0", "theta": 30.0}
    return wildcards, (maps, scores), {"brains": (images, manifest)}


def decoded(uri):
    return imread(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def shown_by(found):
    """The first picture that the page shows, with what it points to in place of places."""
    panel = found["sets"]["brains"]
    item = panel["items"][panel["first"]]
    return panel, item, lambda place: decoded(found["pictures"][place])


def test_the_middle_item_is_shown_first_with_its_pictures_map_marked_pixels_and_scores(evaluation):
    wildcards, files, images = evaluation
    panel, item, picture = shown_by(mapped.panels([wildcards], [files], images, turn))
    assert (panel["arm"], panel["seed"], panel["size"], panel["mapped"]) == (ARM, 3, SIZE, 3)
    assert panel["angles"] == [30] and [one["id"] for one in panel["items"]] == ["a", "b", "c"]
    assert item["id"] == "b"
    (angle,) = item["angles"]
    assert angle["maps"].keys() == {
        "pretrained.original.smoothgrad",
        "pretrained.rotated.smoothgrad",
    }
    side = mapped.SIDE
    x, y = picture(angle["original"]), picture(angle["rotated"])
    assert x.shape[:2] == (side, side)
    for one, bright in (x, slice(side // 2 - 4)), (y, slice(side // 2 + 4, None)):
        assert one[:, bright].mean() == pytest.approx(200, abs=5)
    of = angle["maps"]["pretrained.rotated.smoothgrad"]
    brightness = picture(of["map"])[..., :3].mean(axis=(0, 2))
    assert brightness[0] < 10 and brightness[-1] > 200 and (np.diff(brightness[::16]) > 0).all()
    with np.load(files[0]) as arrays:
        mask = arrays["masks"][1] > 0
        shown, saliency = arrays["valid.rotated"], arrays["pretrained.rotated.smoothgrad"][1]
    expected = binarise_area(saliency[shown], int(mask[shown].sum()))
    marked = picture(of["marked"])
    assert marked.astype(bool).mean() == pytest.approx(expected.sum() / mask.size, abs=0.01)
    assert not marked[: side // 4, -side // 10 :].any()  # what is not shown
    of_x = picture(angle["maps"]["pretrained.original.smoothgrad"]["marked"])
    assert of_x[: side // 4, -side // 20 :].all()  # which shows all
    assert {name: of[name] for name in ("value", "chance", "own_cut")} == {
        **{"value": 0.2, "chance": 0.01, "own_cut": None}
    }
    assert dice(expected, mask[shown]) > 0  # the pixels marked are not those of nothing


def test_every_map_stands_at_its_own_angle(evaluation, tmp_path):
    """Two evaluations of one item, whose maps mark opposite sides."""
    first, (maps, scores), images = evaluation
    other = tmp_path / "other.npz"
    with np.load(maps) as arrays:
        turned = {k: a[..., ::-1] if k.endswith(".smoothgrad") else a for k, a in arrays.items()}
        np.savez(other, **turned)
    runs = [first, first | {"angle": "090.0", "theta": 200.0}]
    found = mapped.panels(runs, [(maps, scores), (other, scores)], images, turn)
    panel, item, picture = shown_by(found)
    assert panel["angles"] == [30, 200]
    for at, bright in zip(item["angles"], (slice(-20, None), slice(20)), strict=True):
        marked = picture(at["maps"]["pretrained.original.smoothgrad"]["marked"])
        assert marked[:, bright].mean() > 0.3


def test_outlines_enclose_the_mask_and_the_turned_mask(evaluation):
    wildcards, files, images = evaluation
    _, item, _ = shown_by(mapped.panels([wildcards], [files], images, turn))
    for path, bounds in (
        (item["outline"], [100, 160, 40, 80]),
        (item["angles"][0]["turned_outline"], [0, 60, 80, 120]),
    ):
        (line,) = re.findall("M(.+?)Z", path)
        x, y = np.array([point.split(",") for point in line.split("L")], float).T
        assert [x.min(), x.max(), y.min(), y.max()] == bounds


def test_a_picture_that_comes_again_is_kept_once(evaluation):
    wildcards, files, images = evaluation
    once = mapped.panels([wildcards], [files], images, turn)["pictures"]
    twice = mapped.panels([wildcards] * 2, [files] * 2, images, turn)["pictures"]
    assert len(once) == len(set(once)) and twice == once


def test_of_a_large_study_each_set_keeps_its_middle_item(evaluation, monkeypatch):
    wildcards, files, images = evaluation
    monkeypatch.setattr(mapped, "MOST", 3)
    panel, item, _ = shown_by(mapped.panels([wildcards] * 2, [files] * 2, images, turn))
    assert len(panel["items"]) == 1 and item["id"] == "b" and panel["mapped"] == 3


def test_items_are_chosen_from_the_middle_by_size_and_stay_in_order():
    masks = np.zeros((5, 4, 4), int)
    for i, size in enumerate((3, 1, 4, 2, 0)):  # the middle one is the fourth
        masks[i].flat[:size] = 1
    assert mapped.chosen(masks, 5) == ([0, 1, 2, 3, 4], 3)
    assert mapped.chosen(masks, 1) == ([3], 0)
    places, first = mapped.chosen(masks, 3)
    assert places == [0, 1, 3] and places[first] == 3


def test_a_set_without_masks_has_maps_and_no_scores(evaluation):
    wildcards, (maps, _), images = evaluation
    _, item, _ = shown_by(mapped.panels([wildcards], [(maps, None)], images, turn))
    of = item["angles"][0]["maps"]["pretrained.original.smoothgrad"]
    assert {of[name] for name in ("value", "chance", "own_cut")} == {None}
