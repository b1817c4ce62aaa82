"""Scores per item: merged from the files of all runs, and arranged in arrays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv, parquet

from thetascope.angles import FIXED, degrees, is_fixed, training
from thetascope.files import ANGLE_COLUMNS, TEXT_COLUMNS, DamagedError, read_text, stream_parquet
from thetascope.vocabulary import ANGLES, ARM, ATTRIBUTION, OTHERS, SCORE

# what a part's values do not tell, if all are missing or look like numbers
TYPES = dict.fromkeys(TEXT_COLUMNS, pa.dictionary(pa.int32(), pa.string()))
TYPES |= dict.fromkeys(("value", "chance", "own_cut", "dice", "pre_rotation"), pa.float64())
PART_BYTES = 2**25  # of CSV files that are parsed at once

MEASURES = ("value", "chance", "own_cut")
TURNED = "pre_rotation"  # how far an item's picture was turned before all else
COLUMNS = [*ARM, *ANGLES, "seed", "item", "case", *SCORE, *MEASURES, TURNED]  # of scores per item
DECIMALS = 9  # scores have six digits; what lies beyond these is rounding, no peak and no ripple

Array = NDArray[np.float64]


# -- merging ---------------------------------------------------------------------------------------


def merge(
    paths: Sequence[str | Path], wildcards: Sequence[Mapping[str, object]]
) -> Iterator[pa.Table]:
    """Merge tables of ours, a part at a time: 43,000 runs have more rows than memory should hold.

    Parameters
    ----------
    paths : sequence of path
        CSV files of one kind.
    wildcards : sequence of mapping
        For each file its wildcards, which become the first columns (see `typed`).

    Yields
    ------
    pyarrow.Table
        Rows of some of the files, sorted by the wildcards; text as categories.
    """
    keys = list(wildcards[0]) if wildcards else []
    values = [[str(names[key]) for key in keys] for names in wildcards]
    names: list[list[str]] = []
    texts: list[bytes] = []  # the header, then the rows of every file
    size = 0
    for i in sorted(range(len(paths)), key=values.__getitem__):
        header, _, text = read_text(paths[i]).partition(b"\n")
        if texts and (size > PART_BYTES or header != texts[0]):
            yield _parse(keys, names, texts)
            names, texts, size = [], [], 0
        texts = texts or [header]
        names.append(values[i])
        texts.append(text)
        size += len(text)
    if texts:
        yield _parse(keys, names, texts)


def _parse(keys: list[str], names: list[list[str]], texts: list[bytes]) -> pa.Table:
    """Read a header and the rows of several files at once, with each file's names in front."""
    rows = csv.read_csv(
        pa.BufferReader(b"\n".join([texts[0], b"".join(texts[1:])])),
        convert_options=csv.ConvertOptions(
            column_types=TYPES, auto_dict_encode=True, auto_dict_max_cardinality=2**31 - 1
        ),
    )
    counts = [text.count(b"\n") for text in texts[1:]]
    columns = {}
    for key, column in zip(keys, np.array(names).T, strict=True):
        labels, codes = np.unique(column, return_inverse=True)
        of_row = pa.array(np.repeat(codes, counts))
        for name, values in typed(key, labels.tolist()).items():
            # a part without any fixed angle would have a column of no type
            kind = pa.float64() if name in ANGLE_COLUMNS else None
            column = pa.array(values, kind).take(of_row)
            text = pa.types.is_string(column.type)
            columns[name] = column.dictionary_encode() if text else column
    return pa.table(columns | dict(zip(rows.column_names, rows.columns, strict=True)))


def typed(wildcard: str, labels: Sequence[str]) -> dict[str, list[Any]]:
    """Columns of a wildcard's values: angles as degrees beside how was trained, seeds as numbers.

    >>> typed("angle", ["030.0", "none"])
    {'training': ['fixed', 'none'], 'angle': [30.0, None]}
    """
    if wildcard == "angle":
        angles = [degrees(label) if is_fixed(label) else None for label in labels]
        return {"training": list(map(training, labels)), "angle": angles}
    if wildcard == "eval_angle":
        return {wildcard: list(map(degrees, labels))}
    return {wildcard: list(map(int, labels)) if wildcard == "seed" else list(labels)}


def per_item(
    paths: Sequence[str | Path], wildcards: Sequence[Mapping[str, object]]
) -> pd.DataFrame:
    """Merge files of scores per item, such as `segmentation.csv`: all that `merge` yields.

    Of no file: no row and no column.
    """
    if not paths:
        return pd.DataFrame()
    parts = pa.concat_tables(merge(paths, wildcards), promote_options="permissive")
    merged: pd.DataFrame = parts.unify_dictionaries().to_pandas()
    return merged


def by_arm(rows: pa.Table) -> Iterator[pa.Table]:
    """Cut merged rows where another arm begins, so that a row group of a file is of one arm."""
    arms = rows.select(ARM).to_pandas()
    others = (arms != arms.shift()).any(axis=1).to_numpy()
    for first, end in pairwise([0, *np.flatnonzero(others)[1:], len(rows)]):
        yield rows.slice(first, end - first)


def segmentation_scores(per_item: pd.DataFrame) -> pd.DataFrame:
    """Segmentation Dice as scores like those of maps, so that its curves are treated alike.

    Parameters
    ----------
    per_item : DataFrame
        Of `segmentation.csv` files, as `per_item` merges them.

    Returns
    -------
    DataFrame
        Runs at an angle in degrees, with the columns of merged `dice.csv` files: `model` finetuned,
        `input` original, `attribution` segmentation, `metric` `dice_class_{label}`, and
        `dice_macro`, the mean over the labels that the item has.
    """
    fixed = per_item[per_item["training"] == FIXED]
    keys = [*ARM, "training", "angle", "seed", "item", "case"]
    scores = fixed.assign(metric="dice_class_" + fixed["label"].astype(str))
    macro = fixed.groupby(keys, observed=True)[["dice", "chance"]].mean().reset_index()
    scores = pd.concat([scores, macro.assign(metric="dice_macro")])
    scores = scores.rename(columns={"dice": "value"})
    constants = {"model": "finetuned", "input": "original", "attribution": "segmentation"}
    missing = dict.fromkeys(("own_cut", TURNED), np.nan)
    scores = scores.assign(eval_angle=scores["angle"], **missing, **constants)
    return scores[[*keys, "eval_angle", *SCORE, *MEASURES, TURNED]]


# -- arranging -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scores:
    """All scores of one kind: one metric of the maps of one model in one arm.

    Attributes
    ----------
    key : dict
        What they are of: column → value.
    cells : list of tuple
        What a mean over items is taken for, such as (training, angle, eval_angle), sorted; None
        where there is no value.
    cases : ndarray
        The case of every item (patient, block of tiles), text [items].
    value, chance, own_cut : ndarray
        Float [cells, seeds, items], NaN where there is no score; see `scoring.score_maps`.
    pre_rotation : ndarray or None
        Degrees by which each item's picture was turned beforehand, float [seeds, items]; NaN where
        it was not.
    others : ndarray or None
        Values of the mean map of other cases, as `value`; None of what is no network's map.
    """

    key: dict[str, str]
    cells: list[tuple[Any, ...]]
    cases: NDArray[np.str_]
    value: Array
    chance: Array
    own_cut: Array
    pre_rotation: Array | None = None
    others: Array | None = None


def read_scores(path: str | Path) -> Iterator[Scores]:
    """Yield the scores of a `dice_per_item.parquet`, with those of one arm in memory at a time."""
    others = [column for column in COLUMNS if column not in ARM]
    for arm, groups in sorted(row_groups(path, ARM).items()):
        of_arm = dict(zip(ARM, arm, strict=True))
        for one in arrange((p.to_pandas() for p in stream_parquet(path, others, groups)), SCORE):
            yield replace(one, key=of_arm | one.key)


def row_groups(path: str | Path, columns: Sequence[str]) -> dict[tuple[Any, ...], list[int]]:
    """Tell the row groups of a columnar table of ours by their values in columns that do not vary.

    Raises
    ------
    DamagedError
        If it is not what was written.
    ValueError
        If a column varies within a row group.
    """
    try:
        metadata = parquet.read_metadata(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
        raise DamagedError(path, error) from error
    found = defaultdict(list)
    place = {metadata.schema.column(i).name: i for i in range(metadata.num_columns)}
    for i in range(metadata.num_row_groups):
        ranges = [metadata.row_group(i).column(place[name]).statistics for name in columns]
        if any(one.min != one.max for one in ranges):
            raise ValueError(f"{path}: row group {i} is not of one of each: {list(columns)}")
        found[tuple(one.min for one in ranges)].append(i)
    return found


def arrange(
    parts: Iterable[pd.DataFrame],
    kind: Sequence[str] = (*ARM, *SCORE),
    cells: Sequence[str] = ANGLES,
    measures: Sequence[str] = MEASURES,
) -> list[Scores]:
    """Bring rows of scores into arrays, which take a tenth of the memory.

    Parameters
    ----------
    parts : iterable of DataFrame
        Rows in any order, with the columns of the other arguments, `seed`, `item` and `case`.
    kind, cells : sequence of str
        Columns that tell scores apart, and their cells.
    measures : sequence of str
        Columns of value, chance and own cut; the last may be missing, as may `pre_rotation`.

    Raises
    ------
    ValueError
        If two rows share kind, cell, seed and item.
    """
    places = *cells, "seed", "item", "case", TURNED
    labels: dict[str, dict[Any, int]] = defaultdict(dict)  # column → label → code
    found = defaultdict(list)
    for part in parts:
        part = part.reindex(columns=list(dict.fromkeys([*part, *measures, TURNED])))
        codes = {c: _codes(part[c], labels[c]) for c in (*kind, *places)}
        number, keys = _combinations([codes[c] for c in kind])
        order = np.argsort(number.astype(np.min_scalar_type(len(keys))), kind="stable")
        numbers = part[list(measures)].to_numpy(np.float64)
        for key, rows in zip(keys, np.split(order, np.bincount(number).cumsum()[:-1]), strict=True):
            found[key].append(([codes[c][rows] for c in places], numbers[rows]))
    names = {column: list(codes) for column, codes in labels.items()}
    scores = [
        _dense(
            {column: str(names[column][i]) for column, i in zip(kind, key, strict=True)},
            [names[column] for column in places],
            *found.pop(key),
        )
        for key in list(found)
    ]
    scores = [_with_others(one, scores) for one in scores]
    return sorted(scores, key=lambda one: tuple(one.key.values()))


def _with_others(one: Scores, scores: Sequence[Scores]) -> Scores:
    """Put the values of the others' mean map beside those of a network's map."""
    if one.key.get("attribution") != ATTRIBUTION:
        return one
    key = one.key | {"attribution": OTHERS}
    found = [o.value for o in scores if o.key == key]
    return replace(one, others=found[0]) if found else one


def _codes(column: pd.Series, known: dict[Any, int]) -> NDArray[np.integer]:
    """Number the labels of a column; `known` holds those of other parts and takes the new ones."""
    if isinstance(column.dtype, pd.CategoricalDtype):  # as most are read: they have numbers already
        # −1 is what is missing, which becomes the last label
        codes, labels = column.cat.codes.to_numpy(), column.cat.categories.append(pd.Index([None]))
    else:
        codes, labels = pd.factorize(column, use_na_sentinel=False)
    # what is missing equals itself only as None
    named = [None if pd.isna(label) else label for label in labels.tolist()]
    number = [known.setdefault(label, len(known)) for label in named]
    return np.array(number, np.min_scalar_type(len(known)))[codes]


def _combinations(
    codes: Sequence[NDArray[np.integer]],
) -> tuple[NDArray[np.int64], list[tuple[int, ...]]]:
    """Number the combinations of several codes in every row, and say what they are."""
    sizes = [int(c.max()) + 1 for c in codes]
    number, found = pd.factorize(np.ravel_multi_index([c.astype(np.intp) for c in codes], sizes))
    return number, list(zip(*(c.tolist() for c in np.unravel_index(found, sizes)), strict=True))


def _dense(
    key: dict[str, str], names: list[list[Any]], *parts: tuple[list[NDArray[np.integer]], Array]
) -> Scores:
    """Scores of one kind from codes and numbers [rows, measures].

    Codes [rows] of the cells' columns, seed, item, case and pre-rotation.
    """
    numbers = np.concatenate([numbers for _, numbers in parts])
    columns = zip(*(codes for codes, _ in parts), strict=True)
    *cell, seed, item, case, turn = map(np.concatenate, columns)
    position, cells = _ranks(cell, names[:-4])
    seed_rank, seeds = _ranks([seed], [names[-4]])
    item_rank, items = _ranks([item], [names[-3]])
    shape = len(cells), len(seeds), len(items)
    position = (position * shape[1] + seed_rank) * shape[2] + item_rank
    if np.bincount(position).max() > 1:
        raise ValueError(f"duplicate scores of a cell, seed and item: {key}")
    cases = np.empty(len(items), dtype=object)
    cases[item_rank] = np.array(names[-2], dtype=object)[case]
    turned = np.full(shape[1:], np.nan)
    turned[seed_rank, item_rank] = np.array(names[-1], np.float64)[turn]
    arrays = np.full((len(MEASURES), np.prod(shape)), np.nan)
    arrays[:, position] = numbers.T
    value, chance, own_cut = arrays.reshape(-1, *shape)
    return Scores(key, cells, cases.astype(str), value, chance, own_cut, turned)


def _ranks(
    codes: Sequence[NDArray[np.integer]], names: list[list[Any]]
) -> tuple[NDArray[np.int64], list[tuple[Any, ...]]]:
    """Position of every row's labels among those that there are, sorted, and these."""
    number, found = _combinations(codes)
    labels = [tuple(n[i] for n, i in zip(names, row, strict=True)) for row in found]
    order = sorted(range(len(labels)), key=labels.__getitem__)
    return np.argsort(order)[number], [labels[i] for i in order]
