"""Tables and the verdict as pages that a browser shows."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd
from markdown_it import MarkdownIt

from thetascope.analysis import glance
from thetascope.analysis.inference import EXPLORATORY
from thetascope.analysis.statements import FOREST
from thetascope.report.figures.style import VERDICTS
from thetascope.vocabulary import ARM

END_OF_GLANCE = "<!-- end of the glance -->"

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="{made_by}">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; --ink: #1b1f24; --ground: #fff; --line: #ddd; }}
  @media (prefers-color-scheme: dark) {{
    :root {{ --ink: #e6edf3; --ground: #14181d; --line: #3d444d; }}
  }}
  body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; }}
  h1 {{ font-size: 1.6rem; }}
  h2 {{ font-size: 1.25rem; }}
  h3 {{ font-size: 1rem; }}
  body {{ max-width: 73rem; color: var(--ink); background: var(--ground); }}
  img {{ display: block; max-width: 100%; background: #fff; }}
  .table {{ overflow-x: auto; margin: 1rem 0; }}
  table {{ border-collapse: collapse; font-size: 0.8rem; font-variant-numeric: tabular-nums; }}
  th, td {{ padding: 0.2rem 0.4rem; border-bottom: 1px solid var(--line); text-align: right; }}
  th {{ position: sticky; top: 0; background: var(--ground); vertical-align: bottom; }}
  .glance th, .glance td {{ text-align: left; }}
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


# of these tables a page shows what fits into it, what was found first; the files hold all columns
COLUMNS = {
    "oscillation": [
        *("q", "p", "question", *ARM, "sweep", "held_angle", "model", "input", "metric", "period"),
        *("amplitude", "amplitude_ci_low", "amplitude_ci_high", "amplitude_bound", "phase_deg"),
        *("p_without_0", "n_angles", "n_cases", "n_seeds"),
    ],
    "contrasts": [
        *("q", "p", "question", "factor", "levels", *ARM, "sweep", "held_angle", "model", "input"),
        *("metric", "period", "amplitude", "amplitude_ci_low", "amplitude_ci_high", "phase_deg"),
        *("n_angles", "n_seeds"),
    ],
    "datasets": [
        *("dataset", "n_items", "n_cases", "n_train", "n_validation", "n_test", "n_test_cases"),
        *("width_min", "width_max", "height_min", "height_max", "foreground_min"),
        *("foreground_median", "foreground_max", "n_empty", "n_left_out", "n_unused"),
    ],
    "verdict": [
        *("verdict", "finds", "question", *ARM, "sweep", "held_angle", "model", "input", "metric"),
        *("level_q", "period", "p", "q", "canvas_q", "sham_q"),
        *("detectable_amplitude", "seeds_needed", "reliability", "sameness"),
    ],
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
    return f'{above}<div class="table" tabindex="0">{_headed(text)}</div>'


def _headed(html: str) -> str:
    """Say of its headers that they head columns, and let them break where a word ends."""
    head, end, body = html.partition("</thead>")
    return head.replace("<th>", '<th scope="col">').replace("_", "_<wbr>") + end + body


def _glance_html(verdicts: pd.DataFrame) -> str:
    """Write the table at a glance as HTML, each verdict with its colour."""
    text = _headed(glance.table(verdicts).to_html(index=False, border=0, classes="glance"))
    colours = iter(VERDICTS[name] for name in glance.in_order(verdicts)["verdict"])
    first = re.compile(r"(<tr>\s*<td>)")
    # with a look of its own, since the report shows the table on another page
    look = "display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.4em"
    text = first.sub(
        lambda cell: f'{cell[1]}<i style="{look}; background: {next(colours)}"></i>', text
    )
    return f'<div class="table" tabindex="0">{text}</div>'


def table_page(table: pd.DataFrame, name: str, made_by: Mapping[str, Any]) -> str:
    """Write a page that shows a table, of tests only those that were declared.

    Parameters
    ----------
    table : DataFrame
        Of any kind; rows whose column `question` says exploratory are left out.
    name : str
        Of the file, one of `TITLES`.
    made_by : mapping
        As `files.record` makes it.
    """
    body = f"<h1>{escape(TITLES[name])}</h1>"
    if "question" in table:
        body += "<p>The declared tests; the file holds the exploratory ones too.</p>"
        table = table[table["question"] != EXPLORATORY]
    table = table[[column for column in COLUMNS.get(name, table) if column in table]]
    return _page(TITLES[name], body + table_html(table), made_by)


def verdict_page(
    words: str, verdicts: pd.DataFrame, forest: str, made_by: Mapping[str, Any]
) -> str:
    """Write a page that says the verdict and shows its figure and its tables.

    Parameters
    ----------
    words : str
        Markdown, as `statements.page` writes it.
    verdicts : DataFrame
        `verdict.csv`.
    forest : str
        The figure of it, an SVG.
    made_by : mapping
        As `files.record` makes it.
    """
    # `js-default`: HTML inside the text is shown, not obeyed
    body = MarkdownIt("js-default").render(words)
    # the first table is the one at a glance: here it has colours
    before, _, rest = body.partition("<table>")
    body = before + _glance_html(verdicts) + rest.partition("</table>")[2]
    body = body.replace("<th>", '<th scope="col">')
    # in lines, since the report refuses very long ones; a browser skips where they break
    image = base64.encodebytes(forest.encode()).decode().strip()
    body = body.replace(FOREST, f"data:image/svg+xml;base64,{image}")
    # the report opens with what is before the mark
    body = body.replace("<h2>", f"{END_OF_GLANCE}<h2>", 1)
    numbers = table_html(verdicts[[name for name in COLUMNS["verdict"] if name in verdicts]])
    return _page("Does it oscillate with θ?", f"{body}<h2>In numbers</h2>{numbers}", made_by)
