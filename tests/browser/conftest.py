"""A real browser, for pages that the workflow writes."""

import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

DEBIAN = Path(__file__).parents[1] / "debian"


def installed():
    """Path of Chromium, which root on Debian gets here if it is missing."""
    if not shutil.which("chromium") and shutil.which("apt-get"):
        subprocess.run([DEBIAN, "chromium"], capture_output=True)
    return shutil.which("chromium")


@pytest.fixture(scope="session")
def browser():
    chromium = installed()
    if not chromium:
        pytest.skip(f"no Chromium here: {DEBIAN} chromium")
    with sync_playwright() as playwright:
        # root may not have Chromium's sandbox
        browser = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """An empty page at desktop width; the test fails if a page that it opens complains."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    yield page
    page.close()
    assert not complaints
