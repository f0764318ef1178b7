"""Read a table in memory into columns: data frame, mapping or array."""

from __future__ import annotations

import ctypes
import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from modelspan.drift.coded import Coded, Values
from modelspan.errors import ConfigError

Columns: TypeAlias = dict[str, Values]

_LISTED = 20
_HEAD = 1000


def read_columns(data: Any, names: Sequence[str] | None = None) -> tuple[Columns, int]:
    """The columns of a table by name, and its number of rows.

    Args:
        data: pandas, polars or Arrow table, mapping of columns, or 2-D array.
        names: Names of the columns of a 2-D array; ``f0``, ``f1``, … without. Ignored for other data.

    Raises:
        ConfigError: If the data is none of these, has no rows or columns, or ambiguous or unequally long
            columns.
    """
    pairs = list(_pairs(data, names))
    columns = dict(pairs)
    if len(columns) < len(pairs):
        twice(name for name, _ in pairs)
    return columns, _rows(columns)


def twice(names: Iterable[str]) -> None:
    """Raise ConfigError if a name occurs more than once."""
    seen: set[str] = set()
    again = sorted({name for name in names if name in seen or seen.add(name)})  # type: ignore[func-returns-value]  # the idiom
    if again:
        raise ConfigError(
            f"columns={again} occur more than once; rename them so that each name is one column"
        )


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


def _pairs(data: Any, names: Sequence[str] | None) -> Iterable[tuple[str, Values]]:
    """Name and values of each column, in order."""
    library = type(data).__module__.partition(".")[0]
    if isinstance(data, Mapping):
        return ((str(name), _values(column)) for name, column in data.items())
    if isinstance(data, np.ndarray):
        return _array_pairs(data, names)
    if library == "pandas" and hasattr(data, "columns"):
        return ((str(name), _pandas(column)) for name, column in data.items())
    if library == "polars" and hasattr(data, "get_columns"):
        return ((str(column.name), _polars(column)) for column in data.get_columns())
    if library == "pyarrow" and hasattr(data, "column_names"):
        return ((name, _arrow(data.column(at))) for at, name in enumerate(data.column_names))
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
    """One column as an array, codes or a list."""
    library = type(column).__module__.partition(".")[0]
    if isinstance(column, np.ndarray):
        return column[:, 0] if column.ndim == 2 and column.shape[1] == 1 else column
    if isinstance(column, list | tuple | Coded):
        return column
    if library == "pandas" and hasattr(column, "to_numpy"):
        return _pandas(column)
    if library == "polars" and hasattr(column, "dtype"):
        return _polars(column)
    try:
        return list(column)
    except TypeError as single:
        raise ConfigError(
            f"a column of type {type(column).__qualname__} has no rows; pass a list or array"
        ) from single


def _pandas(column: Any) -> Values:
    """A pandas Series or Index; categories and text stay codes, nullable numbers become floats."""
    kind, types = column.dtype, sys.modules["pandas"].api.types
    if isinstance(kind, types.CategoricalDtype):
        held = column.array
        return Coded(held.codes, held.categories.tolist())
    if not isinstance(kind, np.dtype) and types.is_string_dtype(kind):
        if getattr(kind, "storage", "") == "pyarrow":
            from modelspan.drift.arrow import Text  # noqa: PLC0415 - Arrow is optional

            return Text(column.array.__arrow_array__())
        codes, levels = sys.modules["pandas"].factorize(column)
        return Coded(codes, list(levels))
    values = np.asarray(column.to_numpy(**_as_numpy(column, kind, types)))
    return _by_identity(values) if values.dtype == object and values.size else values


def _by_identity(values: np.ndarray[Any, Any]) -> Values:
    """Texts as codes where many places hold the same object, as after reading a file; others as they are.

    They are told apart by where they are in memory, so that each is looked at once and none of its code runs.
    """
    held = np.ascontiguousarray(values)
    places = np.ctypeslib.as_array((ctypes.c_ssize_t * held.size).from_address(held.ctypes.data))
    factorize = sys.modules["pandas"].factorize
    if len(factorize(places[:_HEAD])[1]) * 4 > min(_HEAD, places.size):
        return values
    codes, found = factorize(places, size_hint=_HEAD)
    if len(found) * 4 > places.size:
        return values
    one = np.empty(len(found), dtype=np.intp)
    one[codes] = np.arange(codes.size, dtype=np.int32)
    levels = held[one].tolist()
    texts = str in (types := set(map(type, levels))) and types <= {str, type(None), float}
    return Coded(codes.astype(np.min_scalar_type(-len(found))), levels) if texts else values


def _as_numpy(column: Any, kind: Any, types: Any) -> dict[str, Any]:
    """How a column of pandas' own types becomes an array."""
    if isinstance(kind, np.dtype):
        return {}
    if isinstance(kind, types.DatetimeTZDtype):
        return {"dtype": "datetime64[us]"}
    if types.is_numeric_dtype(kind) and not types.is_bool_dtype(kind):
        return {"dtype": np.float64, "na_value": np.nan} if column.hasnans else {}
    return {"dtype": object}


def _polars(column: Any) -> Values:
    """A polars Series: numbers and dates as arrays, all else through Arrow if it is there."""
    if column.dtype.is_numeric() or column.dtype.is_temporal():
        return np.asarray(column.to_numpy())
    try:
        return _arrow(column.to_arrow())
    except ImportError:
        return column.to_list()  # type: ignore[no-any-return]  # polars is not imported here


def _arrow(column: Any) -> Values:
    from modelspan.drift.arrow import values_of  # noqa: PLC0415 - Arrow is optional

    return values_of(column)
