"""Count the rows of a table in parts that add up: chunks of a file, or partitions of a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from modelspan.drift.coded import Values, take
from modelspan.drift.fingerprint import Marks, added, marks
from modelspan.drift.sampling import priorities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modelspan.drift.feature import Counts, FeatureReference


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of some features, and the checksum of their columns, over the rows seen so far."""

    features: Sequence[FeatureReference]
    limit: int = 0
    """Rows of a priority below it chose the bins and are not counted; 0 counts all."""
    fingerprinted: bool = False
    rows: int = 0
    counts: dict[str, Counts] = field(default_factory=dict)
    marks: dict[str, Marks] = field(default_factory=dict)
    by_column: dict[str, list[FeatureReference]] = field(default_factory=dict)
    """The features of each column."""

    def __post_init__(self) -> None:
        self.counts = {feature.name: np.zeros_like(feature.counts) for feature in self.features}
        for feature in self.features:
            self.by_column.setdefault(feature.column, []).append(feature)
        self.marks = {feature.column: (0, 0) for feature in self.features}

    def add(self, start: int, rows: int, columns: Mapping[str, Values]) -> None:
        """Count the rows from position `start`."""
        self.rows += rows
        counted = np.flatnonzero(priorities(start, rows) >= np.uint64(self.limit)) if self.limit else None
        for column, features in self.by_column.items():
            values = columns[column]
            some = values if counted is None else take(values, counted)
            for feature in features:
                self.counts[feature.name] += feature.count(some)
            if self.fingerprinted:
                found = marks(values, features[0].kind, features[0].dimension, start)
                self.marks[column] = added(self.marks[column], found)

    def parts(self) -> dict[str, list[Any]]:
        """What was counted, as columns of a small table with a row for each feature."""
        both = [self.marks[feature.column] for feature in self.features]
        return {
            "name": [feature.name for feature in self.features],
            "counts": [self.counts[feature.name].tolist() for feature in self.features],
            "first": [str(first) for first, _ in both],
            "second": [str(second) for _, second in both],
            "rows": [self.rows] + [0] * (len(both) - 1),
        }

    def merge(self, name: str, counts: Counts, of_column: Marks, rows: int) -> None:
        """Add one row of the `parts` of another tally of the same features."""
        self.rows += rows
        self.counts[name] = self.counts[name] + counts
        for column, features in self.by_column.items():
            if features[0].name == name:
                self.marks[column] = added(self.marks[column], of_column)
