"""Which adapter reads an image set, and whether its options fit: checked at start-up.

An adapter is a module of `thetascope.datasets.adapters` with a function `load(**options)` that
yields an `Item` per picture. It imports what it needs to read files inside that function, so that
its options can be checked at no cost. It may have a function `has_masks(**options)`, and one
`check(**options)` that raises what types do not tell. If `load` returns a `Listed`, the names of
its files are checked at start-up too. It is imported by name, so that editing one adapter leaves
the other sets alone.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from thetascope.datasets.items import Item
from thetascope.datasets.listing import Listed
from thetascope.errors import UserError

OF_ALL = {"adapter", "rotate"}  # options of every set, which no adapter gets


def check_options(name: str, adapter: str, options: Mapping[str, Any]) -> None:
    """Hold a data set's options against its adapter's.

    Raises
    ------
    UserError
        If one is unknown to the adapter or of another type, or one that it needs is missing.
    """
    load, options = _adapter(adapter).load, of_adapter(options)
    parameters, hints = inspect.signature(load).parameters, get_type_hints(load)
    for option in options.keys() - parameters.keys():
        raise UserError(
            f"datasets.{name}.{option}: unknown to the adapter {adapter}; "
            f"known are {', '.join(parameters) or 'none'}"
        )
    for option, value in options.items():
        if option in hints and not _is(value, hints[option]):
            wanted = str(parameters[option].annotation).replace("Sequence", "list")
            # what looks like a number is read as one, even in quotes: `--config` quotes everything
            named = isinstance(value, int | float) and hints[option] in (str, str | None)
            hint = f"; for a file of this name write ./{value}" if named else ""
            raise UserError(f"datasets.{name}.{option}: {value!r}: must be {wanted}{hint}")
    for option, parameter in parameters.items():
        downloaded = option == "path" and archive(adapter, options)
        if parameter.default is parameter.empty and option not in options and not downloaded:
            raise UserError(f"datasets.{name}.{option}: the adapter {adapter} needs it; add it")
    _check_values(name, adapter, options)


def _check_values(name: str, adapter: str, options: Mapping[str, Any]) -> None:
    """Have the adapter look at its options, if it has a function for that."""
    if own := getattr(_adapter(adapter), "check", None):
        try:
            own(**options)
        except UserError as error:
            raise UserError(f"datasets.{name}.{error}") from None


def _is(value: Any, kind: Any) -> bool:
    """Whether a value of the configuration is of an annotated type."""
    outer, inner = get_origin(kind), get_args(kind)
    if outer is UnionType:
        return any(_is(value, one) for one in inner)
    if outer is Sequence:
        return isinstance(value, list) and all(_is(one, *inner) for one in value)
    if isinstance(value, bool):  # which is an int to Python
        return kind is bool
    return isinstance(value, (int, float) if kind is float else outer or kind)


def archive(adapter: str, options: Mapping[str, Any]) -> tuple[str, str] | None:
    """Where an image set comes from if its options hold no local `path`.

    Returns
    -------
    tuple of str or None
        An entry of the configuration's `downloads` and the folder in that archive; None if there is
        a path, or nothing to download.
    """
    return None if "path" in options else getattr(_adapter(adapter), "ARCHIVE", None)


def of_adapter(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a data set's options that its adapter gets."""
    return {option: value for option, value in options.items() if option not in OF_ALL}


def has_masks(adapter: str, options: Mapping[str, Any]) -> bool:
    """Whether the items of a data set have masks: what an adapter's own `has_masks` says, or yes.

    Asked at start-up, since fine-tuning and scores need masks.
    """
    own = getattr(_adapter(adapter), "has_masks", None)
    return True if own is None else bool(own(**of_adapter(options)))


def is_fetched(options: Mapping[str, Any]) -> bool:
    """Whether a data set is to be downloaded by the library that reads it."""
    return bool(options.get("download"))


def fetch(adapter: str, options: Mapping[str, Any], folder: Path) -> None:
    """Download a data set into a folder, as the configuration asks.

    Raises
    ------
    UserError
        If it cannot be had.
    """
    _adapter(adapter).fetch(folder, **of_adapter(options))


def load_items(adapter: str, options: Mapping[str, Any]) -> Iterable[Item]:
    """Items of a data set, one at a time, at their own resolution and as they stand."""
    items: Iterable[Item] = _adapter(adapter).load(**of_adapter(options))
    return items


def list_files(adapter: str, options: Mapping[str, Any]) -> Listed | None:
    """Find a data set's files by their names; None for an adapter that reads none of the user's.

    Raises
    ------
    UserError
        If a folder, a file, a partner or a case is missing.
    """
    load = _adapter(adapter).load
    return load(**of_adapter(options)) if get_type_hints(load)["return"] is Listed else None


def _adapter(name: str) -> Any:
    return importlib.import_module(f"thetascope.datasets.adapters.{name}")
