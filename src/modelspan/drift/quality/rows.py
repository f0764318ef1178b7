"""Rows beside each other: columns that stand still, and rows that come again."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from modelspan.drift.fingerprint import NO_BITS, bits_of
from modelspan.drift.parts import mixed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.drift.coded import Values
    from modelspan.drift.feature import FeatureReference

Bits: TypeAlias = NDArray[np.uint64]

GROUP: Final = 5
"""Rows in a group; a column stands still in it if all of them hold the same value."""
REMEMBERED: Final = 200
"""Rows that a row is compared with to tell whether it came before."""


class RowCounts(NamedTuple):
    """What some rows added."""

    groups: int
    """Groups of rows."""
    constant: NDArray[np.int64]
    """Groups in which a column holds one value that is not missing, shape ``(columns,)``."""
    rows: int
    """Rows that were looked for among the rows before them."""
    duplicates: int
    """Those of them that were there."""


def bits_of_rows(features: Mapping[str, FeatureReference], values: Mapping[str, Values]) -> Bits:
    """64 bits for each value, shape ``(rows, columns)``."""
    return np.column_stack(
        [bits_of(values[column], each.kind, each.dimension) for column, each in features.items()]
    )


class RowChecks:
    """Counts groups of equal values and duplicate rows of a stream; holds 200 numbers and a group of rows.

    Groups share no rows, so that groups of independent rows are independent. A row is a duplicate if it is
    among the 200 rows before it in all its columns; the first 200 rows are only remembered. Rows are compared
    by a 64-bit checksum.

    Args:
        columns: How many columns a row has.
    """

    def __init__(self, columns: int) -> None:
        self._salt: Bits = mixed(np.arange(columns, dtype=np.uint64))
        self._left: Bits = np.empty((0, columns), dtype=np.uint64)
        self._last: deque[int] = deque()
        self._times: Counter[int] = Counter()

    def add(self, bits: Bits) -> RowCounts:
        """Look at the next rows as `bits_of_rows` gives them, shape ``(rows, columns)``."""
        groups, constant = self._stand_still(bits)
        keys = mixed(bits ^ self._salt).sum(axis=1, dtype=np.uint64)
        found = [self._came_before(key) for key in keys.tolist()]
        return RowCounts(groups, constant, sum(each is not None for each in found), sum(map(bool, found)))

    def _stand_still(self, bits: Bits) -> tuple[int, NDArray[np.int64]]:
        rows = np.concatenate([self._left, bits])
        groups = len(rows) // GROUP
        self._left = rows[groups * GROUP :]
        grouped = rows[: groups * GROUP].reshape(groups, GROUP, bits.shape[1])
        first = grouped[:, :1]
        still = (grouped == first).all(axis=1) & ~np.isin(first[:, 0], NO_BITS)
        return groups, still.sum(axis=0, dtype=np.int64)

    def _came_before(self, key: int) -> bool | None:
        """Whether the row is among those remembered; None while there are not enough."""
        before = self._times[key] > 0 if len(self._last) == REMEMBERED else None
        if before is not None:
            self._forget(self._last.popleft())
        self._last.append(key)
        self._times[key] += 1
        return before

    def _forget(self, key: int) -> None:
        self._times[key] -= 1
        if not self._times[key]:
            del self._times[key]
