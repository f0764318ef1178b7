"""Features that a rule looks at together: rows that wait for a look, the evidence, and the latest rows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modelspan.drift.aligned import Aligned
from modelspan.drift.evidence import Evidence
from modelspan.drift.gathered import Gathered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from modelspan.drift.feature import Counts, FeatureReference

_BLOCKS = 40
"""Steps in which the latest rows are kept."""


@dataclass(slots=True)
class _Block:
    """Rows of a few looks in a row, all of one cell of the season."""

    counts: NDArray[np.int32]
    """Shape ``(features, bins)``."""
    looks: NDArray[np.int64]
    """Looks at each feature before it."""
    cell: int
    rows: int = 0
    """Of the feature that got the most."""


class Bank:
    """Features whose bins are all in order, or all not, so that one array holds the evidence of all.

    Args:
        columns: The features by name, one or more, with equally many cells of a season.
        smallest_effect: PSI worth knowing, above 0.
        window_rows: How many of the latest rows are kept as the picture of a drift.
    """

    def __init__(
        self, columns: Mapping[str, FeatureReference], *, smallest_effect: float, window_rows: int
    ) -> None:
        self.names = list(columns)
        self._at = {name: at for at, name in enumerate(columns)}
        self._columns = list(columns.values())
        self._window_rows = window_rows
        self._aligned = Aligned([each.counts.size for each in self._columns])
        self._nothing = {name: np.zeros_like(each.counts) for name, each in columns.items()}
        self._pending = np.zeros(self._aligned.shape, dtype=np.int64)
        self._paused = np.zeros(len(columns), dtype=bool)
        self._recent: deque[_Block] = deque()
        cells = [each.counts_by_cell for each in self._columns]
        by_cell = [self._aligned.matrix([each[cell] for each in cells]) for cell in range(len(cells[0]))]
        self._evidence = Evidence(
            np.stack(by_cell, axis=1), ordered=self._columns[0].ordered, smallest_effect=smallest_effect,
            there=self._aligned.matrix([np.ones_like(each.counts) for each in self._columns]) > 0,
        )  # fmt: skip

    @property
    def log_e(self) -> NDArray[np.float64]:
        """Natural logarithms of the e-values, shape ``(features,)``."""
        return self._evidence.log_e

    def e_value(self, name: str) -> float:
        """The e-value of one feature."""
        return float(np.exp(self.log_e[self._at[name]]))

    def add(self, counts: Mapping[str, Counts]) -> None:
        """Let new rows of some features wait for a look; those of paused features are left out."""
        self._pending += self._aligned.matrix([counts.get(n, none) for n, none in self._nothing.items()])
        self._pending[self._paused] = 0

    def look(self, least: int, cell: int) -> list[str]:
        """Look at the features of which `least` rows wait, of one cell of the season, and name them."""
        rows = self._pending.sum(axis=1)
        which = np.flatnonzero(rows >= least)
        if not which.size:
            return []
        new = self._pending[which]
        self._remember(which, new, int(rows.max()), cell)
        self._evidence.look(which, new, cell)
        self._pending[which] = 0
        return [self.names[each] for each in which.tolist()]

    def _remember(self, which: NDArray[np.intp], new: Counts, rows: int, cell: int) -> None:
        last = self._recent[-1] if self._recent else None
        if last is None or last.cell != cell or last.rows * _BLOCKS >= self._window_rows:
            empty = np.zeros(self._aligned.shape, dtype=np.int32)
            last = _Block(empty, self._evidence.looks.copy(), cell)
            self._recent.append(last)
        last.counts[which] += new
        last.rows += rows
        while len(self._recent) > 1 and sum(each.rows for each in self._recent) > self._window_rows:
            self._recent.popleft()

    def pause(self, name: str) -> None:
        """Look no more at a feature, whose alarm is open."""
        self._paused[self._at[name]] = True

    def restart(self, name: str) -> None:
        """Look at a feature anew, with the whole stake."""
        at = self._at[name]
        self._paused[at] = False
        self._evidence.restart(np.array([at]))
        for block in self._recent:
            block.counts[at], block.looks[at] = 0, 0

    def since_start(self, name: str) -> Gathered:
        """Rows of a feature since the likeliest begin of its drift, at most a window."""
        at = self._at[name]
        start, end = self._evidence.start(at), int(self._evidence.looks[at])
        found = Gathered(self._columns[at])
        for block in reversed(self._recent):
            if end <= start:
                break
            found.add(block.counts[at, self._aligned.places[at]], block.cell)
            end = int(block.looks[at])
        return found
