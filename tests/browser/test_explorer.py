"""The explorer of a finished run, as a person with a mouse, a keyboard or a phone meets it."""

import io
import json
import re
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from playwright.sync_api import expect
from skimage.io import imread

from thetascope.analysis import glance
from thetascope.files import read_csv, read_table
from thetascope.report import explorer
from thetascope.report.figures import style

# of one arm: what there is but one of is not offered
CONTROLS = ["model", "attribution", "metric", "compare", "theta"]
DEFAULT = {"model": "pretrained", "attribution": "smoothgrad", "metric": "dice_area"}
RUN = "results/runs/ihc/plain/efficientnet_lite0/moco/angle-{0}/seed-0/eval-{0}"
LEFT, RIGHT = 52, 16  # pixels beside the axis


NONSENSE = "dataset=__proto__&metric=constructor&theta=north&compare=toString&item=x"
INK_AND_GROUND = """
element => {
    let ground = element;
    const behind = () => getComputedStyle(ground).backgroundColor;
    while (behind() === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
    const style = getComputedStyle(element);
    return [element.closest("svg") ? style.fill : style.color, behind()];
}
"""


@pytest.fixture(scope="session")
def made(finished):
    return finished.folder / "results/explorer.html"


@pytest.fixture
def requests(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    return asked


@pytest.fixture
def overview(page, requests, made):
    """The page of the finished run; it asks for nothing but itself."""
    page.goto(made.as_uri())
    yield page
    own = "data:", f"blob:{made.as_uri()[:8]}"
    assert {url for url in requests if not url.startswith(own)} == {made.as_uri()}


@pytest.fixture
def opened(overview):
    """At the first curve."""
    overview.goto(f"{overview.url.partition('#')[0]}#dataset=ihc")
    expect(overview.locator("#title")).to_be_visible()
    return overview


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


def places(page, kind):
    """Points of the lines of this kind in the plot, one array [n, 2] per line."""
    paths = page.locator(f"#plot path.{kind}").evaluate_all(
        "all => all.map(p => p.getAttribute('d'))"
    )
    return [np.array(re.findall(r"([-\d.]+),([-\d.]+)", path), float) for path in paths]


def values(page, kind):
    """The same in units of the score, from the two outermost ticks; rounded as pixels are."""
    ticks = page.locator("#plot text[text-anchor=end]")
    first, last = ticks.first, ticks.last
    (y0, v0), (y1, v1) = (
        (float(t.get_attribute("y")) - 4, float(t.text_content().replace("−", "-")))
        for t in (first, last)
    )
    return [v0 + (points[:, 1] - y0) * (v1 - v0) / (y1 - y0) for points in places(page, kind)]


def place(page, theta):
    """Where this angle is in the plot, in pixels of the window."""
    page.locator("#plot").scroll_into_view_if_needed()
    box = page.locator("#plot").bounding_box()
    x = box["x"] + LEFT + (box["width"] - LEFT - RIGHT) * theta / 360
    return x, box["y"] + box["height"] / 2


def share(page, colour):
    """Share of the plot's pixels that have just this colour."""
    picture = imread(io.BytesIO(page.locator("#plot").screenshot()))[..., :3]
    return (np.abs(picture - 255 * np.array(to_rgb(colour))).max(axis=-1) < 12).mean()


# -- the overview ----------------------------------------------------------------------------------


def test_it_opens_on_the_verdict_with_a_curve_of_every_data_set(overview, finished):
    verdicts = read_table(finished.folder / "results/tables/verdict.csv")
    expect(overview.locator("#sentence")).to_have_text(glance.sentence(verdicts))
    expect(overview.locator("#detail")).to_be_hidden()
    expect(overview.locator(".card")).to_have_count(1)
    assert overview.locator(".card path.value").count() == 2
    shown = overview.locator("#glance tbody tr")
    table = glance.table(verdicts)
    assert shown.count() == len(table)
    for i, row in enumerate(table.to_numpy().tolist()):
        assert shown.nth(i).locator("th, td").all_inner_texts() == row
    assert overview.locator("#words dt").count() == len(glance.WORDS)
    expect(overview.locator("#next")).not_to_be_empty()


def test_a_verdict_leads_to_its_curve_and_back_leads_to_the_verdicts(overview, data):
    row = next(v for v in data["opening"]["verdicts"] if v["curve"]["model"] == "finetuned")
    place = data["opening"]["verdicts"].index(row)
    overview.locator("#glance a").nth(place).click()
    expect(overview.locator("#overview")).to_be_hidden()
    expect(overview.locator("#model")).to_have_value("finetuned")
    expect(overview.locator("#metric")).to_have_value(row["curve"]["metric"])
    overview.go_back()
    expect(overview.locator("#overview")).to_be_visible()
    overview.locator(".card").click()
    expect(overview.locator("#title")).to_contain_text("ihc")
    overview.locator("#home").click()
    expect(overview.locator("#overview")).to_be_visible()


def test_back_goes_through_the_curves_that_were_chosen_and_not_through_angles(opened):
    opened.select_option("#model", "finetuned")
    for theta in 90, 180, 270:
        opened.mouse.click(*place(opened, theta))
    opened.select_option("#metric", "auroc")
    opened.go_back()
    expect(opened.locator("#metric")).to_have_value("dice_area")
    expect(opened.locator("#degrees")).to_have_text("270°")
    opened.go_back()
    expect(opened.locator("#model")).to_have_value("pretrained")
    opened.go_forward()
    expect(opened.locator("#model")).to_have_value("finetuned")


# -- curves ----------------------------------------------------------------------------------------


def test_curves_and_what_stands_beside_them_are_where_their_numbers_are(opened, finished):
    for kind, column in (("value", "value"), ("chance", "chance"), ("own_cut", "own_cut")):
        inputs = [name for name in style.INPUTS if kind != "own_cut" or name == "rotated"]
        drawn = values(opened, kind)
        assert len(drawn) == len(inputs)
        for points, input_ in zip(drawn, inputs, strict=True):
            np.testing.assert_allclose(points, rows(finished, input=input_)[column], atol=2e-3)
    (points, _), box = places(opened, "value"), opened.locator("#plot").bounding_box()
    np.testing.assert_allclose(
        points[:, 0], LEFT + (box["width"] - LEFT - RIGHT) * np.arange(0, 360, 90) / 360, atol=0.5
    )
    for input_ in style.INPUTS:
        assert share(opened, style.COLOURS[input_]) > 0.001
    entries = opened.locator("#legend li").all_text_contents()
    beside = ["chance", "own cut: map of the original image, cut to the same pixels"]
    assert [text.strip() for text in entries][2:4] == beside


def test_the_slider_stands_below_its_angle(opened):
    for theta in 0, 90, 270:
        opened.mouse.click(*place(opened, theta))
        box = opened.locator("#theta").bounding_box()
        thumb = box["x"] + 8 + (box["width"] - 16) * theta / 360
        assert thumb == pytest.approx(place(opened, theta)[0], abs=1)


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
    np.testing.assert_allclose(values(opened, "value")[0], curve, atol=2e-3)
    assert opened.locator("#plot").screenshot() != before


def test_only_what_there_is_can_be_chosen_and_only_where_there_is_a_choice(opened):
    for field in "dataset", "view", "encoder", "method":
        expect(opened.locator(f"#{field}")).to_be_hidden()
    opened.select_option("#model", "baseline")
    assert opened.locator("#attribution option").all_text_contents() == [
        "Edges of the image (Sobel)",
        "Energy of oriented gradients (HoG)",
        "Gaussian about the centre",
        "Random, knows nothing",
        "All pixels that the view shows",
    ]
    offered = opened.locator("#compare option").all_text_contents()
    assert offered == ["nothing", "No self-supervision"]  # not edges with themselves
    opened.select_option("#model", "finetuned")
    opened.select_option("#attribution", "segmentation")
    assert opened.locator("#metric option").all_text_contents() == [
        "Dice, mean over labels",
        "dice_class_1",
    ]
    said = "What is measured here has no map; these are maps of the same model. Seed 0."
    expect(opened.locator("#maps-note")).to_contain_text(said)
    assert opened.locator("#pictures img").count() == 6
    expect(opened.locator("#told")).to_contain_text("; chance 0.")
    expect(opened.locator("#legend")).not_to_contain_text("cut to the same pixels")


def test_an_untrained_encoder_and_edges_can_be_compared(opened):
    lines = opened.locator("#plot path.other")
    expect(lines).to_have_count(0)
    for name in ("No self-supervision", "No network: edges of the image"):
        opened.select_option("#compare", label=name)
        expect(lines).to_have_count(2)
        expect(opened.locator("#legend")).to_contain_text(f"{name[0].lower()}{name[1:]}")
    opened.select_option("#compare", label="nothing")
    expect(lines).to_have_count(0)


def test_hovering_tells_value_interval_items_and_seeds_beside_the_curve(opened, finished):
    told, box = opened.locator("#told"), opened.locator("#plot").bounding_box()
    assert told.bounding_box()["x"] >= box["x"] + box["width"]
    opened.mouse.move(*place(opened, 170))
    row = rows(finished).loc[180.0]
    expect(told).to_contain_text("θ = 180°")
    expect(told).to_contain_text(f"Original image: {row['value']:.3f}")
    interval = f"interval {row['ci_low']:.3f} to {row['ci_high']:.3f}, 4 items, 1 seed"
    expect(told).to_contain_text(interval)
    expect(opened.locator("#maps-title")).to_contain_text("θ = 0°")  # nothing is chosen yet
    opened.mouse.move(5, 5)
    expect(told).to_contain_text("θ = 0°")


# -- maps ------------------------------------------------------------------------------------------


def test_a_click_shows_the_maps_of_that_angle_and_their_scores(opened, finished):
    pictures = opened.locator("#pictures img")
    first = pictures.nth(4).get_attribute("src")
    opened.mouse.click(*place(opened, 180))
    expect(opened.locator("#maps-title")).to_have_text("Saliency maps at θ = 180°")
    row = rows(finished).loc[180.0]
    expect(opened.locator("#spoken")).to_contain_text(
        f"θ = 180°Original image: {row['value']:.3f}, interval {row['ci_low']:.3f}"
    )
    assert pictures.count() == 6
    assert pictures.nth(4).get_attribute("src") != first
    size = np.load(finished.folder / "results/data/ihc/images.npy").shape[-1]
    assert all(pictures.nth(i).evaluate("image => image.naturalWidth") == size for i in range(6))
    scores = read_csv(finished.folder / RUN.format("180.0") / "dice.csv")
    item = opened.locator("#item").inner_text().partition(": ")[2]
    chosen = {"item": item, "model": "pretrained", "attribution": "smoothgrad"}
    for input_, place_of in zip(style.INPUTS, (2, 5), strict=True):
        of = scores[(scores[[*chosen]] == pd.Series(chosen)).all(axis=1)]
        of = of[(of["input"] == input_) & (of["metric"] == "dice_area")].iloc[0]
        own = f", own cut {of['own_cut']:.3f}" if input_ == "rotated" else ""
        said = f"Marked: Dice {of['value']:.3f}, chance {of['chance']:.3f}{own}"
        expect(opened.locator("figcaption").nth(place_of)).to_have_text(said)


def test_without_masks_the_probes_curve_has_the_maps_of_its_model_and_none_is_marked(
    page, data, tmp_path
):
    data["series"] = [s for s in data["series"] if s["attribution"] == "probe"]
    data["opening"]["verdicts"] = []
    for item in data["panels"]["sets"]["ihc"]["items"]:
        item["outline"] = ""
    page.goto(f"{write(tmp_path, data)}#dataset=ihc")
    expect(page.locator("#title")).to_have_text("ihc: Accuracy of telling pairs apart")
    note = page.locator("#maps-note")
    expect(note).to_contain_text("has no map; these are maps of the same model.")
    expect(note).not_to_contain_text("mask")
    captions = page.locator("#pictures figcaption").all_text_contents()
    turned = "R_θ x: the image turned by 0°"
    assert captions == ["x: the image", "Its map", turned, "Its map, turned back"]
    left = [page.locator("figure").nth(i).bounding_box()["x"] for i in range(4)]
    assert left[0] == left[2] < left[1] == left[3]


def test_the_turned_image_is_that_image_turned_and_masks_are_outlined(opened):
    opened.mouse.click(*place(opened, 90))
    screen = [opened.locator(".picture img").nth(i).screenshot() for i in (0, 3)]
    opened.add_style_tag(content=".picture svg { display: none }")
    plain = [opened.locator(".picture img").nth(i).screenshot() for i in (0, 3)]
    x, turned = (imread(io.BytesIO(shot))[5:-5, 5:-5, :3].astype(float) for shot in plain)
    assert np.abs(np.rot90(x) - turned).mean() < 0.25 * np.abs(x - turned).mean()
    for outlined, bare in zip(screen, plain, strict=True):
        drawn = imread(io.BytesIO(outlined))[..., :3] - 255 * np.array(to_rgb(style.OUTLINE))
        before = imread(io.BytesIO(bare))[..., :3] - 255 * np.array(to_rgb(style.OUTLINE))
        near = [(np.abs(one).max(axis=-1) < 40).mean() for one in (drawn, before)]
        assert near[0] > near[1] + 0.005


def test_arrows_go_through_all_mapped_items(opened, finished):
    ids = []
    with np.load(finished.folder / RUN.format("000.0") / "saliency.npz") as arrays:
        count = len(arrays["items"])
    for _ in range(count):
        ids.append(opened.locator("#item").inner_text().partition(": ")[2])
        opened.get_by_role("button", name="Next item").click()
    scores = read_csv(finished.folder / RUN.format("000.0") / "dice.csv")
    assert sorted(ids) == sorted(scores["item"].unique()) and len(ids) == count > 1
    expect(opened.locator("#item")).to_contain_text(ids[0])  # round to the first
    opened.get_by_role("button", name="Previous item").click()
    expect(opened.locator("#item")).to_contain_text(ids[-1])
    link = opened.url
    opened.goto("about:blank")
    opened.goto(link)
    expect(opened.locator("#item")).to_contain_text(ids[-1])


# -- keys, links, downloads ------------------------------------------------------------------------


def test_the_keyboard_alone_reaches_and_changes_everything(opened):
    reached = []
    opened.locator("#home").focus()
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
    expect(opened.locator("#spoken")).to_contain_text("θ = 180°")
    assert opened.locator("#theta").get_attribute("aria-valuetext") == "180 degrees"
    for key, theta in ("End", 270), ("ArrowRight", 270), ("Home", 0), ("ArrowLeft", 0):
        opened.keyboard.press(key)
        expect(opened.locator("#degrees")).to_have_text(f"{theta}°")
    for name in "png", "csv", "link", "previous", "following":
        opened.keyboard.press("Tab")
        expect(opened.locator(f"#{name}")).to_be_focused()
    before = opened.locator("#item").inner_text()
    opened.keyboard.press("Enter")
    expect(opened.locator("#item")).not_to_have_text(before)
    opened.keyboard.press("Tab")
    opened.keyboard.press("Enter")
    expect(opened.locator("#numbers table")).to_be_visible()
    assert opened.locator("#numbers tbody tr").count() == 2 * 4


def test_every_header_of_a_table_says_what_it_heads(opened):
    heads = opened.locator("th").evaluate_all(
        "all => all.map(h => [h.closest('thead') !== null, h.scope])"
    )
    assert heads and all(scope == ("col" if above else "row") for above, scope in heads)


def test_a_link_opens_what_was_chosen(opened):
    opened.select_option("#model", "finetuned")
    opened.select_option("#metric", "auroc")
    opened.mouse.click(*place(opened, 270))
    expect(opened.locator("#theta")).to_have_attribute("aria-valuetext", "270 degrees")
    link, curve = opened.url, values(opened, "value")
    opened.goto("about:blank")
    opened.goto(link)
    np.testing.assert_array_equal(values(opened, "value"), curve)
    expect(opened.locator("#maps-title")).to_have_text("Saliency maps at θ = 270°")
    expect(opened.locator("#model")).to_have_value("finetuned")


def test_the_link_can_be_copied_and_is_shown_where_that_is_forbidden(opened):
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.locator("#link").click()
    expect(opened.locator("#copied")).to_have_text("The link is copied.")
    assert opened.evaluate("navigator.clipboard.readText()") == opened.url
    opened.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()) }")
    opened.locator("#link").click()
    expect(opened.locator("#copied")).to_have_text(opened.url)


def test_the_numbers_can_be_saved_and_are_those_of_the_table(opened, finished):
    with opened.expect_download() as download:
        opened.locator("#csv").click()
    assert download.value.suggested_filename.endswith("pretrained-smoothgrad-dice_area.csv")
    saved = pd.read_csv(download.value.path())
    for input_ in style.INPUTS:
        expected = rows(finished, input=input_)
        of = saved[saved["input"] == input_].set_index("theta")
        for column in "value", "ci_low", "ci_high", "chance", "own_cut", "n_items", "n_seeds":
            np.testing.assert_allclose(of[column], expected[column], atol=1e-6)
    assert saved[list(explorer.CURVE)].drop_duplicates().to_numpy().tolist() == [
        ["ihc", "plain", "efficientnet_lite0", "moco", "pretrained", "smoothgrad", "dice_area"]
    ]


def test_the_picture_can_be_saved_and_shows_both_curves(opened):
    box = opened.locator("#plot").bounding_box()
    with opened.expect_download() as download:
        opened.locator("#png").click()
    assert download.value.suggested_filename.endswith(".png")
    picture = imread(download.value.path())
    assert picture.shape[1] == 2 * round(box["width"]) and (picture[..., 3] == 255).all()
    for input_ in style.INPUTS:
        colour = 255 * np.array(to_rgb(style.COLOURS[input_]))
        assert (np.abs(picture[..., :3] - colour).max(axis=-1) < 12).mean() > 0.001


def test_an_address_of_nonsense_opens_the_first_curve(page, made):
    page.goto(
        f"{made.as_uri()}#dataset=__proto__&metric=constructor&theta=north&compare=toString&item=x"
    )
    expect(page.locator("#title")).to_have_text("ihc: Dice, binarised to the mask's area")
    expect(page.locator("#spoken")).to_contain_text("θ = 0°")
    expect(page.locator("#item")).to_contain_text("Item ")


# -- dark, small, touched --------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["", "#dataset=ihc"])
def test_in_the_dark_all_words_can_be_read(browser, made, at):
    dark = browser.new_page(color_scheme="dark")
    dark.goto(made.as_uri() + at)
    for shown in dark.locator("h1, h2, p, dt, dd, th, td, button, select, li, a, #plot text").all():
        if not shown.is_visible() or not shown.text_content().strip():
            continue
        ink, ground = shown.evaluate(INK_AND_GROUND)
        assert contrast(ink, ground) >= 4.5, (shown.text_content(), ink, ground)
        assert luminance(ground) < 0.1
    dark.close()


def luminance(colour):
    """Of WCAG 2."""
    levels = np.array(re.findall(r"\d+", colour)[:3], float) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("at", ["", "#dataset=ihc"])
def test_a_phone_needs_no_sideways_scrolling(page, made, at):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(made.as_uri() + at)
    if at:
        page.locator("summary").click()
        for control in CONTROLS:
            box = page.locator(f"#{control}").bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390
        plot = page.locator("#plot")
        width = plot.get_attribute("viewBox")
        page.set_viewport_size({"width": 844, "height": 390})  # turned round, and back
        expect(plot).not_to_have_attribute("viewBox", width)
        page.set_viewport_size({"width": 390, "height": 844})
        expect(plot).to_have_attribute("viewBox", width)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_on_a_phone_maps_are_seen_while_the_slider_moves(page, made):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(made.as_uri() + "#dataset=ihc")
    page.locator("#maps").scroll_into_view_if_needed()
    page.locator("#pictures").evaluate("e => e.scrollIntoView({ block: 'end' })")
    page.mouse.wheel(0, 120)
    pictures = page.locator("#pictures img")
    before = pictures.nth(4).get_attribute("src")
    box = page.locator("#theta").bounding_box()
    page.mouse.click(box["x"] + 8 + (box["width"] - 16) / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#degrees")).to_have_text("180°")
    expect(page.locator("#maps-title")).to_have_text("Saliency maps at θ = 180°")
    assert pictures.nth(4).get_attribute("src") != before
    top = page.locator("#slider").bounding_box()["y"]
    for i in range(6):  # none hidden by the slider
        shown = pictures.nth(i).bounding_box()
        assert shown["y"] >= 0 and shown["y"] + shown["height"] <= top


def test_a_finger_chooses_an_angle(browser, made):
    phone = browser.new_page(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    phone.goto(made.as_uri() + "#dataset=ihc")
    phone.touchscreen.tap(*place(phone, 180))
    expect(phone.locator("#maps-title")).to_have_text("Saliency maps at θ = 180°")
    phone.close()


# -- other data ------------------------------------------------------------------------------------


def test_an_angle_without_maps_shows_the_nearest_on_the_circle(page, data, tmp_path):
    panel = data["panels"]["sets"]["ihc"]
    panel["angles"] = panel["angles"][:2]  # 0 and 90
    page.goto(write(tmp_path, data) + "#theta=270")
    expect(page.locator("#maps-title")).to_have_text("Saliency maps at θ = 0°")
    expect(page.locator("#maps-note")).to_contain_text(
        "No maps are kept at θ = 270°; these are of the nearest angle that has some, 0°."
    )


def test_maps_of_another_arm_are_not_passed_off_as_these(page, data, tmp_path):
    data["panels"]["sets"]["ihc"]["arm"]["view"] = "disc"
    page.goto(write(tmp_path, data) + "#dataset=ihc")
    expect(page.locator("#maps-note")).to_contain_text("Maps are kept for ihc · disc")
    assert page.locator("#pictures img").count() == 0


def test_what_has_no_value_is_a_gap_and_said_so(page, data, tmp_path):
    for series in data["series"]:
        for name in ("value", "low", "high"):
            series[name][1] = None
    page.goto(write(tmp_path, data) + "#theta=90")
    expect(page.locator("#spoken")).to_contain_text("Original image: no value.")
    bands = page.locator("#plot path.band")
    bands = bands.evaluate_all("all => all.map(p => p.getAttribute('d'))")
    assert [band.count("Z") for band in bands] == [2, 2]
    line = page.locator("#plot path.value").first.get_attribute("d")
    assert line.count("M") == 2 and line.count("L") == 1
    assert page.locator("#plot .mark").count() == 2 * 3


def test_between_irregular_angles_keys_go_from_one_to_the_next(page, data, tmp_path):
    for series in data["series"]:
        series["theta"] = [0, 10, 200, 201.5]
    page.goto(write(tmp_path, data) + "#theta=0")
    page.locator("#theta").focus()
    for theta in "10", "200", "201.5", "201.5":
        page.keyboard.press("ArrowRight")
        expect(page.locator("#degrees")).to_have_text(f"{theta}°")


def test_without_a_verdict_curves_can_be_chosen_all_the_same(page, data, tmp_path):
    data["opening"]["verdicts"] = []
    page.goto(write(tmp_path, data))
    expect(page.locator("#glance")).to_be_hidden()
    page.locator(".card").click()
    expect(page.locator("#title")).to_have_text("ihc: Dice, binarised to the mask's area")


@pytest.mark.parametrize(
    "name",
    [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '"><b>bold</b>&amp;<!--',
        "__proto__",
        "@SCRIPT@",
    ],
)
def test_a_hostile_name_is_shown_and_does_nothing(page, requests, data, tmp_path, name):
    alerts = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    for series in data["series"]:
        series["dataset"] = series["view"] = name
        if series["trained"] == "theta":
            series["finding"] = name
    for verdict in data["opening"]["verdicts"]:
        verdict["curve"] |= {"dataset": name, "view": name}
        verdict["cells"]["data set"] = name
    data["opening"]["sentence"] = name
    data["panels"]["sets"] = {name: data["panels"]["sets"]["ihc"]}
    data["panels"]["sets"][name]["arm"] |= {"dataset": name, "view": name}
    data["panels"]["sets"][name]["items"][0]["id"] = name
    uri = write(tmp_path, data)
    page.goto(uri)
    expect(page.locator("#sentence")).to_have_text(name)
    expect(page.locator(".card strong")).to_have_text(name)
    page.locator(".card").click()
    expect(page.locator("#title")).to_contain_text(f"{name}: ")
    page.goto(f"{uri}#{urlencode({'dataset': name, 'item': 0})}")
    expect(page.locator("#item")).to_contain_text(name)
    page.mouse.move(*place(page, 90))
    expect(page.locator("#findings li").first).to_contain_text(name)
    assert page.locator("body b, body img[src=x]").count() == 0
    assert page.locator("#pictures img").count() == 6
    assert not alerts
    assert {url for url in requests if not url.startswith("data:")} <= {uri, uri + page.url}


def test_the_page_is_one_small_file(made):
    assert Path(made).stat().st_size < 3e6
