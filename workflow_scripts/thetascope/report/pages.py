"""Tables and the verdict as pages that a browser shows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd
from markdown_it import MarkdownIt

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="{made_by}">
<title>{title}</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; }}
  body {{ max-width: 75rem; }}
  .table {{ overflow-x: auto; }}
  table {{ border-collapse: collapse; font-size: 0.8rem; font-variant-numeric: tabular-nums; }}
  th, td {{ padding: 0.2rem 0.6rem; border-bottom: 1px solid #ddd; text-align: right; }}
  th {{ position: sticky; top: 0; background: white; }}
</style>
{body}
</html>
"""


# file in results/tables → what it answers
TITLES = {
    "datasets": "The image sets as they were read",
    "oscillation": "How much of each curve is a wave of a given period?",
    "contrasts": "Do curves differ in shape?",
    "segmentation": "How well do the fine-tuned models segment?",
    "hog_svm": "Do gradient orientations alone tell x from R_θ x?",
}


def _page(title: str, body: str, made_by: Mapping[str, Any]) -> str:
    """Fill the page; in its head stands what made it."""
    record = escape(json.dumps(made_by, sort_keys=True))
    return PAGE.format(title=escape(title), body=body, made_by=record)


def _text(value: object) -> str:
    """One value as `table_html` writes it."""
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else "–"
    return escape(str(value))


def table_html(table: pd.DataFrame) -> str:
    """Write a table as HTML: three digits, and a dash where there is no value.

    What is the same in all rows stands above it instead, so that the rest needs less width.
    """
    above = "" if len(table) else "<p>No row: too few angles, seeds or data sets for this.</p>"
    same = [name for name in table if len(table) > 1 and table[name].nunique(dropna=False) == 1]
    if same:
        shown = (f"{escape(str(name))} {_text(table[name].iloc[0])}" for name in same)
        above = f"<p>In all rows: {', '.join(shown)}.</p>"
    text = table.drop(columns=same).to_html(
        index=False, border=0, na_rep="–", float_format="{:.3g}".format
    )
    return f'{above}<div class="table" tabindex="0">{text}</div>'


def table_page(table: pd.DataFrame, title: str, made_by: Mapping[str, Any]) -> str:
    """Write a page that shows a table, of tests only those that were declared.

    Parameters
    ----------
    table : DataFrame
        Of any kind; rows whose column `question` says exploratory are left out.
    title : str
        What the table is.
    made_by : mapping
        As `files.record` makes it.
    """
    body = f"<h1>{escape(title)}</h1>"
    if "question" in table:
        body += "<p>The declared tests; the file holds the exploratory ones too.</p>"
        table = table[table["question"] != "exploratory"]
    return _page(title, body + table_html(table), made_by)


def verdict_page(words: str, verdicts: pd.DataFrame, made_by: Mapping[str, Any]) -> str:
    """Write a page that says the verdict and shows its table.

    Parameters
    ----------
    words : str
        Markdown, as `verdict.page` writes it.
    verdicts : DataFrame
        `verdict.csv`.
    made_by : mapping
        As `files.record` makes it.
    """
    # `js-default`: HTML inside the text is shown, not obeyed
    body = MarkdownIt("js-default").render(words) + "<h2>In numbers</h2>" + table_html(verdicts)
    return _page("Does it oscillate with θ?", body, made_by)
