"""Tables and the verdict as pages that a browser shows."""

from __future__ import annotations

from html import escape

import pandas as pd
from markdown_it import MarkdownIt

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
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


def table_html(table: pd.DataFrame) -> str:
    """Write a table as HTML: three digits, and a dash where there is no value."""
    text = table.to_html(index=False, border=0, na_rep="–", float_format="{:.3g}".format)
    return f'<div class="table" tabindex="0">{text}</div>'


def table_page(table: pd.DataFrame, title: str) -> str:
    """Write a page that shows a table, of tests only those that were declared.

    Parameters
    ----------
    table : DataFrame
        Of any kind; rows whose column `confirmatory` says no are left out.
    title : str
        What the table is.
    """
    body = f"<h1>{escape(title)}</h1>"
    if "confirmatory" in table:
        body += "<p>The declared tests; the file holds the exploratory ones too.</p>"
        table = table[table["confirmatory"].astype(bool)].drop(columns="confirmatory")
    return PAGE.format(title=escape(title), body=body + table_html(table))


def verdict_page(words: str, verdicts: pd.DataFrame) -> str:
    """Write a page that says the verdict and shows its table.

    Parameters
    ----------
    words : str
        Markdown, as `verdict.page` writes it.
    verdicts : DataFrame
        `verdict.csv`.
    """
    # `js-default`: HTML inside the text is shown, not obeyed
    body = MarkdownIt("js-default").render(words) + "<h2>In numbers</h2>" + table_html(verdicts)
    return PAGE.format(title="Does it oscillate with θ?", body=body)
