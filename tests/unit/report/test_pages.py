import ast
import base64
import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
from factories import VERDICT, analysis

from thetascope.analysis import glance, statements
from thetascope.analysis.curves import KEY
from thetascope.analysis.verdict import COLUMNS as VERDICT_COLUMNS
from thetascope.report.figures.style import VERDICTS
from thetascope.report.pages import END_OF_GLANCE, TITLES, table_page, verdict_page


class Page(HTMLParser):
    """Tags, and the text of table cells by row."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.scopes = [], [], []
        self.rows, self.cell = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "th":
            self.scopes.append(dict(attrs).get("scope"))
        if tag in ("td", "th"):
            self.cell = True
            self.rows[-1].append("")
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        self.cell = self.cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self.cell:
            self.rows[-1][-1] += data


def test_a_table_shows_the_declared_tests_alone():
    frame = pd.DataFrame(
        {"dataset": ["a", "b"], "p": [0.01234, 0.5], "question": ["main", "exploratory"]}
    )
    assert Page(table_page(frame, "oscillation", {})).rows == [
        ["p", "question", "dataset"],
        ["0.0123", "main", "a"],
    ]
    assert Page(table_page(frame[:0].astype(object), "oscillation", {})).rows == [
        ["p", "question", "dataset"]
    ]


def test_what_is_missing_is_a_dash():
    frame = pd.DataFrame({"p": [np.nan], "name": [np.nan]})
    assert Page(table_page(frame, "hog_svm", {})).rows[1] == ["–", "–"]


def verdicts(*rows):
    return pd.DataFrame([VERDICT | row for row in rows]).reindex(columns=VERDICT_COLUMNS)


def words(shown):
    empty = pd.DataFrame(columns=["question", "factor", "q"])
    tables = {
        "contrasts": empty,
        "phases": empty,
        "benchmarks": pd.DataFrame(columns=["rule", "training"]),
    }
    tables["questions"] = pd.DataFrame({"question": [], "p_any_curve": []})
    tables["noise"] = shown[KEY].assign(cell_sd=0.1)
    return statements.page(shown, tables, analysis(smallest_effect=0.02))


def test_names_do_no_harm():
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    shown, record = verdicts({"dataset": evil}, {"dataset": "b"}), {"wildcards": evil}
    page = verdict_page(words(shown), shown, "<svg/>", record)
    for text in page, table_page(shown, "oscillation", record):
        assert "script" not in Page(text).tags and "onerror" not in dict(Page(text).attributes)
        assert "alert(1)" in text
    assert Page(page).tags.count("img") == 1  # the figure


def test_the_verdict_page_has_the_table_at_a_glance_in_colours_then_figure_then_numbers():
    shown = verdicts({"verdict": "open"}, {"question": "turning"}, {"verdict": "no wave"})
    text = verdict_page(words(shown), shown, "<svg>forest</svg>", {})
    page = Page(text)
    table = glance.table(shown)
    assert page.rows[:4] == [list(table), *table.to_numpy().tolist()]
    colours = re.findall("background: (#[0-9A-F]{6})", text)
    assert colours == [VERDICTS[name] for name in ("open", "no wave", "wave")]
    (image,) = re.findall('src="data:image/svg\\+xml;base64,(.*?)"', text, re.DOTALL)
    assert base64.b64decode(image) == b"<svg>forest</svg>"
    places = [
        text.index(part)
        for part in ("<h1>", "dataframe glance", image, END_OF_GLANCE, "In numbers")
    ]
    assert places == sorted(places)
    # of the numbers the verdict comes first
    assert page.rows[-4][0] == "verdict" and [row[0] for row in page.rows[-3:]] == list(
        shown["verdict"]
    )


def test_every_header_says_what_it_heads():
    shown = verdicts({}, {"verdict": "open"})
    for text in (
        verdict_page(words(shown), shown, "<svg/>", {}),
        table_page(pd.DataFrame({"p": [0.1, 0.2]}), "hog_svm", {}),
    ):
        head = Page(text)
        assert head.scopes and set(head.scopes) == {"col"}


def test_what_all_rows_share_is_said_once():
    frame = pd.DataFrame({"dataset": "ihc", "p": [0.1, 0.2], "q": np.nan, "period": 90.0})
    text = table_page(frame, "hog_svm", {"rule": "table_page"})
    assert Page(text).rows == [["p"], ["0.1"], ["0.2"]]
    assert "In all rows: dataset ihc, q –, period 90." in text
    assert escape('{"rule": "table_page"}') in text


def test_every_readable_table_has_a_title():
    rules = (Path(__file__).parents[3] / "rules/common.smk").read_text()
    lists = re.findall(r"^ *READABLE \+?= (\[.*\])", rules, re.M)
    assert {name for names in lists for name in ast.literal_eval(names)} == set(TITLES)
