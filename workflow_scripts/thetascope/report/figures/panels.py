"""What figures of curves share: their rows, the sweep that is shown, and words about both."""

from __future__ import annotations

import numpy as np
import pandas as pd

from thetascope.analysis.sweeps import Sweep, shown, sweeps
from thetascope.report.figures.style import IN_SET
from thetascope.vocabulary import ANGLES


def sweep(table: pd.DataFrame) -> tuple[pd.DataFrame, Sweep]:
    """Rows of the sweep that is shown (`sweeps.shown`), with their `theta`, and it."""
    # NaN equals nothing, None itself
    angles = table[ANGLES].astype(object).where(table[ANGLES].notna(), None)
    cells = list(angles.itertuples(index=False, name=None))
    chosen = shown(cells)
    places = sweeps(cells)[chosen]
    theta = [chosen.theta(cells[place]) for place in places]
    return table.iloc[places].assign(theta=theta), chosen


def rows_of(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Rows in which the columns have these values; None stands for an empty cell."""
    found = np.ones(len(table), dtype=bool)
    for column, value in values.items():
        found &= table[column].isna() if value is None else table[column] == value
    return table[found]


def key_of(swept: Sweep) -> dict[str, object]:
    """Columns of the tables of curves that tell a sweep from others."""
    return {"sweep": swept.kind, "training": swept.training, "held_angle": swept.held_angle}


def arms_of(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Every combination of view, encoder and method, sorted."""
    return sorted(set(map(tuple, table[IN_SET].to_numpy())))


def title_of(table: pd.DataFrame, arms: list[tuple[str, ...]]) -> str:
    """Name the data set, and what all arms have in common."""
    common = [names[0] for names in zip(*arms, strict=True) if len(set(names)) == 1]
    return (
        f"{table['dataset'].iloc[0]} ({', '.join(common)})" if common else table["dataset"].iloc[0]
    )


def row_label(text: str, arm: tuple[str, ...], arms: list[tuple[str, ...]]) -> str:
    """Name what tells the arm from the others."""
    columns = zip(arm, zip(*arms, strict=True), strict=True)
    return "\n".join([text, *(name for name, others in columns if len(set(others)) > 1)])


def counts_of(table: pd.DataFrame, confidence: float) -> str:
    """Say over how much the means go, and how far the bands."""
    least, most, seeds = table["n_items"].min(), table["n_items"].max(), table["n_seeds"].max()
    items = f"{most}" if least == most else f"{least} to {most}"
    over = f"{items} test items" + (f" × {seeds} seeds" if seeds > 1 else "")
    return f"Means and {100 * confidence:g} % bootstrap intervals over {over}"
