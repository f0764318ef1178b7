"""What a bounded look at a user's object leaves: kind, sampled values, exact count of rows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_COLUMNS: Final = 512
ONE_ROW: Final = frozenset((1, width) for width in range(MAX_COLUMNS + 1))
"""Shapes of a table of one row."""
DOUBLE: Final = np.dtype(np.float64)
"""A singleton, so `is` tells it; comparing or hashing dtypes costs ten times as much."""
ATOMS: Final = frozenset((int, float, str, bool, bytes, type(None)))
"""Immutable builtins, safe to keep by reference."""
MOMENTS: Final = (dt.date, np.datetime64)
"""Dates and times, `datetime` and pandas' `Timestamp` too, kept by reference beside the atoms."""

Kind = Literal["scalar", "vector", "record", "records", "columns", "frame", "matrix", "row", "opaque"]
"""A `row` is a matrix of one row as its dtype and bytes: that is cheaper to copy than an array.
A `frame` is the blocks of a pandas frame, or a tuple of polars' columns; the worker makes `columns` of it."""


class Snapshot(NamedTuple):
    """What was seen of one object: its rows are a sample when there are more than the limit."""

    kind: Kind
    payload: Any
    rows: int
    """Rows of the whole object, exact."""
    names: Sequence[object] = ()
    """Column names that the object carries."""


def sample_stride(total: int, rows: int) -> int:
    """Step that leaves at most `rows` of `total` rows, spread over all of them."""
    return max(1, -(-total // rows))


def kind_of_answer(output: Snapshot) -> Any:
    """Equal for answers that can be read together; None for those that are read one by one."""
    kind, payload, rows, _ = output
    if kind == "row":
        return payload[0], len(payload[1])
    if kind == "scalar":
        return type(payload)
    if kind == "vector" and rows == 1:
        return getattr(payload, "dtype", None) or type(payload[0])
    return None
