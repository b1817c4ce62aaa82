"""How results are written: atomically, with a record of what made them, and reproducibly."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thetascope import __version__
from thetascope.errors import UserError

if TYPE_CHECKING:  # slow to import, and most users of this module need none of them
    import numpy as np
    import pandas as pd
    import pyarrow as pa
# packages whose version can change a number
VERSIONED = (
    *("numpy", "scipy", "pandas", "scikit-image", "scikit-learn"),
    *("torch", "torchvision", "timm"),
)
TEXT_COLUMNS = ("item", "id", "case", "dataset", "view")
ANGLE_COLUMNS = ("angle", "eval_angle", "held_angle", "theta", "peak_angle", "trough_angle")
ROWS = 2**18  # of a table that are made into text at a time


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary file beside `path` that takes its place only when the block succeeds.

    Yields
    ------
    Path
        Temporary file with the suffix of `path`, in the same folder, which is made if need be.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes private files
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def record(snakemake: Any, **extra: object) -> dict[str, Any]:
    """What made a result: rule, wildcards, params (settings and code), versions.

    It holds no time, host or absolute path, so that the same job writes the same bytes.

    Parameters
    ----------
    snakemake : object
        What Snakemake hands to a script.
    **extra : object
        Anything else that JSON can hold, such as the device.
    """
    return {
        "thetascope": __version__,
        "rule": snakemake.rule,
        "wildcards": dict(snakemake.wildcards.items()),
        "params": dict(snakemake.params.items()),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in VERSIONED},
        **extra,
    }


def seed_for(*parts: object) -> int:
    """63-bit seed of a job from what names it, such as (seed, data set, angle, stage)."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


class DamagedError(UserError):
    """A result of ours is not what was written; it can be made again."""

    def __init__(self, path: str | Path, how: object) -> None:
        super().__init__(
            f"{path}: damaged since it was written ({how}); delete it and give the same command "
            "again: it is made again, with all that depends on it"
        )


def _text(frame: pd.DataFrame) -> tuple[list[bytes], str]:
    """Parts of a table's text, and the digest of all of it.

    What pandas makes of all rows of a large table at once takes several times their text.
    """
    parts = [
        frame[start : start + ROWS]
        .to_csv(index=False, header=start == 0, float_format="%.6g", lineterminator="\n")
        .encode()
        for start in range(0, max(len(frame), 1), ROWS)
    ]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return parts, digest.hexdigest()


def write_csv(frame: pd.DataFrame, path: str | Path, record: Mapping[str, Any]) -> None:
    """Write a file of one run, whose first line, a comment, is the record and the rest's digest."""
    parts, digest = _text(frame)
    header = {**record, "sha256": digest}
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.write(f"# {json.dumps(header, sort_keys=True, separators=(',', ':'))}\n".encode())
        file.writelines(parts)


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read a file of one run; names stay text, whatever they look like.

    Raises
    ------
    DamagedError
        If it is not what was written.
    """
    import pandas as pd

    return pd.read_csv(
        io.BytesIO(read_text(path)),
        dtype=dict.fromkeys(TEXT_COLUMNS, str),
        keep_default_na=False,  # an image set may be called NA
        na_values=[""],
    )


def read_text(path: str | Path) -> bytes:
    """Read a CSV file of ours without its first line, as it is.

    Raises
    ------
    DamagedError
        If it is not what was written.
    """
    line, _, text = Path(path).read_bytes().partition(b"\n")
    try:
        expected = json.loads(line.removeprefix(b"# "))["sha256"]
    except (ValueError, KeyError) as error:
        raise DamagedError(path, "its first line") from error
    if hashlib.sha256(text).hexdigest() != expected:
        raise DamagedError(path, "another SHA-256")
    return text


def write_table(frame: pd.DataFrame, path: str | Path, record: Mapping[str, Any]) -> None:
    """Write a table for people: plain CSV that any program opens without options.

    What made it, the digest of the CSV and the types of the columns lie beside it, in a JSON file
    of the same name. Angles keep a decimal (30.0), so that every reader takes them for what they
    are.
    """
    angles = {
        name: frame[name].map("{:.1f}".format, na_action="ignore")
        for name in ANGLE_COLUMNS
        if name in frame
    }
    parts, digest = _text(frame.assign(**angles))
    contents = {
        **record,
        "sha256": digest,
        "columns": {str(name): _kind(name, dtype) for name, dtype in frame.dtypes.items()},
    }
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.writelines(parts)
    with atomic(Path(path).with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(contents, sort_keys=True, indent=1) + "\n", "utf-8")


def _kind(column: Any, dtype: Any) -> str:
    """Name of a column's type under which pandas reads it back."""
    if column in ANGLE_COLUMNS:
        return "float64"
    if str(dtype) == "object":  # such are all columns of a table without rows, numbers too
        return "object"
    return {"f": "float64", "i": "int64", "u": "int64", "b": "bool"}.get(dtype.kind, "str")


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table that `write_table` wrote, every column of the type that it had.

    Raises
    ------
    DamagedError
        If the CSV or the JSON file beside it is not what was written.
    """
    import pandas as pd

    text = Path(path).read_bytes()
    beside = Path(path).with_suffix(".json")
    if not beside.exists():
        raise UserError(f"{path}: what made it is missing; copy {beside.name} beside it too")
    try:
        record = json.loads(beside.read_bytes())
        expected, types = record["sha256"], record["columns"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(path, f"{beside} says nothing of it") from error
    if hashlib.sha256(text).hexdigest() != expected:
        raise DamagedError(path, f"another SHA-256 than {beside} says")
    try:
        table = pd.read_csv(
            io.BytesIO(text),
            dtype=types,
            keep_default_na=False,  # an image set may be called NA
            na_values=[""],
        )
    except (TypeError, ValueError) as error:  # no such type
        raise DamagedError(path, f"{beside}: {error}") from error
    if set(table) != set(types):
        raise DamagedError(path, f"{beside} has other columns")
    return table


def write_parquet(parts: Iterable[pa.Table], path: str | Path, record: Mapping[str, Any]) -> None:
    """Write a columnar table part by part, so that memory need not hold all of it.

    Parameters
    ----------
    parts : iterable of pyarrow.Table
        At least one; the first says what columns there are.
    path : path
        Of the file.
    record : mapping
        What made it, for the metadata (`DataFrame.attrs` when pandas reads it).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = iter(parts)
    first = next(parts)
    frame = first.slice(0, 0).to_pandas()
    frame.attrs = {"record": dict(record)}
    schema = first.schema.with_metadata(pa.Table.from_pandas(frame).schema.metadata)
    # scores hardly repeat: to look for those that do takes longer than to write them
    repeated = [
        field.name
        for field in schema
        if field.name in ANGLE_COLUMNS or not pa.types.is_floating(field.type)
    ]
    options = {"use_dictionary": repeated, "write_page_checksum": True}
    with atomic(path) as temporary, pq.ParquetWriter(temporary, schema, **options) as writer:
        # a part of no rows would be a row group of none, which readers trip over
        for part in filter(len, chain([first], parts)):
            writer.write_table(part.select(schema.names).cast(schema))


def read_parquet(path: str | Path, **options: Any) -> pd.DataFrame:
    """Read a columnar table of ours; `options` are those of `pandas.read_parquet`.

    Raises
    ------
    DamagedError
        If it is not what was written.
    """
    import pandas as pd

    try:
        return pd.read_parquet(path, page_checksum_verification=True, **options)
    except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
        raise DamagedError(path, error) from error


def stream_parquet(
    path: str | Path, columns: Sequence[str], groups: Iterable[int] | None = None
) -> Iterator[pa.Table]:
    """Read these columns of a columnar table of ours, part by part: all, or some row groups.

    Raises
    ------
    DamagedError
        If it is not what was written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            # `iter_batches` keeps what it has read
            for i in range(file.num_row_groups) if groups is None else groups:
                yield file.read_row_group(i, columns)
        pa.default_memory_pool().release_unused()  # 300 MB of 43,200 runs
    except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
        raise DamagedError(path, error) from error


def read_record(path: str | Path) -> dict[str, Any]:
    """Read what made a `.csv` of one run or a `.npz` of ours.

    Raises
    ------
    DamagedError
        If it is not what was written.
    """
    path = Path(path)
    try:
        if path.suffix == ".npz":
            line = str(read_npz(path, "record")["record"])
        else:
            with path.open(encoding="utf-8") as file:
                line = file.readline().removeprefix("# ")
        contents: dict[str, Any] = json.loads(line)
    except ValueError as error:  # no JSON, or no UTF-8
        raise DamagedError(path, "its record") from error
    return contents


def read_npz(path: str | Path, *names: str) -> dict[str, np.ndarray]:
    """Read arrays of ours: those of these names, or all and the record under the key `record`.

    Raises
    ------
    DamagedError
        If they are not what was written: zip archives hold a checksum of every member.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names or arrays}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DamagedError(path, error) from error


def write_npz(path: str | Path, record: Mapping[str, Any], **arrays: np.ndarray) -> None:
    """Write arrays, compressed, with the record as JSON under the key `record`."""
    import numpy as np

    with atomic(path) as temporary, temporary.open("wb") as file:
        arrays = {"record": np.array(json.dumps(record, sort_keys=True)), **arrays}
        np.savez_compressed(file, allow_pickle=False, **arrays)
