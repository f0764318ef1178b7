"""Evidence that a feature drifted, valid at every look: an e-process on counts."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from modelspan.drift.bets import log_payoffs, log_prior
from modelspan.drift.gathered import Gathered

if TYPE_CHECKING:
    from modelspan.drift.feature import Counts, FeatureReference

_STARTS = 2.1098
"""Sum over t >= 2 of 1 / (t ln(t)^2), so that the weights of all starts sum to 1."""
_LARGEST = 700.0
"""Logarithm beyond which evidence is cut: more changes no verdict, and exp would overflow."""


def start_weight(look: int) -> float:
    """Share of the stake that bets on a drift beginning at this look, from 0; all looks sum to at most 1."""
    return 1 / ((look + 2) * math.log(look + 2) ** 2 * _STARTS)


class Evidence:
    """The e-value of one feature: how much a stake of 1 against "nothing drifted" would have become.

    Each look compares the new rows with the *pool*: the reference and all rows before, together with the new
    ones. When nothing drifted, the new rows are a random part of that pool, whatever the true distribution;
    so the reference counts as the sample that it is, and looks that share it do not repeat its error: their
    residuals are independent, like recursive residuals of a regression. A bet with log-likelihood ratio
    `tilt` pays ``exp(rows . tilt) / (mean over the pool of exp(tilt)) ** n``. Its mean is at most 1: drawing
    without replacement is less variable than with (Hoeffding). Stakes are put on many alternatives
    (`bets.tilts`) and on a drift that begins at any look, the later the less (`start_weight`), so that at
    most 1 was staked over an unending stream.

    P(e-value ever exceeds 1 / a) <= a by Ville's inequality. What that rests on: rows that are independent of
    each other. The mean at every single look is at most 1 exactly, for every size of reference and look;
    over all looks together the argument is exact as looks grow, and benchmarks/calibration.py measures it for
    small ones.

    Args:
        reference: The feature's bins and reference counts.
        smallest_effect: PSI worth knowing, above 0.
        window_rows: How many of the latest rows are kept as the picture of the drift.

    Source: e-detectors: Shin, Ramdas and Rinaldo (2024), New England J. Stat. Data Sci. 2(2), 229-260, here
    with start weights that sum to 1 instead of a bounded run length; Hoeffding (1963), JASA 58, 13-30,
    theorem 4; pooling as in conformal test martingales: Vovk, Nouretdinov and Gammerman (2003), ICML.
    """

    def __init__(self, reference: FeatureReference, *, smallest_effect: float, window_rows: int) -> None:
        self._reference = reference
        self._smallest = smallest_effect
        self._window_rows = window_rows
        self._ordered = reference.ordered
        self._prior = log_prior(reference.counts.size, ordered=self._ordered)
        self.restart()

    def restart(self) -> None:
        """Forget the stream; the pool is the reference again and the stake 1."""
        self._pool = self._reference.counts_by_cell.astype(np.float64)
        self._stakes = np.full(self._prior.size, -np.inf)
        self._starts = np.zeros(self._prior.size, dtype=np.int64)
        self._looks = 0
        self._recent: deque[tuple[Counts, int]] = deque()
        self._recent_rows = 0
        self.log_e = 0.0
        """Natural logarithm of the e-value after the last look, from 0 to 700."""

    def look(self, counts: Counts, cell: int = 0) -> None:
        """Take in new rows per bin, shape ``(len(reference.labels),)``; no rows are no look.

        All rows are of one cell of the reference's season, which has a pool of its own.
        A reference without rows says nothing, and the first look becomes the pool.
        """
        rows = int(counts.sum())
        if not rows:
            return
        self._remember(counts, rows, cell)
        self._pool[cell] += counts
        pay = log_payoffs(self._pool[cell], counts, self._smallest, ordered=self._ordered)
        weight = math.log(start_weight(self._looks))
        self._starts[self._stakes <= weight] = self._looks
        self._stakes = np.logaddexp(self._stakes, weight) + pay
        self._looks += 1
        worth = self._stakes + self._prior
        top = float(worth.max())
        self.log_e = min(max(top + math.log(float(np.exp(worth - top).sum())), 0.0), _LARGEST)

    def _remember(self, counts: Counts, rows: int, cell: int) -> None:
        self._recent.append((counts, cell))
        self._recent_rows += rows
        while self._recent_rows > self._window_rows and len(self._recent) > 1:
            self._recent_rows -= int(self._recent.popleft()[0].sum())

    def since_start(self) -> Gathered:
        """Rows since the likeliest begin of the drift, at most a window; none before the first look.

        The likeliest begin is that of the bet that pays best (its running sum was last at its lowest then).
        """
        found = Gathered(self._reference)
        start = int(self._starts[np.argmax(self._stakes + self._prior)])
        for counts, cell in list(self._recent)[-(self._looks - start) :]:
            found.add(counts, cell)
        return found
