"""What the explorer shows is what the tables and the maps hold."""

import base64
import hashlib
import io
import json
import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
from factories import NAMES, dice_rows, of, reliability_rows, square_mask
from skimage.io import imread

from thetascope.analysis.verdict import COLUMNS
from thetascope.files import write_csv
from thetascope.report import explorer
from thetascope.saliency.metrics import binarise_area, dice

ARM = {"dataset": "brains", "view": "plain", "encoder": "e", "method": "moco"}
NO_VERDICTS = pd.DataFrame(columns=COLUMNS)
NO_RELIABILITY = reliability_rows()[:0]


def scores(angles, **names):
    return dice_rows(angles, **{"dataset": "brains", "input": "original"} | names)


def curves(table, verdicts=NO_VERDICTS, reliability=NO_RELIABILITY):
    return explorer.curves(table, verdicts, reliability)


def column_of(table, name):
    return table[name].round(6).tolist()


# -- curves ----------------------------------------------------------------------------------------


def test_a_curve_holds_its_rows_in_order_of_theta():
    table = scores([270, 0, 90], input="rotated")
    table.loc[1, ["value", "ci_low", "ci_high", "own_cut"]] = np.nan
    (series,) = curves(table)
    rows = table.sort_values("angle")
    numbers = {"value": "value", "low": "ci_low", "high": "ci_high"}
    numbers |= {"chance": "chance", "own_cut": "own_cut"}
    expected = {name: column_of(rows, column) for name, column in numbers.items()}
    for name in "value", "low", "high", "own_cut":
        expected[name][0] = None
    assert series == NAMES | {"dataset": "brains"} | expected | {
        **{"trained": "theta", "finding": None, "theta": [0, 90, 270]},
        "reliability": None,
        "meaning": "Trained and evaluated at θ",
        **{"items": [12] * 3, "seeds": [1] * 3},
    }
    json.dumps(series, allow_nan=False)


def test_the_first_offer_is_the_main_question_and_nothing_is_lost():
    kinds = [("finetuned", "another", "auroc"), ("finetuned", "smoothgrad", "new_metric")]
    kinds += [("baseline", "sobel", "dice_area"), ("pretrained", "smoothgrad", "dice_area")]
    parts = [scores([0], maps=[(model, name)], metric=metric) for model, name, metric in kinds]
    found = curves(pd.concat(parts))
    names = [(s["model"], s["attribution"], s["metric"]) for s in found]
    assert names == [kinds[i] for i in (3, 1, 0, 2)]


def test_a_curve_has_the_reliability_of_its_own_maps():
    names = {"model": ["pretrained", "finetuned"], "input": ["original", "rotated"]}
    reliability = reliability_rows(dataset=["brains", "lungs"], view=["plain", "disc"], **names)
    reliability.loc[1, "reliability"] = np.nan
    found = curves(scores([0, 90, ("none", 0)], **names), reliability=reliability)
    assert len(found) == 8 and {s["trained"] for s in found} == {"theta", "none"}
    for series in found:
        own = {column: series[column] for column in (*ARM, "model", "input")}
        (expected,) = of(reliability, **own)["reliability"].round(2)
        assert series["reliability"] == (None if np.isnan(expected) else expected)
    assert len({s["reliability"] for s in found}) == 4
    json.dumps(found, allow_nan=False)


def test_maps_of_x_have_no_own_cut():
    found = curves(scores([0, 90], input=["original", "rotated"]))
    assert [s["own_cut"] == [None, None] for s in found] == [True, False]


def test_encoders_without_an_angle_are_there_to_compare():
    table = scores([0, 90, ("none", 0), ("none", 90), ("random", 90)])
    found = curves(table)
    assert {s["meaning"] for s in found} == {"Trained and evaluated at θ"}
    series = {s["trained"]: s for s in found}
    theta = {trained: s["theta"] for trained, s in series.items()}
    assert theta == {"theta": [0, 90], "none": [0, 90], "random": [90]}
    for trained, training in ("theta", "fixed"), ("none", "none"), ("random", "random"):
        assert series[trained]["value"] == column_of(of(table, training=training), "value")


def test_where_nothing_was_trained_at_an_angle_its_evaluations_are_the_curve():
    table = scores([("random", 0), ("random", 45), ("none", 45)])
    found = curves(table)
    assert {s["meaning"] for s in found} == {"Trained at random angles, evaluated at θ"}
    assert {s["trained"]: s["theta"] for s in found} == {"theta": [0, 45], "none": [45]}


@pytest.mark.parametrize(
    ("angles", "own", "other"),
    [
        ([0, 90], {"training": "fixed", "sweep": "diagonal"}, {"sweep": "train", "held_angle": 0}),
        (
            [(a, e) for a, e in product([0, 90, 180], [0, 90])],
            {"training": "fixed", "sweep": "train", "held_angle": 0.0},
            {"held_angle": 90.0},
        ),
        ([("random", 0)], {"training": "random", "sweep": "eval"}, {"training": "none"}),
    ],
)
def test_verdicts_stand_with_the_curve_that_is_shown(angles, own, other):
    tested = NAMES | {"dataset": "brains", "verdict": "not testable", "held_angle": np.nan} | own
    tested["question"] = "turning"
    others = {"dataset": "lungs"}, {"input": "pair"}, other
    counts = [{"n_angles": 5 + i, "n_seeds": 9, "n_cases": 8} for i in range(4)]
    rows = [tested | change | n for change, n in zip(({}, *others), counts, strict=True)]
    table = scores(angles, input=["original", "rotated"])
    found = curves(table, pd.DataFrame(rows, columns=COLUMNS))
    assert {s["input"]: s["finding"] for s in found} == {
        **{"original": None, "rotated": "turning: Not testable (5 angles, 9 seeds, 8 cases)."}
    }


# -- maps ------------------------------------------------------------------------------------------


@pytest.fixture
def evaluation(tmp_path):
    """Maps of three items, the middle mask of which is a square, and their files.

    Trained at 60 and evaluated at 0, and shown at neither: θ is what the rules say.
    """
    size = 160
    masks = np.stack(
        [
            square_mask(size, (0, 2), (0, 2)),
            square_mask(size, (40, 80), (100, size)),
            np.ones((size, size), np.uint8),
        ]
    )
    shown = np.ones((size, size), bool)
    shown[:50, -20:] = False
    ramp = np.broadcast_to(np.linspace(0, 1, size, dtype=np.float32), (3, size, size))
    names = [f"pretrained.{input_}.smoothgrad" for input_ in ("original", "rotated", "unaligned")]
    arrays = {"masks": masks, "items": np.array([4, 5, 6]), "valid.original": masks[2] > 0}
    arrays |= {"valid.rotated": shown, "valid.unaligned": shown}
    maps, images = tmp_path / "saliency.npz", tmp_path / "images.npy"
    np.savez(maps, **arrays, **dict.fromkeys(names, ramp))
    pictures = np.zeros((7, 2, size, size), np.uint8)
    pictures[5, 0, :, :80] = 200
    np.save(images, pictures)
    digest = hashlib.sha256(images.read_bytes()).hexdigest()
    write_csv(
        pd.DataFrame({"id": []}), tmp_path / "manifest.csv", {"arrays": {images.name: digest}}
    )
    wildcards = {**ARM, "seed": 3, "angle": "060.0", "eval_angle": "000.0", "theta": 30.0}
    return wildcards, maps, images


def decoded(uri):
    return imread(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/webp;base64,"))))


def test_a_panel_shows_image_map_and_marked_pixels_of_the_middle_item(evaluation):
    wildcards, maps, images = evaluation
    views = {"plain": {"canvas": "zero"}}
    panel = explorer.panels([wildcards], [maps], {"brains": images}, views)["brains"]
    assert panel["arm"] == ARM
    (angle,) = panel["angles"]
    assert angle["theta"] == 30 and panel["seed"] == 3
    assert angle["maps"].keys() == {
        "pretrained.original.smoothgrad",
        "pretrained.rotated.smoothgrad",
    }
    of = angle["maps"]["pretrained.rotated.smoothgrad"]
    side = explorer.SIDE
    image, map_, marked = (decoded(u)[..., :3] for u in (panel["image"], of["map"], of["marked"]))
    assert image.shape == map_.shape == marked.shape == (side, side, 3)
    assert image[:, : side // 2 - 4].mean() == pytest.approx(200, abs=5)
    assert image[:, side // 2 + 4 :].mean() < 5
    brightness = map_.mean(axis=(0, 2))
    assert brightness[0] < 10 and brightness[-1] > 200 and (np.diff(brightness[::16]) > 0).all()
    with np.load(maps) as arrays:
        mask = arrays["masks"][1] > 0
        shown, saliency = arrays["valid.rotated"], arrays["pretrained.rotated.smoothgrad"][1]
    expected = binarise_area(saliency[shown], int(mask[shown].sum()))
    assert (marked.mean() / 255) == pytest.approx(expected.sum() / mask.size, abs=0.01)
    assert marked[: side // 4, -side // 10 :].mean() < 5  # what is not shown
    assert of["dice"] == pytest.approx(dice(expected, mask[shown]), abs=1e-4)
    of_x = angle["maps"]["pretrained.original.smoothgrad"]
    assert of_x["dice"] == pytest.approx(
        dice(binarise_area(saliency, int(mask.sum())), mask), abs=1e-4
    )
    assert of_x["dice"] != of["dice"]


def test_every_map_stands_at_its_own_angle(evaluation, tmp_path):
    """Two evaluations of one item, whose maps mark opposite sides."""
    first, maps, images = evaluation
    other = tmp_path / "other.npz"
    with np.load(maps) as arrays:
        turned = {k: a[..., ::-1] if k.endswith(".smoothgrad") else a for k, a in arrays.items()}
        np.savez(other, **turned)
    runs = [first, first | {"angle": "090.0", "theta": 200.0}]
    found = explorer.panels(runs, [maps, other], {"brains": images}, {"plain": {"canvas": "zero"}})
    by_theta = {one["theta"]: one["maps"] for one in found["brains"]["angles"]}
    assert list(by_theta) == [30, 200]
    for theta, bright in (30, slice(-20, None)), (200, slice(20)):
        marked = decoded(by_theta[theta]["pretrained.original.smoothgrad"]["marked"])
        assert marked[:, bright, 0].mean() > 100


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
