"""The most recent rows of a feature as counts: a ring of panes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from modelspan.drift.feature import Counts, FeatureReference


class Window:
    """Counts of about the last `rows` rows, in steps of one pane.

    It holds whole panes and the one being filled: ``rows`` to ``rows * (1 + 1 / panes)`` rows once full, more
    only when single calls bring more rows than a pane. Memory: ``panes + 1`` small arrays. Not for several
    threads.

    Args:
        reference: Whose bins are counted.
        rows: Rows of a full window.
        panes: Steps in which old rows leave.

    Raises:
        ValueError: If `panes` is below 1 or `rows` below `panes`.
    """

    def __init__(self, reference: FeatureReference, rows: int = 1000, panes: int = 10) -> None:
        if panes < 1 or rows < panes:
            raise ValueError(f"rows={rows}, panes={panes}: a pane needs a row, so set 1 <= panes <= rows")
        self.reference = reference
        self._size = rows
        self._pane_rows = rows / panes
        self._panes: deque[tuple[int, Counts]] = deque()
        self._newest = np.zeros_like(reference.counts)
        self._newest_rows = self._whole_rows = self._unseen_rows = self._windows = 0

    def add(self, counts: Counts) -> None:
        """Add the counts of some rows, shape ``(len(reference.labels),)``."""
        self._newest += counts
        self._newest_rows += int(counts.sum())
        if self._newest_rows >= self._pane_rows:
            self._turn()

    def _turn(self) -> None:
        """Close the newest pane; drop the oldest ones that a full window does without."""
        self._panes.append((self._newest_rows, self._newest))
        self._whole_rows += self._newest_rows
        self._unseen_rows += self._newest_rows
        while self._whole_rows - self._panes[0][0] >= self._size:
            self._whole_rows -= self._panes.popleft()[0]
        if self._unseen_rows >= self._size:
            self._windows, self._unseen_rows = self._windows + 1, 0
        self._newest, self._newest_rows = np.zeros_like(self._newest), 0

    @property
    def rows(self) -> int:
        """Rows in the ring."""
        return self._whole_rows + self._newest_rows

    @property
    def counts(self) -> Counts:
        """Rows per bin in the ring, a copy of shape ``(len(reference.labels),)``."""
        return sum((counts for _, counts in self._panes), start=self._newest.copy())

    @property
    def full(self) -> bool:
        """Whether the ring holds a full window; stays true once it is."""
        return self.rows >= self._size

    @property
    def windows(self) -> int:
        """Full windows without common rows so far; when it has just grown, `counts` is the last of them."""
        return self._windows
