import ast
import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd

from thetascope.report.pages import TITLES, table_page, verdict_page


class Page(HTMLParser):
    """Tags, and the text of table cells by row."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.rows, self.cell = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.cell = tag in ("td", "th")
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        self.cell = False

    def handle_data(self, data):
        if self.cell:
            self.rows[-1].append(data)


def test_a_table_shows_the_declared_tests_alone():
    frame = pd.DataFrame(
        {"dataset": ["a", "b"], "p": [0.01234, 0.5], "question": ["main", "exploratory"]}
    )
    assert Page(table_page(frame, "oscillation", {})).rows == [
        ["dataset", "p", "question"],
        ["a", "0.0123", "main"],
    ]
    assert Page(table_page(frame[:0].astype(object), "x", {})).rows == [
        ["dataset", "p", "question"]
    ]


def test_what_is_missing_is_a_dash():
    frame = pd.DataFrame({"p": [np.nan], "name": [np.nan]})
    assert Page(table_page(frame, "x", {})).rows[1] == ["–", "–"]


def test_names_do_no_harm():
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    verdicts = pd.DataFrame({"dataset": [evil, evil], evil: [evil, "b"], "n": [1, 2]})
    record = {"wildcards": evil}
    for text in (verdict_page(f"# {evil}\n", verdicts, record), table_page(verdicts, evil, record)):
        assert not {"script", "img"} & set(Page(text).tags)
        assert "alert(1)" in text


def test_the_verdict_is_said_before_it_is_shown():
    text = verdict_page("# Does it?\n\n- **auroc**: no.\n", pd.DataFrame({"p": [0.5]}), {})
    assert (
        text.index("<h1>Does it?</h1>") < text.index("<strong>auroc</strong>") < text.index("<td>")
    )


def test_what_all_rows_share_is_said_once():
    frame = pd.DataFrame({"dataset": "ihc", "p": [0.1, 0.2], "q": np.nan, "period": 90.0})
    text = table_page(frame, "x", {"rule": "table_page"})
    assert Page(text).rows == [["p"], ["0.1"], ["0.2"]]
    assert "In all rows: dataset ihc, q –, period 90." in text
    assert escape('{"rule": "table_page"}') in text


def test_every_readable_table_has_a_title():
    rules = (Path(__file__).parents[3] / "rules/common.smk").read_text()
    (names,) = re.findall(r"^READABLE = (\[.*\])", rules, re.M)
    assert set(ast.literal_eval(names)) == set(TITLES)
