"""The most recent rows of all features of a model as counts: a ring of panes in one small array."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modelspan.drift.samples import Bins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.drift.feature import Counts, FeatureReference

PANES = 4


class Windows:
    """Counts of about the last `rows` rows, in steps of one pane, of all features together.

    It holds whole panes and the one being filled: ``rows`` to ``rows * (1 + 1 / panes)`` rows once full, more
    only when single calls bring more rows than a pane. The rows are those of the feature that got the most;
    a feature with fewer, such as a score that some rows lack, has a window of fewer rows over the same time.
    Memory: ``4 (panes + 1)`` bytes a bin. Not for several threads.

    Args:
        features: Whose bins are counted.
        rows: Rows of a full window.
        panes: Steps in which old rows leave.
        bins: Those of the features, where several windows share them.

    Raises:
        ValueError: If there are no features, `panes` is below 1 or `rows` below `panes`.
    """

    def __init__(
        self,
        features: Mapping[str, FeatureReference],
        rows: int = 1000,
        panes: int = PANES,
        bins: Bins | None = None,
    ) -> None:
        if panes < 1 or rows < panes or not features:
            raise ValueError(
                f"rows={rows}, panes={panes}, {len(features)} features: a pane needs a row, so set "
                "1 <= panes <= rows, and one feature or more"
            )
        self.names = tuple(features)
        self.bins = bins or Bins.of(list(features.values()))
        self._size, self._pane_rows = rows, rows / panes
        self._ring = np.zeros((panes + 1, int(self.bins.sizes.sum())), dtype=np.uint32)
        self._cells = np.zeros((panes + 1, max(each.cells for each in features.values())), dtype=np.int64)
        self._newest = 0
        self._rows_of_panes = [0] * (panes + 1)
        self._order: list[int] = []
        self._unseen_rows = 0
        self.windows = 0
        """Full windows without common rows so far; when it has just grown, `counts` is the last of them."""

    def add(self, counts: Mapping[str, Counts], cell: int = 0) -> None:
        """Add the counts of the same rows, of one cell of the season, for some or all features."""
        sizes = zip(self.names, self.bins.sizes.tolist(), strict=True)
        flat = np.concatenate([counts[name] if name in counts else np.zeros(n, int) for name, n in sizes])
        pane = self._ring[self._newest]
        np.add(pane, flat, out=pane, casting="unsafe")  # no pane comes near 2^32 rows
        rows = int(self.bins.total(flat).max())
        self._rows_of_panes[self._newest] += rows
        self._cells[self._newest, cell] += rows
        if self._rows_of_panes[self._newest] >= self._pane_rows:
            self._turn()

    def _turn(self) -> None:
        """Close the newest pane; clear the oldest ones that a full window does without."""
        self._order.append(self._newest)
        self._unseen_rows += self._rows_of_panes[self._newest]
        while self.rows - self._rows_of_panes[self._order[0]] >= self._size:
            oldest = self._order.pop(0)
            self._ring[oldest], self._cells[oldest], self._rows_of_panes[oldest] = 0, 0, 0
        if self._unseen_rows >= self._size:
            self.windows, self._unseen_rows = self.windows + 1, 0
        self._newest = next(pane for pane in range(len(self._rows_of_panes)) if pane not in self._order)

    @property
    def rows(self) -> int:
        """Rows in the ring."""
        return sum(self._rows_of_panes)

    @property
    def cells(self) -> Counts:
        """Rows per cell of the season in the ring, shape ``(cells,)``."""
        return np.asarray(self._cells.sum(axis=0))

    @property
    def counts(self) -> Counts:
        """Rows per bin in the ring, all features end to end as in `bins`, a copy of shape ``(bins,)``."""
        return np.asarray(self._ring.sum(axis=0, dtype=np.int64))

    def of(self, name: str) -> Counts:
        """Rows per bin of one feature, shape ``(len(labels),)``."""
        place = self.bins.slices[self.names.index(name)]
        return np.asarray(self._ring[:, place].sum(axis=0, dtype=np.int64))

    @property
    def full(self) -> bool:
        """Whether the ring holds a full window; stays true once it is."""
        return self.rows >= self._size
