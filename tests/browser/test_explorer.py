"""The explorer of a finished run, as a person with a mouse, a keyboard or a phone meets it."""

import io
import json
import re

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from playwright.sync_api import expect
from skimage.io import imread

from thetascope.files import read_table
from thetascope.report import explorer
from thetascope.report.figures import style
from thetascope.report.figures.pictures import example
from thetascope.saliency.metrics import binarise_area, dice

CONTROLS = [*explorer.CURVE, "compare", "theta"]
DEFAULT = {"model": "pretrained", "attribution": "smoothgrad", "metric": "dice_area"}


@pytest.fixture(scope="session")
def made(finished):
    return finished.folder / "results/explorer.html"


@pytest.fixture
def requests(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


@pytest.fixture
def opened(page, requests, made):
    """The page of the finished run; it asks for nothing but itself."""
    page.goto(made.as_uri())
    yield page
    assert {url for url in requests if not url.startswith("data:")} == {made.as_uri()}


@pytest.fixture
def data(made):
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', made.read_text())
    return json.loads(found[1])


def write(folder, data):
    path = folder / "explorer.html"
    path.write_text(explorer.page(data))
    return path.as_uri()


def rows(finished, **chosen):
    table = read_table(finished.folder / "results/tables/dice.csv")
    for column, value in {**DEFAULT, "input": "original", **chosen}.items():
        table = table[table[column] == value]
    return table[table["angle"] == table["eval_angle"]].set_index("angle")


def drawn(page):
    """Values of the curves with markers, as plotly holds them, original first."""
    lines = page.evaluate("document.getElementById('plot').data")
    values = [line["y"] for line in lines if line["mode"] == "lines+markers"]
    return values[::-1]


def place(page, theta):
    """Where this angle is in the plot, in pixels of the window."""
    box = page.locator("#plot .nsewdrag").bounding_box()
    return box["x"] + box["width"] * (theta + 6) / 372, box["y"] + box["height"] / 2


def share(page, colour):
    """Share of the plot's pixels that have just this colour."""
    picture = imread(io.BytesIO(page.locator("#plot").screenshot()))[..., :3]
    return (np.abs(picture - 255 * np.array(to_rgb(colour))).max(axis=-1) < 12).mean()


def test_both_curves_and_what_stands_beside_them_are_drawn_in_their_colours(opened, finished):
    for input_ in style.INPUTS:
        assert share(opened, style.COLOURS[input_]) > 0.001
        curve = rows(finished, input=input_)["value"]
        assert drawn(opened)[list(style.INPUTS).index(input_)] == curve.round(6).tolist()
    lines = opened.evaluate("document.getElementById('plot').data")
    dashed = {
        (line["line"]["dash"], line["line"]["color"]): line["y"]
        for line in lines
        if "dash" in line.get("line", {})
    }
    for input_, dash, column in (
        *((name, "dash", "chance") for name in style.INPUTS),
        ("rotated", "dashdot", "own_cut"),
    ):
        expected = rows(finished, input=input_)[column].round(6).tolist()
        assert dashed.pop((dash, style.COLOURS[input_])) == expected
    assert not dashed
    assert opened.locator("#plot path.js-line[style*='stroke-dasharray']").count() == 3
    entries = opened.locator("#legend li").all_text_contents()
    beside = ["chance", "map of the original image, cut to the same pixels"]
    assert [text.strip() for text in entries][2:4] == beside


def test_the_reliability_of_the_maps_is_told(opened, finished):
    table = read_table(finished.folder / "results/tables/reliability.csv")
    for model in "pretrained", "finetuned":
        opened.select_option("#model", model)
        of_model = table[table["model"] == model].set_index("input")["reliability"]
        first, second = (f"{of_model[name]:.2f}" for name in style.INPUTS)
        said = f"original image {first}; rotated image, turned back {second}."
        expect(opened.locator("#meaning")).to_contain_text(f"Reliability of the maps: {said}")
    opened.select_option("#model", "baseline")
    expect(opened.locator("#meaning")).not_to_contain_text("Reliability")


def test_choosing_shows_another_curve(opened, finished):
    before = opened.locator("#plot").screenshot()
    opened.select_option("#metric", label="AUROC")
    opened.get_by_label("Model").select_option("finetuned")
    expect(opened.locator("#title")).to_have_text("ihc: AUROC")
    curve = rows(finished, metric="auroc", model="finetuned")["value"]
    assert drawn(opened)[0] == curve.round(6).tolist()
    assert opened.locator("#plot").screenshot() != before


def test_only_what_there_is_can_be_chosen(opened):
    opened.select_option("#model", "baseline")
    assert opened.locator("#attribution option").all_text_contents() == [
        "Edges of the image (Sobel)",
        "Energy of oriented gradients (HoG)",
        "Gaussian about the centre",
        "Random, knows nothing",
        "All pixels that the view shows",
    ]
    opened.select_option("#model", "finetuned")
    opened.select_option("#attribution", "segmentation")
    assert opened.locator("#metric option").all_text_contents() == [
        "Dice, mean over labels",
        "dice_class_1",
    ]
    expect(opened.locator("#maps-note")).to_have_text("What is measured here has no map.")
    assert opened.locator("#pictures img").count() == 0
    expect(opened.locator("#spoken")).to_contain_text("; chance 0.")
    expect(opened.locator("#legend")).not_to_contain_text("cut to the same pixels")


def test_an_untrained_encoder_and_edges_can_be_compared(opened):
    # for each image outline of the band, value and chance; an own cut
    lines = opened.locator("#plot .js-line")
    expect(lines).to_have_count(2 * 3 + 1)
    for name in ("No self-supervision", "No network: edges of the image"):
        opened.select_option("#compare", label=name)
        expect(lines).to_have_count(2 * 4 + 1)
        expect(opened.locator("#legend")).to_contain_text(name.lower())
    opened.select_option("#compare", label="nothing")
    expect(lines).to_have_count(2 * 3 + 1)


def test_hovering_tells_value_interval_items_and_seeds(opened, finished):
    opened.mouse.move(*place(opened, 180))
    said = opened.locator("#plot .hoverlayer")
    row = rows(finished).loc[180.0]
    expect(said).to_contain_text("θ = 180°")
    expect(said).to_contain_text(f"Original image: {row['value']:.3f}")
    interval = f"interval {row['ci_low']:.3f} to {row['ci_high']:.3f}, 4 items, 1 seed"
    expect(said).to_contain_text(interval)


def test_a_click_shows_the_maps_of_that_angle(opened, finished):
    first = opened.locator("#pictures img").nth(1).get_attribute("src")
    opened.mouse.click(*place(opened, 180))
    expect(opened.locator("#maps-title")).to_have_text("Saliency maps at θ = 180°")
    row = rows(finished).loc[180.0]
    expect(opened.get_by_role("status")).to_contain_text(
        f"θ = 180°Original image: {row['value']:.3f}, interval {row['ci_low']:.3f}"
    )
    pictures = opened.locator("#pictures img")
    assert pictures.count() == 6
    assert pictures.nth(1).get_attribute("src") != first
    size = np.load(finished.folder / "results/data/ihc/images.npy").shape[-1]
    assert all(pictures.nth(i).evaluate("image => image.naturalWidth") == size for i in range(6))
    run = "runs/ihc/plain/efficientnet_lite0/moco/angle-180.0/seed-0/eval-180.0"
    with np.load(finished.folder / "results" / run / "saliency.npz") as arrays:
        images = np.load(finished.folder / "results/data/ihc/images.npy")
        shown, _, mask = example(arrays, images, "zero")
        for input_, caption in zip(style.INPUTS, (2, 5), strict=True):
            valid = arrays[f"valid.{input_}"]
            saliency, inside = arrays[f"pretrained.{input_}.smoothgrad"][shown][valid], mask[valid]
            overlap = dice(binarise_area(saliency, int(inside.sum())), inside)
            told = opened.locator("figcaption").nth(caption)
            expect(told).to_have_text(f"Marked: Dice {overlap:.3f}")


def test_the_keyboard_alone_reaches_and_changes_everything(opened):
    reached = []
    for _ in CONTROLS:
        opened.keyboard.press("Tab")
        focused = opened.locator(":focus-visible")
        reached.append(focused.get_attribute("id"))
        style = "e => [getComputedStyle(e).outlineStyle, getComputedStyle(e).outlineWidth]"
        assert focused.evaluate(style) == ["solid", "3px"]
        assert focused.evaluate("e => e.labels.length") == 1
        if reached[-1] == "metric":
            opened.keyboard.press("ArrowDown")
    assert reached == CONTROLS
    expect(opened.locator("#metric")).to_have_value("auroc")
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("ArrowRight")
    expect(opened.locator("#maps-title")).to_have_text("Saliency maps at θ = 180°")
    expect(opened.get_by_role("status")).to_contain_text("θ = 180°")
    assert opened.locator("#theta").get_attribute("aria-valuetext") == "180 degrees"
    opened.keyboard.press("Tab")
    opened.keyboard.press("Enter")
    expect(opened.locator("#numbers table")).to_be_visible()
    assert opened.locator("#numbers tbody tr").count() == 2 * 4


def test_a_link_opens_what_was_chosen(opened):
    opened.select_option("#model", "finetuned")
    opened.select_option("#metric", "auroc")
    opened.mouse.click(*place(opened, 270))
    expect(opened.locator("#theta")).to_have_attribute("aria-valuetext", "270 degrees")
    link, curve = opened.url, drawn(opened)
    opened.goto("about:blank")
    opened.goto(link)
    assert drawn(opened) == curve
    expect(opened.locator("#maps-title")).to_have_text("Saliency maps at θ = 270°")
    expect(opened.locator("#model")).to_have_value("finetuned")


def test_an_address_of_nonsense_opens_the_first_curve(page, made):
    page.goto(f"{made.as_uri()}#dataset=__proto__&metric=constructor&theta=north&compare=toString")
    expect(page.locator("#title")).to_have_text("ihc: Dice, binarised to the mask's area")
    expect(page.get_by_role("status")).to_contain_text("θ = 0°")


def test_a_phone_needs_no_sideways_scrolling(opened):
    opened.set_viewport_size({"width": 390, "height": 844})
    opened.reload()
    opened.locator("summary").click()
    opened.mouse.move(*place(opened, 180))
    assert opened.evaluate("document.documentElement.scrollWidth") == 390
    for control in CONTROLS:
        box = opened.locator(f"#{control}").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    plot = opened.locator("#plot svg.main-svg").first
    width = plot.get_attribute("width")
    opened.set_viewport_size({"width": 844, "height": 390})  # turned round, and back
    expect(plot).not_to_have_attribute("width", width)
    opened.set_viewport_size({"width": 390, "height": 844})
    expect(plot).to_have_attribute("width", width)
    assert opened.evaluate("document.documentElement.scrollWidth") == 390


def test_an_angle_without_maps_shows_the_nearest_on_the_circle(page, data, tmp_path):
    panel = data["panels"]["ihc"]
    panel["angles"] = panel["angles"][:2]  # 0 and 90
    page.goto(write(tmp_path, data) + "#theta=270")
    expect(page.locator("#maps-title")).to_have_text("Saliency maps at θ = 0°")
    expect(page.locator("#maps-note")).to_contain_text(
        "No maps are kept at θ = 270°; these are of the nearest angle that has some, 0°."
    )


def test_maps_of_another_arm_are_not_passed_off_as_these(page, data, tmp_path):
    data["panels"]["ihc"]["arm"]["view"] = "disc"
    page.goto(write(tmp_path, data))
    expect(page.locator("#maps-note")).to_contain_text("Maps are kept for ihc · disc")
    assert page.locator("#pictures img").count() == 0


def test_what_has_no_value_is_a_gap_and_said_so(page, data, tmp_path):
    for series in data["series"]:
        for name in ("value", "low", "high"):
            series[name][1] = None
    page.goto(write(tmp_path, data) + "#theta=90")
    expect(page.get_by_role("status")).to_contain_text("Original image: no value.")
    assert drawn(page)[0][1] is None
    bands = page.evaluate("document.getElementById('plot').data.filter(t => t.fill === 'toself')")
    assert [band["x"] for band in bands] == [[0, 0, None, 180, 270, 270, 180, None]] * 2


def test_a_finger_chooses_an_angle_and_hides_no_curve(browser, made):
    phone = browser.new_page(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    phone.goto(made.as_uri())
    phone.locator("#plot").scroll_into_view_if_needed()
    phone.touchscreen.tap(*place(phone, 180))
    expect(phone.locator("#maps-title")).to_have_text("Saliency maps at θ = 180°")
    assert phone.locator("#plot .hoverlayer text").count() == 0
    phone.close()


@pytest.mark.parametrize(
    "name",
    [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '"><b>bold</b>&amp;<!--',
        "__proto__",
        "@PLOTLY@",
    ],
)
def test_a_hostile_name_is_shown_and_does_nothing(page, requests, data, tmp_path, name):
    alerts = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    for series in data["series"]:
        series["dataset"] = series["view"] = name
        if series["trained"] == "theta":
            series["finding"] = name
    data["panels"] = {name: data["panels"]["ihc"]}
    data["panels"][name]["arm"] |= {"dataset": name, "view": name}
    uri = write(tmp_path, data)
    page.goto(uri)
    page.mouse.move(*place(page, 90))
    expect(page.locator("#title")).to_have_text(f"{name}: Dice, binarised to the mask's area")
    expect(page.locator("#dataset option")).to_have_text(name)
    expect(page.locator("#findings li").first).to_contain_text(name)
    assert page.locator("body b, body img[src=x]").count() == 0
    assert page.locator("#pictures img").count() == 6
    assert not alerts
    assert {url for url in requests if not url.startswith("data:")} == {uri}
