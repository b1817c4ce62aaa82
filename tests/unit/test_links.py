"""Every link from page to page, to a heading and to a file leads somewhere; no network is asked.

Sphinx says so of the site; this is about the pages as GitHub shows them.
"""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        ROOT / "bench/README.md",
        ROOT / "results/README.md",
    ]
)


def tokens(page):
    for block in MarkdownIt().enable("table").parse(page.read_text("utf-8")):
        yield block
        yield from block.children or []


def links(page):
    """Files that the page links to, or shows, with the heading."""
    for token in tokens(page):
        address = token.attrs.get("href") or token.attrs.get("src")
        if address and not urlsplit(address).scheme:
            parts = urlsplit(unquote(address))
            yield (page.parent / parts.path if parts.path else page).resolve(), parts.fragment


def anchors(page):
    """Names of a page's headings, as GitHub makes them."""
    blocks, seen = list(tokens(page)), Counter()
    for opening, heading in pairwise(blocks):
        if opening.type == "heading_open":
            text = "".join(child.content for child in heading.children)
            name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            yield f"{name}-{seen[name]}" if seen[name] else name
            seen[name] += 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_are_there(page):
    for target, heading in links(page):
        assert target.is_relative_to(ROOT) and target.exists(), target
        assert not heading or heading in anchors(target), (target.name, heading)


def test_every_page_can_be_reached_from_the_first_by_links_alone():
    """Where GitHub shows the pages there is no table of contents."""
    reached, to_do = set(), [ROOT / "docs/index.md"]
    while to_do:
        page = to_do.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            to_do += [target for target, _ in links(page)]
    assert reached >= set(PAGES) - {ROOT / "README.md"}


def test_headings_are_named_as_github_names_them(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# What `θ` is, in °\n\n## A. – B\n\n## A. – B\n\n[here](#a--b)\n")
    assert list(anchors(page)) == ["what-θ-is-in-", "a--b", "a--b-1"]
    assert list(links(page)) == [(page, "a--b")]
