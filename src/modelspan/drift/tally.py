"""Count the rows of a table in parts that add up: chunks of a file, or partitions of a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from modelspan.drift.batch import count_all
from modelspan.drift.coded import Values, take
from modelspan.drift.fingerprint import Marks, added, marks
from modelspan.drift.sampling import priorities

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from modelspan.drift.feature import Counts, FeatureReference
    from modelspan.drift.season import Season


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of some features, and the checksum of their columns, over the rows seen so far."""

    features: Sequence[FeatureReference]
    limit: int = 0
    """Rows of a priority below it chose the bins and are not counted; 0 counts all."""
    fingerprinted: bool = False
    season: Season | None = None
    watch: Callable[[int, int, Mapping[str, Values]], None] | None = None
    """Sees the rows too; not those that a cluster counts."""
    rows: int = 0
    counts: dict[str, Counts] = field(default_factory=dict)
    """Shape ``(cells, bins)``, one cell without a season."""
    marks: dict[str, Marks] = field(default_factory=dict)
    by_column: dict[str, list[FeatureReference]] = field(default_factory=dict)
    """The features of each column."""

    def __post_init__(self) -> None:
        cells = self.season.size if self.season else 1
        self.counts = {e.name: np.zeros((cells, e.counts.size), np.int64) for e in self.features}
        for feature in self.features:
            self.by_column.setdefault(feature.column, []).append(feature)
        self.marks = {feature.column: (0, 0) for feature in self.features}

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        return list(dict.fromkeys([*self.by_column, *([self.season.column] if self.season else ())]))

    def add(self, start: int, rows: int, columns: Mapping[str, Values]) -> None:
        """Count the rows from position `start`."""
        self.rows += rows
        if self.watch is not None:
            self.watch(start, rows, columns)
        counted = np.flatnonzero(priorities(start, rows) >= np.uint64(self.limit)) if self.limit else None
        if counted is None and self.season is None:
            self._count_whole(columns)
        else:
            self._count_some(np.arange(rows) if counted is None else counted, columns)
        if self.fingerprinted:
            for column, (first, *_) in self.by_column.items():
                found = marks(columns[column], first.kind, first.dimension, start)
                self.marks[column] = added(self.marks[column], found)

    def _count_whole(self, columns: Mapping[str, Values]) -> None:
        features = {each.name: each for each in self.features}
        for name, counts in count_all(features, {n: columns[e.column] for n, e in features.items()}).items():
            self.counts[name][0] += counts

    def _count_some(self, rows: NDArray[np.intp], columns: Mapping[str, Values]) -> None:
        groups = self._by_cell(rows, columns)
        for column, features in self.by_column.items():
            for cell, chosen in groups:
                some = take(columns[column], chosen)
                for feature in features:
                    self.counts[feature.name][cell] += feature.count(some)

    def _by_cell(
        self, chosen: NDArray[np.intp], columns: Mapping[str, Values]
    ) -> list[tuple[int, NDArray[np.intp]]]:
        """The positions of the rows to be counted, by cell."""
        if self.season is None:
            return [(0, chosen)]
        cells = self.season.of(columns[self.season.column])
        order = chosen[np.argsort(cells[chosen], kind="stable")]
        present, starts = np.unique(cells[order], return_index=True)
        return list(zip(present.tolist(), np.split(order, starts[1:]), strict=True)) if order.size else []

    def parts(self) -> dict[str, list[Any]]:
        """What was counted, as columns of a small table with a row for each feature."""
        both = [self.marks[feature.column] for feature in self.features]
        return {
            "name": [feature.name for feature in self.features],
            "counts": [self.counts[feature.name].reshape(-1).tolist() for feature in self.features],
            "first": [str(first) for first, _ in both],
            "second": [str(second) for _, second in both],
            "rows": [self.rows] + [0] * (len(both) - 1),
        }

    def merge(self, name: str, counts: Counts, of_column: Marks, rows: int) -> None:
        """Add one row of the `parts` of another tally of the same features."""
        self.rows += rows
        self.counts[name] = self.counts[name] + counts.reshape(self.counts[name].shape)
        for column, features in self.by_column.items():
            if features[0].name == name:
                self.marks[column] = added(self.marks[column], of_column)
