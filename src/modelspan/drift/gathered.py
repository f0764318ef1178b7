"""Rows of one feature put together until a window is full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelspan.drift.compare import FeatureDrift, compare_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelspan.drift.feature import Counts, FeatureReference


class Gathered:
    """Rows per bin of a feature, and per cell of its reference's season."""

    def __init__(self, reference: FeatureReference) -> None:
        self._reference = reference
        self.counts = np.zeros_like(reference.counts)
        self._cells = np.zeros(reference.cells, dtype=np.int64)

    def add(self, counts: Counts, cell: int = 0) -> None:
        """Add rows of one cell."""
        self.counts = self.counts + counts
        self._cells[cell] += int(counts.sum())

    @property
    def rows(self) -> int:
        """Rows so far."""
        return int(self._cells.sum())

    def drift(self) -> FeatureDrift:
        """Their drift from the reference's rows of the same cells."""
        return drifts([self])[0]

    @property
    def before(self) -> FeatureReference:
        """The feature with the reference's rows of the same cells."""
        return self._reference.against(self._cells)


def drifts(gathered: Sequence[Gathered]) -> list[FeatureDrift]:
    """The drift of each from its reference, all reckoned at once."""
    return compare_all(
        [each.before for each in gathered], [each.counts for each in gathered], [None] * len(gathered)
    )
