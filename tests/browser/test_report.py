"""`snakemake --report`, opened as a reader opens it."""

import re
import zipfile

import pytest
from matplotlib.colors import to_hex
from playwright.sync_api import expect

from thetascope.analysis import glance
from thetascope.files import read_table
from thetascope.report.figures.style import VERDICTS

CATEGORIES = {
    "1 Verdict": {"verdict", "explorer"},
    "2 Curves over θ": {
        "specification",
        "oscillation",
        "supplement",
        "periodogram",
        "probe",
        "peaks",
        "similarity",
        "orientation",
    },
    "3 What the models look at": {"saliency", "samples"},
    "4 Training": {"training"},
    "5 Tables": {"datasets", "oscillation", "contrasts", "segmentation", "hog_svm"},
}
COLOURS = """
image => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [200, 200];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0, 200, 200);
    return new Set(new Uint32Array(context.getImageData(0, 0, 200, 200).data.buffer)).size;
}
"""


@pytest.fixture(scope="module")
def report(finished):
    finished.snakemake("--report", "report.html")
    return finished.folder / "report.html"


@pytest.fixture
def opened(page, report):
    fetched = []
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(report.as_uri())
    page.get_by_text("Methods of this run").wait_for()
    yield page
    assert [url for url in fetched if not url.startswith("data:")] == [report.as_uri()]


def rows(page, category):
    page.get_by_text(category, exact=True).click()
    # of the menu: the first page has a table too
    found = page.locator("tbody tr").filter(has=page.locator("a, button"))
    found.first.wait_for()
    return [found.nth(i) for i in range(found.count())]


def test_the_first_page_states_the_settings_of_this_run(opened):
    text = opened.locator("body").inner_text()
    for stated in ("Image sets: ihc", "0, 90, 180, 270, none", "2 epochs", "temperature 0.2"):
        assert stated in text
    menu = [text.index(category) for category in CATEGORIES]
    assert menu == sorted(menu)


@pytest.mark.parametrize("category", CATEGORIES)
def test_everything_can_be_looked_at(opened, category):
    found = {}
    for row in rows(opened, category):
        cells = row.locator("td").all_inner_texts()
        (shows,) = CATEGORIES[category].intersection(cells)
        assert "efficientnet_lite0" in cells and "moco" in cells
        assert ("ihc" in cells) == (category[0] in "234" and shows != "specification")
        row.locator("td").last.locator("a, button").first.click()
        if category[0] in "15":
            frame = opened.frame_locator("iframe")
            frame.locator("th").first.wait_for()
            found[shows] = frame.locator("tr").count()
        else:
            image = opened.locator("img[src^='data:image']").last
            image.wait_for()
            opened.wait_for_function("() => [...document.images].every(i => i.complete)")
            assert image.evaluate("i => i.naturalWidth") > 300
            found[shows] = image.evaluate(COLOURS)
    assert found.keys() == CATEGORIES[category]
    fewest = {"1": 8, "5": 1}.get(category[0], 50)
    assert all(count >= fewest for count in found.values()), found


def test_it_opens_at_the_verdict_with_its_table_in_colours_and_its_figure(opened, finished):
    verdicts = read_table(finished.folder / "results/tables/verdict.csv")
    first = opened.locator(".prose")
    expect(first.get_by_text(glance.sentence(verdicts))).to_be_in_viewport()
    shown = first.locator("table.glance tbody tr")
    assert shown.count() == len(verdicts)
    words = [shown.nth(i).locator("td").first.inner_text() for i in range(len(verdicts))]
    assert words == glance.table(verdicts)["verdict"].tolist()
    chip = shown.first.locator("i")
    assert chip.bounding_box()["width"] > 5
    colour = chip.evaluate("e => getComputedStyle(e).backgroundColor")
    assert to_hex([int(n) / 255 for n in re.findall(r"\d+", colour)[:3]]).upper() in (
        VERDICTS.values()
    )
    # the graph of the workflow, beside it, hides none of it
    amplitude = shown.nth(1).locator("td").last
    assert amplitude.evaluate(
        """cell => {
            const box = cell.getBoundingClientRect();
            const [x, y] = [box.right - 4, box.top + box.height / 2];
            return cell.contains(document.elementFromPoint(x, y));
        }"""
    )
    figure = first.locator("img[src^='data:image/svg']")
    assert figure.evaluate("image => image.naturalWidth") > 300


def test_the_explorer_works_within_the_report(opened):
    for row in rows(opened, "1 Verdict"):
        if "explorer" in row.locator("td").all_inner_texts():
            row.locator("td").last.locator("a, button").first.click()
    frame = opened.frame_locator("iframe")
    frame.locator(".card").first.click()
    frame.locator("#theta").press("End")
    expect(frame.locator("#maps-title")).to_have_text("Saliency maps at θ = 270°")
    frame.locator("#home").click()
    expect(frame.locator("#overview")).to_be_visible()


def test_the_link_leads_to_the_verdict_and_its_words(opened):
    opened.get_by_role("link", name="verdict.html").click()
    opened.get_by_text("What the declared analysis found").wait_for()


def test_the_runtimes_are_there(opened):
    opened.get_by_text("Statistics", exact=True).click()
    opened.locator("canvas, svg.marks").first.wait_for()


def test_three_image_sets_would_stay_below_20_mb(report):
    assert 3 * report.stat().st_size < 20e6


def test_the_archive_holds_the_same(finished):
    finished.snakemake("--report", "report.zip")
    with zipfile.ZipFile(finished.folder / "report.zip") as archive:
        names = [name.rsplit("/")[-1] for name in archive.namelist()]
    assert "report.html" in names
    assert len([name for name in names if name.endswith((".svg", ".png", ".html"))]) == 19
