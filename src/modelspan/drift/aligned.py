"""Counts of features with different numbers of bins as rows of one matrix: all are reckoned at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from modelspan.drift.feature import Counts


class Aligned:
    """Where the bins of each feature stand in a matrix as wide as the widest; the last bin is always last.

    What a feature lacks is filled with bins without rows: they change no share, no test and no bet.

    Args:
        sizes: Bins of each feature, one or more, shape ``(features,)``.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        widest = max(sizes)
        self.shape = len(sizes), widest
        self.places = [np.append(np.arange(size - 1), widest - 1) for size in sizes]
        """The columns of the matrix that hold each feature's bins."""
        self._flat = np.concatenate([widest * row + place for row, place in enumerate(self.places)])

    def matrix(self, parts: Sequence[NDArray[Any]]) -> Counts:
        """The counts of each feature as a row, shape ``(features, widest)``."""
        filled = np.zeros(self.shape, dtype=np.int64)
        filled.reshape(-1)[self._flat] = np.concatenate(parts)
        return filled
