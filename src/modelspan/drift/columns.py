"""Read a table into columns, be it a data frame, mapping, array or file; only files import pandas."""

from __future__ import annotations

import importlib
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from modelspan.drift.feature import Values
from modelspan.drift.values import level, number
from modelspan.errors import ConfigError

Columns: TypeAlias = dict[str, Values]

_LISTED = 20
_READERS = {".csv": "read_csv", ".parquet": "read_parquet"}


def read_columns(data: Any, names: Sequence[str] | None = None) -> tuple[Columns, int]:
    """The columns of a table by name, and its number of rows.

    Args:
        data: pandas or polars data frame, mapping of columns, 2-D array, or path of a .csv or .parquet file.
        names: Names of the columns of a 2-D array; ``f0``, ``f1``, … without. Ignored for other data.

    Raises:
        ConfigError: If the data is none of these, has no rows or columns, or ambiguous or unequally long
            columns.
    """
    if isinstance(data, str | os.PathLike):
        data = _read_file(Path(data))
    pairs = list(_pairs(data, names))
    columns = dict(pairs)
    if len(columns) < len(pairs):
        seen = [name for name, _ in pairs]
        twice = sorted({name for name in seen if seen.count(name) > 1})
        raise ConfigError(
            f"columns={twice} occur more than once; rename them so that each name is one column"
        )
    return columns, _rows(columns)


def _rows(columns: Columns) -> int:
    """The common length of the columns, at least 1."""
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = listed(f"{name} has {count}" for name, count in lengths.items())
        raise ConfigError(f"columns differ in length ({shown}); pass one value per row in each")
    rows = next(iter(lengths.values()), 0)
    if not rows:
        raise ConfigError(f"data has {rows} rows and {len(columns)} columns; pass a table that is not empty")
    return rows


def listed(names: Iterable[str]) -> str:
    """The first names, as many as fit a message."""
    shown = list(itertools.islice(names, _LISTED + 1))
    return ", ".join(shown[:_LISTED]) + (", …" if len(shown) > _LISTED else "")


def _read_file(path: Path) -> Any:
    """The file as a pandas data frame."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(
            f"data={str(path)!r} is neither .csv nor .parquet; convert it, or pass a data frame"
        )
    try:
        # Deferred: servers load references but never build them, and pandas costs half a second.
        return getattr(importlib.import_module("pandas"), reader)(path)
    except ImportError as missing:
        raise ConfigError(
            f"data={str(path)!r} needs pandas and pyarrow ({missing}); "
            "install them with: pip install 'modelspan[viewer]'"
        ) from missing
    except FileNotFoundError as missing:
        raise ConfigError(
            f"data={str(path)!r} does not exist; pass the path of a .csv or .parquet file"
        ) from missing
    except Exception as unreadable:
        raise ConfigError(
            f"data={str(path)!r} can't be read as a table ({unreadable}); check the file"
        ) from unreadable


def _pairs(data: Any, names: Sequence[str] | None) -> Iterable[tuple[str, Values]]:
    """Name and values of each column, in order."""
    library = type(data).__module__.partition(".")[0]
    if isinstance(data, Mapping):
        return ((str(name), _values(column)) for name, column in data.items())
    if isinstance(data, np.ndarray):
        return _array_pairs(data, names)
    if library == "pandas" and hasattr(data, "columns"):
        return ((str(name), data.iloc[:, position].to_numpy()) for position, name in enumerate(data.columns))
    if library == "polars" and hasattr(data, "get_columns"):
        return ((str(column.name), _values(column)) for column in data.get_columns())
    raise ConfigError(
        f"data of type {type(data).__qualname__} is not a table; "
        "pass a data frame, a mapping of columns, a 2-D array, or the path of a .csv or .parquet file"
    )


def _array_pairs(data: np.ndarray[Any, Any], names: Sequence[str] | None) -> Iterable[tuple[str, Values]]:
    """Columns of a 2-D array."""
    if data.ndim != 2:
        raise ConfigError(f"data has {data.ndim} dimensions; pass an array of shape (rows, features)")
    width = data.shape[1]
    chosen = [f"f{position}" for position in range(width)] if names is None else list(names)
    if len(chosen) != width:
        raise ConfigError(f"features={chosen} are {len(chosen)} names for {width} columns; name every column")
    return ((name, data[:, position]) for position, name in enumerate(chosen))


def _values(column: Any) -> Values:
    """One column as an array or a list."""
    if isinstance(column, np.ndarray | list | tuple):
        return column if not isinstance(column, np.ndarray) else column.reshape(len(column), -1)[:, 0]
    if type(column).__module__.partition(".")[0] == "pandas" and hasattr(column, "to_numpy"):
        return np.asarray(column.to_numpy())
    try:
        return list(column)
    except TypeError as single:
        raise ConfigError(
            f"a column of type {type(column).__qualname__} has no rows; pass a list or array"
        ) from single


def column_kind(values: Values) -> Literal["numeric", "categorical"] | None:
    """What a column holds: numbers (also if all are missing), or text and bools; None for dates and lists."""
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        return {"f": "numeric", "i": "numeric", "u": "numeric", "b": "categorical", "U": "categorical",
                "S": "categorical"}.get(values.dtype.kind)  # type: ignore[return-value]  # fmt: skip  # literals above
    found = {_holds(value) for value in values} - {"missing"}
    if "text" in found:
        return "categorical"
    if not found or "number" in found:
        return "numeric"
    return "categorical" if "bool" in found else None


def _holds(value: object) -> str:
    """text, bool, number, missing, or other."""
    kind = type(value)
    if issubclass(kind, str | bytes):
        return "text"
    if issubclass(kind, bool | np.bool):
        return "bool"
    if level(value) is None:
        return "missing"
    return "other" if np.isnan(number(value)) else "number"
