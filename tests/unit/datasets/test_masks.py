"""What is inside files of masks: colours, palettes, alpha, noise, and which values count."""

import numpy as np
import pytest
from PIL import Image

from thetascope.datasets.options import load_items
from thetascope.errors import UserError

Y, X = np.mgrid[:60, :80]
DISC = (Y - 25) ** 2 + (X - 25) ** 2 < 200  # 13 % of the picture
SQUARE = (abs(Y - 35) < 10) & (abs(X - 60) < 12)
BOTH = DISC | SQUARE
CLASSES = DISC + 2 * SQUARE
RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "masks").mkdir()
    return tmp_path


def masks(folder, **options):
    (folder / "images").mkdir(exist_ok=True)
    for path in (folder / "masks").iterdir():
        Image.fromarray(np.zeros((60, 80), np.uint8)).save(folder / "images" / f"{path.stem}.png")
    options = {"path": str(folder), "images": "images/*", "masks": "masks/*", **options}
    return [item.mask for item in load_items("folder", options)]


def refused(folder, **options):
    with pytest.raises(UserError) as error:
        masks(folder, **options)
    return str(error.value)


def painted(*colours, ground=(0, 0, 0)):
    return np.array([ground, *colours], np.uint8)[CLASSES if len(colours) > 1 else DISC + 0]


def save(folder, *arrays, kind="png", **options):
    for index, array in enumerate(arrays):
        array = array if isinstance(array, Image.Image) else Image.fromarray(array)
        array.save(folder / "masks" / f"{index}.{kind}", **options)


def palette(indices, *colours):
    image = Image.fromarray(indices.astype(np.uint8), "P")
    image.putpalette(sum(colours, ()))
    return image


@pytest.mark.parametrize(
    "colour",
    [RED, GREEN, (0, 0, 255), (64, 0, 0), (1, 1, 1), (0, 0, 3), (255, 255, 255), (128, 64, 0)],
)
def test_any_colour_on_black_is_foreground(folder, colour, caplog):
    save(folder, painted(colour), painted(colour, RED))
    with caplog.at_level("INFO"):
        one, two = masks(folder)
    assert "masks are in colour: all colours are one class" in caplog.text
    np.testing.assert_array_equal(one, DISC)
    np.testing.assert_array_equal(two, BOTH)


@pytest.mark.parametrize("colours", [[RED], [(0, 0, 255)], [RED, GREEN], [(255, 255, 255), RED]])
@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("labels", [None, "any"])
def test_colours_of_a_jpeg_are_foreground(folder, colours, quality, labels):
    """Noise and blurred colours move the edge, by less than half a pixel on the whole."""
    save(folder, painted(*colours), kind="jpg", quality=quality)
    (mask,) = masks(folder, labels=labels)
    truth = BOTH if len(colours) > 1 else DISC
    assert (mask != truth).sum() < (60 if labels is None else 220)  # edges are 60 and 140 long
    assert abs(int(mask.sum()) - truth.sum()) < 0.1 * truth.sum() + 150 * (labels == "any")


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize("write", [lambda c: "#{:02X}{:02x}{:02x}".format(*c), list])
def test_colours_are_classes_in_the_order_of_labels(folder, kind, write):
    save(folder, painted(RED, GREEN), kind=kind)
    (mask,) = masks(folder, labels=[write(GREEN), write(RED)])
    wrong = mask != np.array([0, 2, 1])[CLASSES]
    assert wrong.sum() <= (0 if kind == "png" else 100)
    (mask,) = masks(folder, labels=[write(RED)])
    assert (mask != DISC).sum() <= (0 if kind == "png" else 60)


def test_a_jpeg_stored_as_png_has_its_colours_too(folder):
    save(folder, painted(RED, GREEN), kind="jpg", quality=75)
    with Image.open(folder / "masks" / "0.jpg") as file:
        file.save(folder / "masks" / "0.png")
    (folder / "masks" / "0.jpg").unlink()
    (mask,) = masks(folder, labels=["#ff0000", "#00ff00"])
    assert (mask != CLASSES).sum() <= 100


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_values_for_a_mask_in_colour_are_refused_with_its_colours(folder, kind):
    save(folder, painted(RED, GREEN), kind=kind)
    message = refused(folder, labels=[255])
    assert f"0.{kind}: is in colour; its colours are " in message
    named = message.partition("`labels: [")[2].partition("]`")[0].replace('"', "").split(", ")
    (mask,) = masks(folder, labels=named)  # the line that is given, in whatever order
    assert (mask > 0).sum() == pytest.approx(BOTH.sum(), rel=0.1)
    assert set(np.unique(mask)) == {0, 1, 2}


@pytest.mark.parametrize("labels", [None, [1], [255], ["#ff00ff"], "any"])
def test_palettes_by_index_by_colour_or_whatever_is_not_black(folder, labels):
    save(folder, palette(DISC, (0, 0, 0), (255, 0, 255)))
    if labels == [255]:
        message = refused(folder, labels=labels)
        assert "is in colour; its palette's numbers are 0, 1" in message
        assert "`labels: [1]`" in message
    else:
        np.testing.assert_array_equal(masks(folder, labels=labels)[0], DISC)


def test_a_palette_of_greys_and_two_colours_go_by_their_grey_too(folder):
    """What tools that shrink PNG files make of 0 and 255."""
    grey = (DISC * 255).astype(np.uint8)
    save(folder, grey, palette(DISC, (0,) * 3, (255,) * 3), Image.fromarray(grey).convert("1"))
    for labels in None, [255]:
        for mask in masks(folder, labels=labels):
            np.testing.assert_array_equal(mask, DISC)
    for mask in masks(folder, labels=[1])[1:]:
        np.testing.assert_array_equal(mask, DISC)


@pytest.mark.parametrize("hidden", [(0, 0, 0), (255, 255, 255)])
@pytest.mark.parametrize("paint", [(0, 0, 0), (255, 255, 255), RED])
@pytest.mark.parametrize("kind", ["png", "webp"])
def test_paint_on_nothing_is_foreground(folder, hidden, paint, kind):
    rgba = np.dstack([np.where(DISC[..., None], paint, hidden), DISC * 255]).astype(np.uint8)
    options = {"lossless": True, "exact": True} if kind == "webp" else {}
    save(folder, rgba, kind=kind, **options)
    np.testing.assert_array_equal(masks(folder)[0], DISC)


def test_alpha_that_covers_all_says_nothing(folder):
    grey = (DISC * 255).astype(np.uint8)
    save(folder, Image.fromarray(np.dstack([grey, np.full_like(grey, 255)]), "LA"))
    np.testing.assert_array_equal(masks(folder)[0], DISC)
    np.testing.assert_array_equal(masks(folder, labels=[255])[0], DISC)


@pytest.mark.parametrize("value", [1, 2, 38, 127, 255, 256, 300, 65535])
def test_two_values_are_background_and_foreground_in_each_file(folder, value):
    """One file of a set may have 0 and 1, the next 0 and 255."""
    save(folder, (DISC * 255).astype(np.uint8), (SQUARE * value).astype(np.uint16))
    first, second = masks(folder)
    np.testing.assert_array_equal(first, DISC)
    np.testing.assert_array_equal(second, SQUARE)


@pytest.mark.parametrize("highest", [1.0, 0.9, 7.0])
def test_fractions_too(folder, highest):
    save(folder, (DISC * highest).astype(np.float32), kind="tif")
    np.testing.assert_array_equal(masks(folder)[0], DISC)


def test_probabilities_count_from_one_half(folder):
    likely = np.linspace(0, 1, DISC.size).reshape(DISC.shape).astype(np.float32)
    save(folder, likely, kind="tif")
    np.testing.assert_array_equal(masks(folder)[0], likely >= 0.5)


@pytest.mark.parametrize("values", [[1, 2], [3, 120], [1, 300], [500, 900]])
def test_several_small_values_ask_for_labels(folder, values):
    array = np.array([0, *values], np.uint16)[CLASSES]
    save(folder, array.astype(np.uint8) if values[1] < 256 else array)
    message = refused(folder)
    assert f"0.png: no value reaches half of the range; its values are 0, {values[0]}" in message
    assert f"`labels: [{values[0]}, {values[1]}]`, or `labels: any`" in message
    np.testing.assert_array_equal(masks(folder, labels=values)[0], CLASSES)
    np.testing.assert_array_equal(masks(folder, labels="any")[0], BOTH)


def test_soft_edges_count_from_half(folder):
    large = Image.fromarray((DISC * 255).astype(np.uint8)).resize((800, 600))
    save(folder, large.resize((80, 60), Image.Resampling.BILINEAR))
    assert (masks(folder)[0] != DISC).sum() < 30


def test_classes_of_grey_that_are_lost_are_pointed_out(folder, caplog):
    save(folder, np.array([0, 100, 200], np.uint8)[CLASSES])
    np.testing.assert_array_equal(masks(folder)[0], SQUARE)
    assert f"{DISC.sum()} pixels of masks are background, being below half" in caplog.text
    caplog.clear()
    np.testing.assert_array_equal(masks(folder, labels=[200])[0], SQUARE)
    assert f"`labels` does not name them: 100 ({DISC.sum()} pixels)" in caplog.text
    caplog.clear()
    masks(folder, labels=[100, 200, 250])
    assert "no mask holds the labels 250" in caplog.text


@pytest.mark.parametrize(("count", "said"), [(19, False), (21, True)])
def test_grey_is_pointed_out_where_it_is_more_than_a_fifth_of_what_is_marked(
    folder, caplog, count, said
):
    mask = np.zeros(DISC.shape, np.uint8)
    mask.flat[:100], mask.flat[200 : 200 + count] = 255, 100
    save(folder, mask)
    masks(folder)
    assert (f"{count} pixels of masks are background, being below half" in caplog.text) == said


@pytest.mark.parametrize("quality", [40, 75, 95])
def test_values_of_a_jpeg_have_a_tolerance(folder, quality):
    save(folder, np.array([0, 127, 255], np.uint8)[CLASSES], kind="jpg", quality=quality)
    for labels, truth in ([255], SQUARE), ([127, 255], CLASSES), ([254], SQUARE):
        (mask,) = masks(folder, labels=labels)
        assert (mask != truth).sum() < 30, labels


@pytest.mark.parametrize("labels", [[1], [1, 2], [254, 255]])
def test_values_that_a_jpeg_blurs_are_refused(folder, labels):
    save(folder, np.array([0, 1, 2], np.uint8)[CLASSES], kind="jpg")
    assert "0.jpg: its compression blurs values that are only 1 apart" in refused(
        folder, labels=labels
    )


def test_masks_without_any_foreground_or_background_are_refused(folder):
    save(folder, np.where(DISC, 40, 0).astype(np.uint8), DISC.astype(np.uint8))
    message = refused(folder, labels=[7])
    assert "0.png: no mask has any foreground; its values are 0, 40" in message
    save(folder, painted(RED, ground=(200, 200, 99)), painted(GREEN, ground=(200, 200, 99)))
    message = refused(folder)
    assert "no mask has any background; its colours are " in message
    assert '"#ff0000"' in message and '"#c8c863"' in message
    np.testing.assert_array_equal(masks(folder, labels=["#ff0000"])[0], DISC)


def test_empty_and_full_masks_among_others_are_what_they_are(folder):
    empty = np.zeros_like(painted(RED))
    save(folder, painted(RED), empty, np.full_like(empty, 255))
    assert [int(mask.sum()) for mask in masks(folder)] == [DISC.sum(), 0, DISC.size]


@pytest.mark.parametrize(
    "labels",
    [
        [],
        [1, 1],
        [1, "#ff0000"],
        ["red"],
        ["#ff00"],
        [[1, 2]],
        [[0, 0, 256]],
        "all",
        [[1, 2, 3], 4],
    ],
)
def test_labels_that_are_none_are_refused(folder, labels):
    save(folder, painted(RED))
    assert refused(folder, labels=labels).startswith(f"labels: {labels!r}: must be")


@pytest.mark.parametrize(("kind", "most"), [("png", 0), ("jpg", 60)])
def test_background_can_be_any_value(folder, kind, most):
    """As where 255 is background, 128 and 0 are the two classes."""
    save(folder, np.array([255, 128, 0], np.uint8)[CLASSES], kind=kind)
    assert (masks(folder, labels=[128, 0])[0] != CLASSES).sum() <= most


def test_a_colour_of_a_jpeg_that_is_far_from_all_labels_is_background(folder):
    save(folder, painted(RED, (255, 140, 0)), kind="jpg", quality=95)
    (mask,) = masks(folder, labels=["#ff0000"])
    assert (mask != DISC).sum() < 60
