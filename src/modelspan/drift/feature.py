"""One feature of a reference: frozen bins, the reference's counts, and counting of new values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from modelspan.drift import parts
from modelspan.drift.between import between
from modelspan.drift.coded import Coded, Values, plain
from modelspan.drift.distances import bin_positions
from modelspan.drift.labels import integer_labels, level_labels, numeric_labels
from modelspan.drift.season import mixed
from modelspan.drift.values import level, number

if TYPE_CHECKING:
    from collections.abc import Sequence

Counts: TypeAlias = NDArray[np.int64]

BY_EDGES: Final = ("numeric", "integer", "text", "embedding")
BY_LEVELS: Final = ("categorical", "boolean", "datetime")
KINDS: Final = (*BY_EDGES, *BY_LEVELS)
BOOLEANS: Final = ("False", "True")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureReference:
    """The bins of one feature and how many reference rows fell in each.

    Raises:
        ValueError: If edges, levels, labels and counts do not fit together.
    """

    name: str
    kind: str
    """One of `KINDS`."""
    edges: NDArray[np.float64]
    """Inner edges, strictly increasing, shape ``(bins - 1,)``; empty if counted by levels.
    The bins are ``(-inf, e1], (e1, e2], …, (ek, inf)``."""
    levels: tuple[str, ...]
    """Categories that have a count of their own; empty if counted by edges."""
    labels: tuple[str, ...]
    """A short unique name per count; ``(missing)`` is last, with levels ``(other)`` before it."""
    counts: Counts
    """Reference rows per label, shape ``(len(labels),)``."""
    column: str = ""
    """The column that is read; `name` itself when empty."""
    part: str = ""
    """What is read of a date (hour, weekday, month), of a text (length), or of an embedding (norm, p1, …)."""
    dimension: int = 0
    """Numbers in one embedding."""
    by_cell: Counts | None = None
    """The counts by cell of the reference's season, shape ``(cells, len(labels))``; None without a season."""
    _position: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        bins = len(self.levels) + 2 if self.kind in BY_LEVELS else self.edges.size + 2
        if self.counts.shape != (bins,) or len(set(self.labels)) != bins or len(self.labels) != bins:
            raise ValueError(
                f"feature={self.name!r} has {bins} bins, so it needs as many unique labels and counts"
            )
        if self.counts.min() < 0:
            raise ValueError(f"counts of feature={self.name!r} must not be negative")
        if not (np.isfinite(self.edges).all() and (self.edges[1:] > self.edges[:-1]).all()):
            raise ValueError(f"edges of feature={self.name!r} must be finite and strictly increasing")
        if self.by_cell is not None and not np.array_equal(self.by_cell.sum(axis=0), self.counts):
            raise ValueError(f"counts of feature={self.name!r} are not the sum of those of its season")
        object.__setattr__(self, "_position", {name: index for index, name in enumerate(self.levels)})
        object.__setattr__(self, "column", self.column or self.name)

    @property
    def ordered(self) -> bool:
        """Whether the bins are in order; those of levels are not."""
        return self.kind in BY_EDGES

    @property
    def positions(self) -> NDArray[np.float64] | None:
        """Where the rows of each bin stand, ``(missing)`` left out; None for levels."""
        return bin_positions(self.edges) if self.ordered else None

    @property
    def counts_by_cell(self) -> Counts:
        """The counts, shape ``(cells, len(labels))``."""
        return self.counts[None] if self.by_cell is None else self.by_cell

    @property
    def cells(self) -> int:
        """Cells of the season; 1 without one."""
        return 1 if self.by_cell is None else len(self.by_cell)

    def against(self, rows: NDArray[np.int64]) -> FeatureReference:
        """The feature with the counts to compare a window with that has `rows` rows in each cell."""
        if self.by_cell is None:
            return self
        return replace(self, counts=mixed(self.by_cell, rows), by_cell=None)

    def same_bins(self, other: FeatureReference | None) -> bool:
        """Whether the counts of both add up."""
        names = ("name", "kind", "levels", "part", "dimension")
        return (
            other is not None
            and all(getattr(self, name) == getattr(other, name) for name in names)
            and np.array_equal(self.edges, other.edges)
            and self.cells == other.cells
        )

    def count(self, values: Values) -> Counts:
        """Values per bin, shape ``(len(labels),)``; they sum to the number of values and add over calls.

        None, NaN, NaT and pandas' NA are missing. By edges so is all that is not a finite number, a text or a
        vector of the right dimension; by levels, what is no text, number, bool or date is ``(other)``. No
        code of a value's own type runs.
        """
        if self.kind == "datetime":
            return self._by_code(parts.calendar(values, self.part))
        if self.kind in BY_LEVELS:
            return self._count_levels(values)
        found = self._numbers(values)
        return between(self.edges[None], [found])[0] if found.size else self.counts * 0

    def _numbers(self, values: Values) -> NDArray[np.number]:
        """The number that is counted of each value, NaN where there is none."""
        if self.kind == "text":
            return parts.lengths(values)
        if self.kind == "embedding":
            return parts.embedded(int(self.part[1:]) if self.part != "norm" else 0, self.dimension)(values)
        return numbers(values)

    def _count_levels(self, values: Values) -> Counts:
        if isinstance(values, np.ndarray) and values.dtype == bool:
            values = Coded(values.reshape(-1).astype(np.int8), (False, True))
        if isinstance(values, Coded):
            known = values.among(self.levels) if self.kind == "categorical" else None
            return self._count_codes(values) if known is None else known
        size = len(self.labels)
        counts = [0] * size
        for value in plain(values):
            counts[self._bin(value)] += 1
        return np.array(counts, dtype=np.int64)

    def _count_codes(self, values: Coded) -> Counts:
        """Counts of each code first: there are fewer of them than values."""
        counts = np.zeros(len(self.labels), dtype=np.int64)
        places = [-1, *map(self._bin, values.levels)]
        found = np.bincount(np.add(values.codes, 1, dtype=np.int64), minlength=len(places))
        np.add.at(counts, places, found)
        return counts

    def _bin(self, value: object) -> int:
        """Which count a value belongs to, from the end where it is missing or other."""
        name = value if type(value) is str and len(value) <= 100 else level(value)
        if name is None:
            return -1
        if self.kind == "boolean":
            name = {"0": "False", "1": "True"}.get(name, name)
        return self._position.get(name, -2)

    def _by_code(self, codes: NDArray[np.integer[Any]]) -> Counts:
        """Counts of positions, of which -1 is missing and -2 other."""
        size = len(self.labels)
        return np.bincount(np.where(codes < 0, codes + size, codes), minlength=size)


def numbers(values: Values) -> NDArray[np.number]:
    """The values as a flat array of numbers, NaN where one is not a number."""
    if isinstance(values, Coded):
        return np.asarray(np.append(numbers(values.levels), np.nan)[values.codes])
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "fiub":
            flat = values.reshape(-1)
            return flat.view(np.uint8) if flat.dtype == bool else flat  # type: ignore[return-value]  # kinds checked
        if values.dtype.kind in "mM":
            return np.full(values.size, np.nan)
        values = values.reshape(-1).tolist()
    return np.array([v if type(v) is float else number(v) for v in values], dtype=np.float64)


def numeric_feature(
    name: str, edges: NDArray[np.float64], counts: Counts, *, kind: str = "numeric", **facts: Any
) -> FeatureReference:
    """A feature counted by its inner edges, with its labels."""
    label = integer_labels if kind in ("integer", "text") else numeric_labels
    labels = label(edges.tolist())
    return FeatureReference(
        name=name, kind=kind, edges=edges, levels=(), labels=labels, counts=counts, **facts
    )


def categorical_feature(
    name: str, levels: Sequence[str], counts: Counts, *, kind: str = "categorical", **facts: Any
) -> FeatureReference:
    """A feature counted by its levels, with its labels."""
    return FeatureReference(
        name=name,
        kind=kind,
        edges=np.empty(0),
        levels=tuple(levels),
        labels=level_labels(levels),
        counts=counts,
        **facts,
    )
