"""Which bins of a model's columns have a time series of their own, so that their number is bounded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from modelspan.drift.values import OTHER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from modelspan.drift.feature import Counts, FeatureReference


class Limits(NamedTuple):
    """How much of a model becomes time series."""

    features: int = 20
    """Features with a series per bin; the score has its own beside them."""
    levels: int = 19
    """Levels of a categorical feature with a series of their own, the most frequent ones of the reference."""


@dataclass(frozen=True, slots=True, eq=False)
class BinSeries:
    """One column's series: its bins, the rarer levels counted as ``(other)``."""

    labels: tuple[str, ...]
    counts: Counts
    """Reference values per series, shape ``(len(labels),)``."""
    ordered: bool
    """Whether the bins stand in the order of the values, ``(missing)`` last."""
    _position: NDArray[np.intp]

    def fold(self, counts: Counts) -> Counts:
        """Counts per bin of the column as counts per series, shape ``(len(labels),)``."""
        folded = np.zeros(len(self.labels), dtype=np.int64)
        np.add.at(folded, self._position, counts)
        return folded


def bin_series(column: FeatureReference, levels: int) -> BinSeries:
    """The series of one column.

    Args:
        column: The reference of the column.
        levels: Levels that keep a series of their own; of equally frequent ones the first.
    """
    kept = np.arange(len(column.labels))
    if len(column.levels) > levels:
        frequent = np.argsort(-column.counts[: len(column.levels)], kind="stable")[:levels]
        kept = np.append(np.sort(frequent), kept[len(column.levels) :])
    labels = tuple(column.labels[index] for index in kept)
    place = {label: index for index, label in enumerate(labels)}
    position = np.array([place.get(label, place.get(OTHER, 0)) for label in column.labels], dtype=np.intp)
    folded = np.zeros(len(labels), dtype=np.int64)
    np.add.at(folded, position, column.counts)
    return BinSeries(labels, folded, column.ordered, position)


def choose(
    columns: Mapping[str, FeatureReference], score: str, limits: Limits, room: int
) -> dict[str, BinSeries]:
    """Series by column: the score first, then features in the order of the reference, while they fit.

    Args:
        columns: All columns of a model.
        score: Which of them is the score, if it is there.
        limits: What the settings allow.
        room: Series that may be added at most.
    """
    features = [name for name in columns if name != score][: limits.features]
    chosen: dict[str, BinSeries] = {}
    for name in [*(name for name in columns if name == score and limits.features), *features]:
        series = bin_series(columns[name], limits.levels)
        room -= len(series.labels)
        if room < 0:
            break
        chosen[name] = series
    return chosen


def reference_id(chosen: Mapping[str, BinSeries]) -> str:
    """Eight hex digits that two processes share only if they count over the same bins."""
    content: Sequence[object] = [
        (name, series.labels, series.counts.tolist()) for name, series in chosen.items()
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]
