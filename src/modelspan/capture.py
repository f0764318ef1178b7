"""The bounded snapshot of a user's object, taken on the caller's thread.

No code of the user runs here: no `str()`, `repr()`, `len()`, iteration or attribute of an unknown type.
Types are told apart by their exact class or through the C methods of builtin bases, and never by
`isinstance()` of an unknown object: that reads its `__class__`, which may be code. What is not known is
recorded by the name of its type. The work is bounded by `rows` and `MAX_COLUMNS`, whatever the size.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan.drift.values import is_missing_marker
from modelspan.frames import SEEN, Handler, frame_handler
from modelspan.snapshot import ATOMS, DOUBLE, MAX_COLUMNS, MOMENTS, Snapshot, sample_stride

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    handler = EXACT.get(kind) or SEEN.get(kind)
    if handler is not None:
        return handler(value, rows)
    return _by_base(value, kind, rows)


def _dict(value: dict[Any, Any], rows: int) -> Snapshot:
    if len(value) > MAX_COLUMNS:
        value = dict(islice(value.items(), MAX_COLUMNS))
    if ATOMS.issuperset(map(type, value.values())):
        return _make(("record", value.copy(), 1, ()))
    parts = {name: _column(cell, rows) for name, cell in value.items()}
    lengths = {part.rows for part in parts.values() if part.kind == "vector"}
    if len(lengths) == 1 and all(part.kind == "vector" for part in parts.values()):
        return Snapshot("columns", {name: part.payload for name, part in parts.items()}, lengths.pop())
    return Snapshot("record", _cells(value, parts), 1)


def _cells(value: Mapping[Any, Any], parts: Mapping[Any, Snapshot]) -> dict[Any, Any]:
    """Scalars, embeddings while there is room, and the type's name of anything else."""
    cells, room = {}, MAX_VECTOR
    for name, part in parts.items():
        copy = None if part.kind == "scalar" else _embedding(value[name], room)
        if copy is None:
            cells[name] = part.payload if part.kind == "scalar" else _named(part)
        else:
            cells[name], room = copy, room - len(copy)
    return cells


MAX_VECTOR: Final = 2048
"""Numbers of all embeddings of one dict that are kept."""
_NUMBERS: Final = frozenset((int, float))


def _embedding(cell: Any, room: int) -> Any:
    """A copy of a vector of at most `room` numbers; None for anything else."""
    kind = type(cell)
    if kind is np.ndarray:
        return cell.copy() if cell.ndim == 1 and cell.size <= room and cell.dtype.kind in "fiu" else None
    copy = cell[: room + 1] if kind is list or kind is tuple else ()
    return copy if 1 < len(copy) <= room and _NUMBERS.issuperset(map(type, copy)) else None


def _column(cell: object, rows: int) -> Snapshot:
    """A dict's value: a scalar, or a sequence of scalars; not looked into deeper: it may hold itself."""
    kind = type(cell)
    if kind in ATOMS:
        return Snapshot("scalar", cell, 1)
    if issubclass(kind, (list, tuple)):
        return _flat(cell, rows)
    if not issubclass(kind, MOMENTS) and (issubclass(kind, (np.ndarray, np.generic)) or frame_handler(kind)):
        return capture(cell, rows)
    return _other(cell)


def _other(cell: object) -> Snapshot:
    """A date or time, nothing for pandas' own markers of what is missing, else the name of the type."""
    if is_missing_marker(cell):
        return Snapshot("scalar", None, 1)
    return Snapshot("scalar", cell, 1) if issubclass(type(cell), MOMENTS) else _opaque(cell)


def _record(value: dict[Any, Any]) -> dict[Any, Any]:
    """One of many dicts: a row, and a sequence in it is no column."""
    if len(value) > MAX_COLUMNS:
        value = dict(islice(value.items(), MAX_COLUMNS))
    if ATOMS.issuperset(map(type, value.values())):
        return value.copy()
    return _cells(value, {name: _column(cell, 1) for name, cell in value.items()})


def _flat(value: Any, rows: int) -> Snapshot:
    base = list if isinstance(value, list) else tuple
    total = base.__len__(value)
    sample = base.__getitem__(value, slice(None, None, sample_stride(total, rows)))
    return Snapshot("vector", [_cell(cell) for cell in sample], total)


def _named(part: Snapshot) -> str:
    """What stands in the place of a value that is not a scalar: the name of its type."""
    return f"<{part.payload if part.kind == 'opaque' else part.kind}>"


def _sequence(value: Any, rows: int) -> Snapshot:
    """A list or tuple by its C methods, so that an overridden one of a subclass is never run."""
    base = list if isinstance(value, list) else tuple
    total = base.__len__(value)
    sample = base.__getitem__(value, slice(None, None, sample_stride(total, rows)))
    if ATOMS.issuperset(map(type, sample)):
        if total > rows:  # it may be one row of many features, so it is cut rather than thinned
            cut = base.__getitem__(value, slice(0, max(rows, MAX_COLUMNS)))
            sample = cut if ATOMS.issuperset(map(type, cut)) else [_cell(cell) for cell in cut]
        return _make(("vector", sample if base is list else list(sample), total, ()))
    kinds = set(map(type, sample))
    if kinds == {dict}:
        return _make(("records", [_record(row) for row in sample], total, ()))
    if kinds <= _ROWS:
        return Snapshot("matrix", [_row(row) for row in sample], total)
    return Snapshot("vector", [_cell(cell) for cell in sample], total)


_ROWS: Final = frozenset((list, tuple, np.ndarray))


def _row(row: Any) -> list[object]:
    flat = row.ravel()[:MAX_COLUMNS].tolist() if type(row) is np.ndarray else list(row[:MAX_COLUMNS])
    return flat if ATOMS.issuperset(map(type, flat)) else [_cell(cell) for cell in flat]


def _cell(cell: object) -> object:
    kind = type(cell)
    plain = kind in ATOMS or (issubclass(kind, np.generic) and not issubclass(kind, MOMENTS))
    part = capture(cell, 1) if plain else _other(cell)
    return part.payload if part.kind == "scalar" else _named(part)


_SINGLE: Final = np.dtype(np.float32)


def _array(value: np.ndarray[Any, Any], rows: int) -> Snapshot:
    kind = value.dtype
    if value.ndim == 2:
        if len(value) == 1 and (kind is DOUBLE or kind is _SINGLE) and value.size <= MAX_COLUMNS:
            return _make(("row", (kind, value.tobytes()), 1, ()))
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
    kind = type(value)
    if issubclass(kind, np.longdouble):  # its item() is itself
        return Snapshot("scalar", float(value), 1)
    if issubclass(kind, (np.datetime64, np.timedelta64)):  # their item() may be a count of nanoseconds
        return _opaque(value)
    plain = value.item() if issubclass(kind, np.generic) else value
    return Snapshot("scalar", plain, 1) if type(plain) in ATOMS else _opaque(value)


def _derived_array(value: Any, rows: int) -> Snapshot:
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())  # never imported here: it costs 8 ms
    if issubclass(type(value), masked):
        return _masked(value, rows) if value.ndim in (1, 2) else _opaque(value)
    return _array(np.ndarray.view(value, np.ndarray), rows)


def _masked(value: Any, rows: int) -> Snapshot:
    """What a mask hides is missing, never the value under it."""
    thin = value[:: sample_stride(len(value), rows), :MAX_COLUMNS] if value.ndim == 2 else value[:MAX_COLUMNS]
    cells = np.ma.getdata(thin).astype(object)
    cells[np.ma.getmaskarray(thin)] = None
    return Snapshot("matrix" if value.ndim == 2 else "vector", cells, len(value))


def _opaque(value: object) -> Snapshot:
    return Snapshot("opaque", type(value).__name__, 1)


def _by_base(value: object, kind: type, rows: int) -> Snapshot:
    """Subclasses of builtins through the builtin's own methods; frames by the module of their class."""
    for base, handler in _BASES:
        if issubclass(kind, base):
            return handler(value, rows)
    frame = frame_handler(kind)
    if frame is not None:
        return frame(value, rows)
    fields = _fields(value, kind)
    return _dict(fields, rows) if fields is not None else _opaque(value)


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


EXACT: Mapping[type, Handler] = {
    dict: _dict,
    list: _sequence,
    tuple: _sequence,
    np.ndarray: _array,
    np.float64: _number,
    np.float32: _number,
    np.int64: _number,
}
_BASES: Sequence[tuple[type, Handler]] = (
    (np.generic, _number),
    (np.ndarray, _derived_array),
    # dict.copy() of a subclass runs its keys() when it has an __iter__ of its own; the C view does not
    (dict, lambda value, rows: _dict(dict(islice(dict.items(value), MAX_COLUMNS)), rows)),
    (list, _sequence),
    (tuple, _sequence),
)
