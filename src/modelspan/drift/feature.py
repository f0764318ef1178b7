"""One column of a reference: frozen bins, the reference's counts, and counting of new values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from modelspan.drift.labels import level_labels, numeric_labels
from modelspan.drift.values import OTHER, level, number

Counts: TypeAlias = NDArray[np.int64]
Values: TypeAlias = Sequence[object] | NDArray[np.generic]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureReference:
    """The bins of one column and how many reference rows fell in each.

    Raises:
        ValueError: If edges, levels, labels and counts do not fit together.
    """

    name: str
    kind: Literal["numeric", "categorical"]
    edges: NDArray[np.float64]
    """Inner edges, strictly increasing, shape ``(bins - 1,)``; empty if categorical.
    The bins are ``(-inf, e1], (e1, e2], …, (ek, inf)``."""
    levels: tuple[str, ...]
    """Categories that have a count of their own; empty for a numeric column."""
    labels: tuple[str, ...]
    """A short unique name per count; ``(missing)`` is last, in a categorical column ``(other)`` before it."""
    counts: Counts
    """Reference rows per label, shape ``(len(labels),)``."""
    _position: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        bins = self.edges.size + 2 if self.kind == "numeric" else len(self.levels) + 2
        if self.counts.shape != (bins,) or len(set(self.labels)) != bins or len(self.labels) != bins:
            raise ValueError(
                f"feature={self.name!r} has {bins} bins, so it needs as many unique labels and counts"
            )
        if self.counts.min() < 0:
            raise ValueError(f"counts of feature={self.name!r} must not be negative")
        if not (np.isfinite(self.edges).all() and (np.diff(self.edges) > 0).all()):
            raise ValueError(f"edges of feature={self.name!r} must be finite and strictly increasing")
        object.__setattr__(self, "_position", {name: index for index, name in enumerate(self.levels)})

    def count(self, values: Values) -> Counts:
        """Values per bin, shape ``(len(labels),)``; they sum to the number of values and add over calls.

        None, NaN, NaT and pandas' NA are missing. In a numeric column so is all that is not a finite number;
        in a categorical one, what is no text, number or bool is ``(other)``. No code of a value's own type
        runs.
        """
        if self.kind == "categorical":
            return self._count_levels(values)
        array, asked = finite_numbers(values)
        # Comparing the whole array with each edge beats a binary search per value up to about 20 edges.
        above = np.array(
            [array.size, *(np.count_nonzero(array > edge) for edge in self.edges), 0], dtype=np.int64
        )
        return np.append(above[:-1] - above[1:], asked - array.size)

    def _count_levels(self, values: Values) -> Counts:
        counts = [0] * len(self.labels)
        missing, other = len(counts) - 1, len(counts) - 2
        for name in levels_of(values):
            counts[missing if name is None else self._position.get(name, other)] += 1
        return np.array(counts, dtype=np.int64)


def finite_numbers(values: Values) -> tuple[NDArray[np.number], int]:
    """The finite numbers among the values, flat, and how many values there were."""
    array = numbers(values)
    finite = np.isfinite(array)
    return (array if finite.all() else array[finite]), array.size


def numbers(values: Values) -> NDArray[np.number]:
    """The values as a flat array of numbers, NaN where one is not a number."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "fiub":
            flat = values.reshape(-1)
            return flat.view(np.uint8) if flat.dtype == bool else flat  # type: ignore[return-value]  # kinds checked
        if values.dtype.kind in "mM":  # .tolist() would make plain integers of nanoseconds
            return np.full(values.size, np.nan)
        values = values.reshape(-1).tolist()
    return np.array([v if type(v) is float else number(v) for v in values], dtype=np.float64)


def levels_of(values: Values) -> Iterable[str | None]:
    """The values as names of categories, one by one: None when missing, ``(other)`` when unreadable."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "mM":
            return [None if missing else OTHER for missing in np.isnat(values.reshape(-1))]
        values = values.reshape(-1).tolist()
    return map(level, values)


def numeric_feature(name: str, edges: NDArray[np.float64], counts: Counts) -> FeatureReference:
    """A numeric column from its inner edges and counts, with its labels."""
    labels = numeric_labels(edges.tolist())
    return FeatureReference(name=name, kind="numeric", edges=edges, levels=(), labels=labels, counts=counts)


def categorical_feature(name: str, levels: Sequence[str], counts: Counts) -> FeatureReference:
    """A categorical column from its levels and counts, with its labels."""
    return FeatureReference(
        name=name,
        kind="categorical",
        edges=np.empty(0),
        levels=tuple(levels),
        labels=level_labels(levels),
        counts=counts,
    )
