"""What a notebook needs: read the tables of a results folder, choose rows, draw a curve."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from thetascope import files
from thetascope.errors import UserError
from thetascope.report.figures.curves import draw_curves
from thetascope.report.figures.panels import sweep
from thetascope.report.figures.style import METRICS, SUPPLEMENT
from thetascope.vocabulary import ARM

SHOWN = 8  # values that an error message lists


def read_table(name: str, results: str | Path = "results") -> pd.DataFrame:
    """Read a table of a results folder; every column has the type that it was written with.

    Parameters
    ----------
    name : str
        File in `results/tables` without its ending, such as `dice`, `oscillation`, `verdict`, or
        `dice_per_item`.
    results : path
        The results folder.

    Raises
    ------
    UserError
        If there is no such table; the message names those that are there. Or if the file is not
        what was written.
    """
    folder = Path(results) / "tables"
    if (parquet := folder / f"{name}.parquet").exists():
        return files.read_parquet(parquet)
    if (csv := folder / f"{name}.csv").exists():
        return files.read_table(csv)
    there = sorted(
        {path.stem for path in folder.glob("*.*") if path.suffix in (".csv", ".parquet")}
    )
    raise UserError(f"{folder}: has no table {name!r}; it holds {', '.join(there) or 'none'}")


def select(table: pd.DataFrame, **columns: object) -> pd.DataFrame:
    """Rows in which the columns have these values.

    Parameters
    ----------
    table : DataFrame
        Any table of ours.
    **columns : value or list of values
        Column → what it must be, such as ``dataset="retina", metric=["auroc", "dice_area"]``.

    Raises
    ------
    UserError
        If there is no such column, or no row has such a value; the message names those there are.
    """
    found = np.ones(len(table), dtype=bool)
    for column, wanted in columns.items():
        if column not in table:
            raise UserError(f"no column {column!r}; the table has {', '.join(map(str, table))}")
        values = list(wanted) if isinstance(wanted, list | tuple | set) else [wanted]
        known = list(table[column].unique())
        if missing := [value for value in values if value not in known]:
            shown = ", ".join(map(str, known[:SHOWN])) + ", …" * (len(known) > SHOWN)
            raise UserError(f"{column}: no row has {missing[0]!r}; there are {shown or 'no rows'}")
        found &= table[column].isin(values).to_numpy()
    return table[found]


def plot_curve(table: pd.DataFrame, axes: Axes | None = None) -> Axes:
    """Draw one metric of one model in one arm over θ, with its interval and chance.

    Parameters
    ----------
    table : DataFrame
        Rows of `dice`, of one arm, model, attribution and metric (see `select`).
    axes : Axes or None
        Where to draw; None makes a new figure.

    Returns
    -------
    Axes
        With a line for each input: the map of x, and that of R_θ x turned back.

    Raises
    ------
    UserError
        If the rows are of several curves; the message names the columns to choose by.
    """
    for column in [*ARM, "model", "attribution", "metric"]:
        if len(several := table[column].unique()) != 1:
            shown = ", ".join(map(str, several[:SHOWN])) or "none"
            raise UserError(
                f"{column}: one curve has one; these rows have {shown}: choose with `select`"
            )
    curves, swept = sweep(table)
    axes = axes or plt.subplots(layout="constrained")[1]
    draw_curves(axes, curves)
    first = curves.iloc[0]
    axes.set(
        title=f"{first['dataset']}: {first['model']}, {first['attribution']}",
        xlabel=f"θ (degrees). {swept.meaning}",
        ylabel=(METRICS | SUPPLEMENT).get(first["metric"], first["metric"]),
        xticks=range(0, 361, 90),
        xlim=(-5, 365),
    )
    axes.legend()
    return axes
