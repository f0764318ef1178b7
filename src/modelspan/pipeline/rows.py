"""From a snapshot of the inputs to columns: feature name to sampled values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from modelspan.frames import frame_columns
from modelspan.pipeline.text import clean_text
from modelspan.snapshot import ATOMS, MAX_COLUMNS, Snapshot, sample_stride

Columns = Mapping[str, Sequence[object]]


def to_columns(snapshot: Snapshot, names: Sequence[str], limit: int) -> Columns:
    """Columns of the inputs of one call, all of one length, at most `limit` rows.

    A vector is one row. Inputs without names get `names` in order, then `f<position>`. A value that is
    not a scalar stays the name of its type, so that it counts as missing or other.
    """
    kind, payload, _, labels = unpacked(snapshot)
    if kind == "record":
        return {name: [cell] for name, cell in zip(_names(payload), payload.values(), strict=True)}
    if kind == "records":
        return _from_records(payload)
    if kind == "columns":
        pairs = payload.items() if isinstance(payload, dict) else zip(labels, payload, strict=False)
        named = [(key, _thin(column, limit)) for key, column in pairs]
        return dict(zip(_names([key for key, _ in named]), (column for _, column in named), strict=True))
    if kind == "matrix":
        return _from_matrix(payload, names)
    if kind == "vector":
        own = [_name(name) for name in labels] or names
        return {_nth(own, i): [cell] for i, cell in enumerate(_plain(payload)[:MAX_COLUMNS])}
    return {_nth(names, 0): [payload]} if kind == "scalar" else {}


def unpacked(snapshot: Snapshot) -> Snapshot:
    """The same snapshot, a `row` as the matrix and a `frame` as the columns that it is."""
    if snapshot.kind == "frame":
        return frame_columns(snapshot)
    if snapshot.kind != "row":
        return snapshot
    kind, content = snapshot.payload
    return Snapshot("matrix", np.frombuffer(content, kind)[None, :], 1)


def _from_records(records: Sequence[Mapping[Any, object]]) -> Columns:
    keys: dict[Any, None] = {}
    for record in records:
        keys.update(dict.fromkeys(record))
    kept = list(keys)[:MAX_COLUMNS]
    return {
        name: [record.get(key) for record in records] for name, key in zip(_names(kept), kept, strict=True)
    }


def _from_matrix(payload: Any, names: Sequence[str]) -> Columns:
    if isinstance(payload, np.ndarray):
        return {_nth(names, i): column for i, column in enumerate(payload.T.tolist())}
    width = max(map(len, payload), default=0)
    return {_nth(names, i): [row[i] if i < len(row) else None for row in payload] for i in range(width)}


def _thin(column: Any, limit: int) -> Sequence[object]:
    stride = sample_stride(len(column), limit)
    return _plain(column[::stride] if stride > 1 else column)


def _plain(column: Any) -> list[object]:
    """A column of numpy, pandas or polars as a list of Python values; times of numpy stay times."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "mM":
        return list(column)
    to_list = getattr(column, "to_list", None) or getattr(column, "tolist", None)
    return list(to_list() if to_list is not None else column)


def _nth(names: Sequence[str], position: int) -> str:
    return names[position] if position < len(names) else f"f{position}"


def _names(keys: Iterable[object]) -> list[str]:
    """Names of columns as text; one that stands there already gets its number: `5` and `"5"` are two."""
    names: dict[str, None] = {}
    for key in keys:
        name = first = _name(key)
        number = 2
        while name in names:
            name, number = f"{first}#{number}", number + 1
        names[name] = None
    return list(names)


def _name(key: object) -> str:
    """A column's name as text; of an unknown type only the type's name is used."""
    kind = type(key)
    if issubclass(kind, str):
        return clean_text(key, 200)  # type: ignore[arg-type]  # a str
    return str(key) if type(key) in ATOMS else f"<{type(key).__name__}>"


def rows_of(columns: Columns) -> Iterable[Mapping[str, object]]:
    """The sampled rows, one mapping each."""
    names = list(columns)
    for cells in zip(*columns.values(), strict=False):
        yield dict(zip(names, cells, strict=True))
