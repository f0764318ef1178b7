"""What a bounded look at a user's object leaves: kind, sampled values, exact count of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_COLUMNS: Final = 512
ATOMS: Final = frozenset((int, float, str, bool, bytes, type(None)))
"""Immutable builtins, safe to keep by reference."""

Kind = Literal["scalar", "vector", "record", "records", "columns", "matrix", "row", "opaque"]
"""A `row` is a matrix of one row as its dtype and bytes: that is cheaper to copy than an array."""


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
