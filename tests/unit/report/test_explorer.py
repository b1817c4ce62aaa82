"""What the explorer shows is what the tables and the maps hold."""

import base64
import hashlib
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from skimage.io import imread

from thetascope.files import write_csv
from thetascope.report import explorer
from thetascope.saliency.metrics import binarise_area, dice

ARM = {"dataset": "brains", "view": "plain", "encoder": "resnet18", "method": "moco"}
CURVE = {**ARM, "model": "pretrained", "map": "smoothgrad", "metric": "auroc"}
NO_VERDICTS = pd.DataFrame(columns=["sweep", *explorer.CURVE, "orientation"])


def scores(angles, **keys):
    numbers = {"mean": 0.51234567, "ci_low": 0.4, "ci_high": 0.6, "null_mean": 0.5}
    pairs = [(angle, angle) if isinstance(angle, str) else angle for angle in angles]
    rows = [{"angle": a, "eval_angle": e} | numbers for a, e in pairs]
    keys = CURVE | {"orientation": "original", "n_items": 8, "n_seeds": 2} | keys
    return pd.DataFrame(rows).assign(**keys)


def test_a_curve_holds_its_rows_in_order_of_theta():
    table = scores(["270.0", "000.0", "090.0"])
    table.loc[1, ["mean", "ci_low", "ci_high"]] = np.nan
    (series,) = explorer.curves(table, NO_VERDICTS)["series"]
    assert series == CURVE | {
        **{"orientation": "original", "trained": "theta", "finding": None},
        **{"theta": [0, 90, 270], "mean": [None, 0.5123, 0.5123], "low": [None, 0.4, 0.4]},
        **{"high": [None, 0.6, 0.6], "null": [0.5] * 3, "items": [8] * 3, "seeds": [2] * 3},
    }
    json.dumps(series, allow_nan=False)


def test_the_first_offer_is_the_main_question_and_nothing_is_lost():
    kinds = [("finetuned", "gradient", "auroc"), ("finetuned", "smoothgrad", "new_metric")]
    kinds += [("baseline", "sobel", "dice_area"), ("pretrained", "smoothgrad", "dice_area")]
    parts = [
        scores(["000.0"], model=model, map=map_, metric=metric) for model, map_, metric in kinds
    ]
    found = explorer.curves(pd.concat(parts), NO_VERDICTS)["series"]
    assert [(s["model"], s["map"], s["metric"]) for s in found] == [kinds[i] for i in (3, 1, 0, 2)]


def test_encoders_without_an_angle_are_there_to_compare():
    table = scores(["000.0", "090.0", ("none", "000.0"), ("none", "090.0"), ("random", "090.0")])
    found = explorer.curves(table, NO_VERDICTS)
    assert found["meanings"] == {"brains": "Trained and evaluated at θ"}
    assert {s["trained"]: s["theta"] for s in found["series"]} == {
        **{"theta": [0, 90], "none": [0, 90], "random": [90]}
    }


def test_where_nothing_was_trained_at_an_angle_its_evaluations_are_the_curve():
    table = scores([("random", "000.0"), ("random", "045.0"), ("none", "045.0")])
    found = explorer.curves(table, NO_VERDICTS)
    assert found["meanings"]["brains"] == "Trained at random angles, evaluated at θ"
    assert {s["trained"]: s["theta"] for s in found["series"]} == {"theta": [0, 45], "none": [45]}


def test_verdicts_stand_with_their_curves():
    tested = CURVE | {"sweep": "diagonal", "orientation": "rotated", "verdict": "not testable"}
    verdicts = pd.DataFrame([tested | {"n_angles": 4, "n_seeds": 1}])
    table = pd.concat([scores(["000.0"], orientation=o) for o in ("original", "rotated")])
    found = explorer.curves(table, verdicts)["series"]
    assert {s["orientation"]: s["finding"] for s in found} == {
        **{"original": None, "rotated": "no valid test (4 angles, 1 seeds)."}
    }


@pytest.fixture
def evaluation(tmp_path):
    """Maps of three items, the middle mask of which is a square, and their files."""
    size = 160
    masks = np.zeros((3, size, size), np.uint8)
    masks[0, :2, :2] = masks[1, 40:80, 100:] = masks[2] = 1
    ramp = np.broadcast_to(np.linspace(0, 1, size, dtype=np.float32), (3, size, size))
    names = [f"pretrained.{o}.gradient" for o in ("original", "rotated", "unaligned")]
    arrays = {"masks": masks, "items": np.array([4, 5, 6]), "valid.original": masks[0]}
    maps, images = tmp_path / "saliency.npz", tmp_path / "images.npy"
    np.savez(maps, **arrays, **dict.fromkeys(names, ramp))
    pictures = np.zeros((7, 2, size, size), np.uint8)
    pictures[5, 0, :, :80] = 200
    np.save(images, pictures)
    digest = hashlib.sha256(images.read_bytes()).hexdigest()
    write_csv(
        pd.DataFrame({"id": []}), tmp_path / "manifest.csv", {"arrays": {images.name: digest}}
    )
    return {**ARM, "seed": 3, "angle": "030.0", "eval_angle": "030.0"}, maps, images


def decoded(uri):
    return imread(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/webp;base64,"))))


def test_a_panel_shows_image_map_and_marked_pixels_of_the_middle_item(evaluation):
    wildcards, maps, images = evaluation
    views = {"plain": {"canvas": "zero"}}
    panel = explorer.panels([wildcards], [maps], {"brains": images}, views)["brains"]
    assert panel["arm"] == ARM and panel["seed"] == 3
    (angle,) = panel["angles"]
    assert angle["theta"] == 30
    assert angle["maps"].keys() == {"pretrained.original.gradient", "pretrained.rotated.gradient"}
    of = angle["maps"]["pretrained.rotated.gradient"]
    side = explorer.SIDE
    image, map_, marked = (decoded(u)[..., :3] for u in (panel["image"], of["map"], of["marked"]))
    assert image.shape == map_.shape == marked.shape == (side, side, 3)
    assert image[:, : side // 2 - 4].mean() == pytest.approx(200, abs=5)
    assert image[:, side // 2 + 4 :].mean() < 5
    brightness = map_.mean(axis=(0, 2))
    assert brightness[0] < 10 and brightness[-1] > 200 and (np.diff(brightness[::16]) > 0).all()
    with np.load(maps) as arrays:
        mask = arrays["masks"][1] > 0
        expected = binarise_area(arrays["pretrained.rotated.gradient"][1], int(mask.sum()))
    assert (marked.mean() / 255) == pytest.approx(expected.mean(), abs=0.01)
    assert of["dice"] == pytest.approx(dice(expected, mask), abs=1e-4)


def test_the_outline_encloses_the_mask(evaluation):
    wildcards, maps, images = evaluation
    views = {"plain": {"canvas": "crop"}}
    panel = explorer.panels([wildcards], [maps], {"brains": images}, views)["brains"]
    (line,) = re.findall("M(.+?)Z", panel["outline"])
    x, y = np.array([point.split(",") for point in line.split("L")], float).T
    assert [x.min(), x.max(), y.min(), y.max()] == [100, 160, 40, 80]
    assert panel["size"] == 160


def test_no_name_ends_the_data_and_no_nan_enters_it():
    name = "</script><!--\u2028@DATA@@PLOTLY@"
    page = explorer.page({"series": [{"dataset": name}]})
    assert page.count("</script>") == page.count("<script") == 3
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page)
    assert json.loads(found[1])["series"][0]["dataset"] == name
    with pytest.raises(ValueError, match="not JSON compliant"):
        explorer.page({"series": [{"mean": [float("nan")]}]})
