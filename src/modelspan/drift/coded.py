"""Columns as arrays: categories as codes, and what is done alike with every form of a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from modelspan.drift.values import level

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Categories as positions in a list of distinct values, as Arrow's and pandas' dictionaries hold them."""

    codes: NDArray[np.integer]
    """Position of each value, -1 where it is missing, shape ``(rows,)``."""
    levels: Sequence[object]

    def __len__(self) -> int:
        return self.codes.size

    def part(self, start: int, end: int) -> Coded:
        """The values from `start` to before `end`, without a copy."""
        return Coded(self.codes[start:end], self.levels)

    def some(self, rows: NDArray[np.intp]) -> Coded:
        """The values of some rows, with only the levels that occur: a level costs more to read than a row."""
        there, codes = np.unique(self.codes[rows], return_inverse=True)
        gone = int(np.count_nonzero(there < 0))
        return Coded(codes - gone, [self.levels[code] for code in there[gone:].tolist()])

    @property
    def types(self) -> set[type]:
        """Types of the levels."""
        return set(map(type, self.levels))

    def among(self, _levels: Sequence[str]) -> NDArray[np.int64] | None:
        """How many are each of some levels, others and missing; None where codes tell it sooner."""
        return None


Values: TypeAlias = Sequence[object] | NDArray[np.generic] | Coded
"""One column: a list, an array (two-dimensional for embeddings), or codes."""


def coded(values: Values) -> Coded:
    """The names of categories as codes, each name once; what can't be read is ``(other)``."""
    if isinstance(values, Coded):
        return _named(values)
    names = levels_of(values)
    codes: dict[str | None, int] = {None: -1}
    found = [codes.setdefault(name, len(codes) - 1) for name in names]
    return Coded(np.array(found, dtype=np.int64), [name for name in codes if name is not None])


def _named(values: Coded) -> Coded:
    """The same with names for levels; two levels may read alike, and a level may be missing."""
    names = coded([*map(level, values.levels)])
    return Coded(np.append(names.codes, -1)[values.codes], names.levels)


def levels_of(values: Values) -> Iterable[str | None]:
    """The values as names of categories, one by one: None when missing, ``(other)`` when unreadable."""
    if isinstance(values, Coded):
        names: list[str | None] = [*map(level, values.levels), None]
        return [names[code] for code in values.codes.tolist()]
    return map(level, plain(values))


def plain(values: Values) -> Sequence[Any]:
    """The values one by one: a list of builtins where the array holds some, numpy's own for times."""
    if isinstance(values, Coded):
        levels = [*values.levels, None]
        return [levels[code] for code in values.codes.tolist()]
    if isinstance(values, np.ndarray):
        # .tolist() would make plain integers of nanoseconds
        return list(values.reshape(-1)) if values.dtype.kind in "mM" else values.tolist()
    return values


def take(values: Values, rows: NDArray[np.intp]) -> Values:
    """The values of some rows, in that order."""
    if isinstance(values, Coded):
        return Coded(values.codes[rows], values.levels)
    if isinstance(values, np.ndarray):
        return values[rows]
    return [values[row] for row in rows.tolist()]


def join(parts: Sequence[Values]) -> Values:
    """Columns put one after the other; their forms may differ."""
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, Coded) for part in parts):
        return _join_codes(parts)  # type: ignore[arg-type]  # checked
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == len(parts) and len({array.shape[1:] for array in arrays}) == 1:
        return np.concatenate(arrays)
    return [value for part in parts for value in plain(part)]


def _join_codes(parts: Sequence[Coded]) -> Coded:
    """Codes over the levels of all parts, told apart by type and name: True is not "True"."""
    places: dict[tuple[type, object], int] = {}
    codes = []
    for part in parts:
        moved = [places.setdefault((type(each), each), len(places)) for each in part.levels]
        codes.append(np.array([*moved, -1], dtype=np.int64)[part.codes])
    return Coded(np.concatenate(codes), [each for _, each in places])
