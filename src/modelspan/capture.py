"""The bounded snapshot of a user's object, taken on the caller's thread.

No code of the user runs here: no `str()`, `repr()`, `len()`, iteration or attribute of an unknown type.
Types are told apart by their exact class or through the C methods of builtin bases. What is not known is
recorded by the name of its type. The work is bounded by `rows` and `MAX_COLUMNS`, whatever the size.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, Literal, NamedTuple, Self

import numpy as np

MAX_COLUMNS: Final = 512
ATOMS: Final = frozenset((int, float, str, bool, bytes, type(None)))
"""Immutable builtins, safe to keep by reference."""

Kind = Literal["scalar", "vector", "record", "records", "columns", "matrix", "opaque"]


class Snapshot(NamedTuple):
    """What was seen of one object: its rows are a sample when there are more than the limit."""

    kind: Kind
    payload: Any
    rows: int
    """Rows of the whole object, exact."""
    names: Sequence[object] = ()
    """Column names that the object carries."""


_make = partial(tuple.__new__, Snapshot)
"""A `Snapshot` from its fields, at half the price of calling it: for the paths of a single row."""


def capture(value: object, rows: int) -> Snapshot:
    """Bounded snapshot of `value`; at most `rows` rows of it are copied.

    A scalar is a `scalar`; a flat sequence a `vector`; a dict of scalars a `record`; a list of dicts
    `records`; a dict of sequences or a data frame `columns`; a 2-D array or a list of sequences a `matrix`;
    anything else, a generator, an iterator or a lazy object too, is `opaque`: the name of its type.
    """
    kind = type(value)
    if kind in ATOMS:
        return _make(("scalar", value, 1, ()))
    handler = _EXACT.get(kind)
    if handler is not None:
        return handler(value, rows)
    return _by_base(value, kind, rows)


def sample_stride(total: int, rows: int) -> int:
    """Step that leaves at most `rows` of `total` rows, spread over all of them."""
    return max(1, -(-total // rows))


def _dict(value: dict[Any, Any], rows: int) -> Snapshot:
    if len(value) > MAX_COLUMNS:
        value = dict(islice(value.items(), MAX_COLUMNS))
    if ATOMS.issuperset(map(type, value.values())):
        return _make(("record", value.copy(), 1, ()))
    parts = {name: _column(cell, rows) for name, cell in value.items()}
    lengths = {part.rows for part in parts.values() if part.kind == "vector"}
    if len(lengths) == 1 and all(part.kind == "vector" for part in parts.values()):
        return Snapshot("columns", {name: part.payload for name, part in parts.items()}, lengths.pop())
    cells = {name: part.payload if part.kind == "scalar" else _Opaque(part) for name, part in parts.items()}
    return Snapshot("record", cells, 1)


def _column(cell: object, rows: int) -> Snapshot:
    """A dict's value: a scalar, or a sequence of scalars; not looked into deeper: it may hold itself."""
    kind = type(cell)
    if kind in ATOMS:
        return Snapshot("scalar", cell, 1)
    if issubclass(kind, (list, tuple)):
        return _flat(cell, rows)
    frame = _FRAMES.get((kind.__module__.partition(".")[0], kind.__name__))
    if issubclass(kind, (np.ndarray, np.generic)) or (frame and _is_from(kind)):
        return capture(cell, rows)
    return _opaque(cell)


def _flat(value: Any, rows: int) -> Snapshot:
    base = list if isinstance(value, list) else tuple
    total = base.__len__(value)
    sample = base.__getitem__(value, slice(None, None, sample_stride(total, rows)))
    return Snapshot("vector", [_cell(cell) for cell in sample], total)


class _Opaque(str):
    """Name of a type, in the place of a value that is not a scalar; never equal to a user's string."""

    __slots__ = ()

    def __new__(cls, part: Snapshot) -> Self:
        return super().__new__(cls, part.payload if part.kind == "opaque" else part.kind)


def _sequence(value: Any, rows: int) -> Snapshot:
    """A list or tuple by its C methods, so that an overridden one of a subclass is never run."""
    base = list if isinstance(value, list) else tuple
    total = base.__len__(value)
    sample = base.__getitem__(value, slice(None, None, sample_stride(total, rows)))
    kinds = set(map(type, sample))
    if kinds <= ATOMS:
        # a flat sequence may be one row of many features, so it is cut rather than thinned
        return Snapshot("vector", list(base.__getitem__(value, slice(0, max(rows, MAX_COLUMNS)))), total)
    if kinds == {dict}:
        return Snapshot("records", [_dict(row, 1).payload for row in sample], total)
    if kinds <= _ROWS:
        return Snapshot("matrix", [_row(row) for row in sample], total)
    return Snapshot("vector", [_cell(cell) for cell in sample], total)


_ROWS: Final = frozenset((list, tuple, np.ndarray))


def _row(row: Any) -> list[object]:
    flat = row.ravel()[:MAX_COLUMNS].tolist() if type(row) is np.ndarray else list(row[:MAX_COLUMNS])
    return flat if ATOMS.issuperset(map(type, flat)) else [_cell(cell) for cell in flat]


def _cell(cell: object) -> object:
    part = capture(cell, 1) if type(cell) in ATOMS or isinstance(cell, np.generic) else None
    return part.payload if part else _Opaque(Snapshot("opaque", type(cell).__name__, 1))


def _array(value: np.ndarray[Any, Any], rows: int) -> Snapshot:
    if value.ndim == 2:
        total = value.shape[0]
        thin = value[:: sample_stride(total, rows), :MAX_COLUMNS] if value.size > rows else value
        return _make(("matrix", thin.copy(), total, ()))
    if value.ndim == 0:
        return _number(value[()], rows)
    total = value.shape[0]
    if value.dtype.names:
        thin = value.reshape(-1)[:: sample_stride(value.size, rows)]
        return Snapshot("columns", {name: thin[name].tolist() for name in value.dtype.names}, value.size)
    if value.ndim == 1:
        limit = max(rows, MAX_COLUMNS)
        return Snapshot("vector", value.copy() if total <= limit else value[:limit].copy(), total)
    return Snapshot("opaque", f"ndarray[{value.dtype.name}]{value.shape}", total)


def _number(value: Any, _rows: int) -> Snapshot:
    plain = value.item() if isinstance(value, np.generic) else value
    return Snapshot("scalar", plain, 1) if type(plain) in ATOMS else _opaque(value)


def _opaque(value: object) -> Snapshot:
    return Snapshot("opaque", type(value).__name__, 1)


def _by_base(value: object, kind: type, rows: int) -> Snapshot:
    """Subclasses of builtins through the builtin's own methods; frames by the module of their class."""
    for base, handler in _BASES:
        if issubclass(kind, base):
            return handler(value, rows)
    frame = _FRAMES.get((kind.__module__.partition(".")[0], kind.__name__))
    if frame is not None and _is_from(kind):
        return frame(value, rows)
    fields = _fields(value, kind)
    return _dict(fields, rows) if fields is not None else _opaque(value)


def _is_from(kind: type) -> bool:
    """Whether `kind` is the class that its library exports, not a look-alike."""
    return getattr(sys.modules.get(kind.__module__.partition(".")[0]), kind.__name__, None) is kind


def _fields(value: object, kind: type) -> dict[str, Any] | None:
    """Fields of a dataclass or a pydantic model, read past any `__getattribute__` of the user's."""
    marked = any(
        "__dataclass_fields__" in vars(base) or "__pydantic_fields__" in vars(base) for base in kind.__mro__
    )
    if not marked:
        return None
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return found if type(found) is dict else None


def _pandas_frame(frame: Any, rows: int) -> Snapshot:
    """Sampled columns of a pandas frame, block by block where the frame is a plain one.

    The blocks are pandas' private layout but cost 1 µs, while the public way costs 5 µs a column.
    """
    total = len(frame.index)
    step = slice(None, None, sample_stride(total, rows) if total else 1)
    names = frame.columns.tolist()[:MAX_COLUMNS]
    payload: list[Any] = [None] * len(names)
    try:
        for block in frame._mgr.blocks:  # noqa: SLF001 - see above; the fallback is the public way
            thin = block.values[..., step].copy() if block.values.ndim == 2 else block.values[step].copy()
            for row, column in enumerate(block.mgr_locs.as_array.tolist()):
                if column < len(names):
                    payload[column] = thin[row] if thin.ndim == 2 else thin
    except (AttributeError, TypeError):
        thin = frame.iloc[step]
        payload = [thin.iloc[:, i].array.copy() for i in range(len(names))]
    return Snapshot("columns", payload, total, names)


def _pandas_series(series: Any, rows: int) -> Snapshot:
    total = len(series.index)
    values = series.array[: max(rows, MAX_COLUMNS)].copy()
    return Snapshot("vector", values, total, series.index[:MAX_COLUMNS].tolist())


def _polars_frame(frame: Any, _rows: int) -> Snapshot:
    """Polars columns are immutable: holding them is a snapshot, the worker thins them."""
    names = frame.columns[:MAX_COLUMNS]
    return Snapshot("columns", [frame.get_column(name) for name in names], frame.height, names)


def _polars_series(series: Any, rows: int) -> Snapshot:
    return Snapshot("vector", series.head(max(rows, MAX_COLUMNS)), series.len())


def _tensor(tensor: Any, _rows: int) -> Snapshot:
    """A torch tensor by its shape: reading values could wait for a device."""
    shape = tuple(tensor.shape)
    return Snapshot("opaque", f"Tensor[{tensor.dtype}]{shape}", shape[0] if shape else 1)


_Handler = Callable[[Any, int], Snapshot]
_EXACT: Mapping[type, _Handler] = {
    dict: _dict,
    list: _sequence,
    tuple: _sequence,
    np.ndarray: _array,
    np.float64: _number,
    np.float32: _number,
    np.int64: _number,
}
_BASES: Sequence[tuple[type, _Handler]] = (
    (np.generic, _number),
    (np.ndarray, lambda value, rows: _array(np.ndarray.view(value, np.ndarray), rows)),
    # dict.copy() of a subclass runs its keys() when it has an __iter__ of its own; the C view does not
    (dict, lambda value, rows: _dict(dict(islice(dict.items(value), MAX_COLUMNS)), rows)),
    (list, _sequence),
    (tuple, _sequence),
)
_FRAMES: Mapping[tuple[str, str], _Handler] = {
    ("pandas", "DataFrame"): _pandas_frame,
    ("pandas", "Series"): _pandas_series,
    ("polars", "DataFrame"): _polars_frame,
    ("polars", "Series"): _polars_series,
    ("torch", "Tensor"): _tensor,
}
