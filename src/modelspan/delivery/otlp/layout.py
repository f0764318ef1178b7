"""Many records of one shape as one matrix of bytes: the one place of modelspan where cleverness is allowed.

Records of one decorated function have one protobuf layout (https://protobuf.dev/programming-guides/encoding/).
Field numbers, names, lengths and constant values are the same bytes in each of them; ids, times and numbers
differ, but in encodings of fixed width: `fixed64` and `double` are 8 little-endian bytes, ids have 16 and 8.
So a batch of n records is an (n, width) matrix of uint8:

    tag len | 0a 10 [trace id] 12 08 [span id] 2a 0e "predict credit" … 39 [start] 41 [end] …
            ^ constant, copied n times         ^ a column of 8 bytes, written once for all records

Constant bytes are written by one broadcast, each column by one strided copy: numpy does it in C, the price in
Python is paid per batch. Texts of varying length are columns as wide as the longest, and every length that
encloses them is a column too; bytes past a text's end are masked out in the end. Lengths that vary are always
two bytes, of which a decoder need not be told: a varint may be padded with a group of zeros.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from modelspan.delivery.otlp import wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Bytes = NDArray[np.uint8]

MAX_TEXT: Final = 256
"""Bytes of a text of varying length; more would make the matrix of all records as wide."""
_HEAD: Final = 3
"""Bytes of a tag and a padded length."""
_FRACTIONS: Final = np.frombuffer(
    "".join(f"{number / 10_000:.4f}" for number in range(10_001)).encode(), np.uint8
).reshape(-1, 6)


class Column(NamedTuple):
    """Cells of all records, shape ``(n, items)``; with `lengths` only so many bytes of each are meant."""

    cells: NDArray[Any]
    lengths: NDArray[np.int64] | None = None


class Doubles(NamedTuple):
    """Attributes that are numbers, side by side."""

    template: bytes
    """Their bytes but for the values."""
    places: Sequence[int]
    """Where in it each value stands."""
    values: Sequence[NDArray[np.float64]]


Part = bytes | Column | Doubles


def only(column: Column, keep: NDArray[np.bool_]) -> Column:
    """The cells that `keep` marks; a text column whose cells are then of one length becomes a fixed one."""
    cells = column.cells[keep]
    if column.lengths is None:
        return Column(cells)
    lengths = column.lengths[keep]
    if len(lengths) and (lengths == lengths[0]).all():
        return Column(cells[:, : lengths[0]])
    return Column(cells, lengths)


def of_one_length(columns: Iterable[Column], most: int) -> list[NDArray[np.bool_]]:
    """Masks of records that agree in the lengths of all columns; none when there are more than `most`.

    Records of one length need no mask of bytes, which is what costs most.
    """
    varying = [column.lengths for column in columns if column.lengths is not None]
    if not varying:
        return []
    code = sum(lengths * 257**place for place, lengths in enumerate(varying))
    kinds = np.unique(code)
    return [code == kind for kind in kinds] if len(kinds) <= most else []


def int64s(values: NDArray[np.int64]) -> Column:
    """Numbers or times as `fixed64`."""
    return Column(np.asarray(values, "<i8")[:, None])


def int32s(values: NDArray[np.integer[Any]]) -> Column:
    """Flags as `fixed32`."""
    return Column(np.asarray(values, "<i4")[:, None])


def doubles(values: NDArray[np.float64]) -> Column:
    """Numbers as `double`."""
    return Column(np.ascontiguousarray(values, "<f8")[:, None])


def hexadecimal(ids: Bytes) -> Column:
    """Ids as text, two characters a byte."""
    text = ids.tobytes().hex().encode()
    return Column(np.frombuffer(text, np.uint8).reshape(len(ids), -1))


def texts(values: Sequence[str]) -> Column | None:
    """Texts of varying length; None when one is longer than `MAX_TEXT` bytes."""
    known = {value: value.encode("utf-8", "replace") for value in set(values)}
    if max(map(len, known.values()), default=0) > MAX_TEXT:
        return None
    names = list(known)
    position = {name: index for index, name in enumerate(names)}
    codes = np.fromiter(map(position.__getitem__, values), np.intp, len(values))
    width = max(1, max(map(len, known.values()), default=1))
    table = np.frombuffer(b"".join(known[name].ljust(width, b"\0") for name in names), np.uint8)
    sizes = np.array([len(known[name]) for name in names], np.int64)
    return Column(table.reshape(-1, width)[codes], None if (sizes == width).all() else sizes[codes])


def double_attributes(field: int, numbers: Sequence[tuple[str, NDArray[np.float64]]]) -> list[Part]:
    """Attributes that are numbers, by key; records in which one is not finite go without it."""
    keys, values = tuple(key for key, _ in numbers), [each for _, each in numbers]
    if not values or _all_finite(values):
        return [Doubles(*_double_template(field, keys), values)]
    return [_double_attribute(field, key, each) for key, each in numbers]


def _all_finite(columns: Sequence[NDArray[np.float64]]) -> bool:
    """Whether all numbers are finite; when not, and rarely when they are, each column needs a closer look."""
    total, seen = np.zeros(len(columns[0])), None
    with np.errstate(over="ignore", invalid="ignore"):
        for values in columns:
            table = values.base
            if not isinstance(table, np.ndarray) or table.dtype is not values.dtype:
                total += values
            elif table is not seen:  # columns of one table are read together, in the order of memory
                seen = table
                if not np.isfinite(table).all():
                    return False
        return bool(np.isfinite(total).all())


def _double_attribute(field: int, key: str, values: NDArray[np.float64]) -> Part:
    template, places = _double_template(field, (key,))
    present = np.isfinite(values)
    if present.all():
        return Doubles(template, places, [values])
    whole = np.empty((len(values), len(template)), np.uint8)
    whole[:] = np.frombuffer(template, np.uint8)
    whole[:, places[0] :] = doubles(values).cells.view(np.uint8)
    return Column(whole, np.where(present, len(template), 0))


@lru_cache(maxsize=1024)
def _double_template(field: int, keys: tuple[str, ...]) -> tuple[bytes, Sequence[int]]:
    blocks = [wire.block(field, wire.key_value(key, 0.0)) for key in keys]
    return b"".join(blocks), [end - 8 for end in accumulate(map(len, blocks))]


def text_attribute(field: int, key: str, column: Column) -> list[Part]:
    """An attribute that is a text of varying length."""
    key_bytes, lengths = wire.text(1, key), _length(column)
    value = [*_enclosed(2, _HEAD, lengths), *_enclosed(1, 0, lengths), column]
    return [*_enclosed(field, len(key_bytes) + 2 * _HEAD, lengths), key_bytes, *value]


def text_value(field: int, pieces: Sequence[bytes | Column]) -> list[Part]:
    """An `AnyValue` that is a text made of pieces."""
    lengths = sum(_length(piece) for piece in pieces)
    return [*_enclosed(field, _HEAD, lengths), *_enclosed(1, 0, lengths), *pieces]


def _length(piece: bytes | Column) -> Any:
    if isinstance(piece, bytes):
        return len(piece)
    return piece.cells.shape[1] if piece.lengths is None else piece.lengths


def flag_attribute(field: int, key: str, values: NDArray[np.bool_]) -> list[Part]:
    """An attribute that is a boolean."""
    return [wire.block(field, wire.key_value(key, True))[:-1], Column(values.astype(np.uint8)[:, None])]


def fractions(values: NDArray[np.float64]) -> Column:
    """Numbers from 0 to 1 as text with four decimals."""
    return Column(_FRACTIONS[np.rint(values * 10_000).astype(np.intp)])


def unlike(values: Iterable[bytes]) -> Column:
    """Short texts of which hardly two are the same; without bytes of value 0."""
    table = np.array(list(values), dtype="S")
    cells = table.view(np.uint8).reshape(len(table), -1)
    lengths = np.count_nonzero(cells, axis=1)
    return Column(cells, None if (lengths == cells.shape[1]).all() else lengths)


def _enclosed(field: int, more: int, lengths: Any) -> list[bytes | Column]:
    """Tag and length of a field that holds `more` bytes and a text, of one length or of several."""
    if isinstance(lengths, np.ndarray):
        return [wire.tag(field), padded(lengths + more)]
    return [wire.tag(field) + padded_one(lengths + more)]


def padded(lengths: NDArray[np.int64]) -> Column:
    """Varints of two bytes each: the low 7 bits with the sign to go on, the high 7 bits."""
    return Column((lengths & 0x7F | 0x80 | lengths >> 7 << 8).astype("<u2")[:, None])


def padded_one(length: int) -> bytes:
    """`padded` of one length."""
    return bytes((length & 0x7F | 0x80, length >> 7))
