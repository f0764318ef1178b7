"""Evidence that features drifted, valid at every look: an e-process on counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from modelspan.drift.bets import log_payoffs, prior

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from modelspan.drift.feature import Counts

UNIT_ROWS = 50
"""Rows in which the weight of a start is reckoned."""
_FIRST = 20.0
"""As if so many units had passed before the first row: nothing is special about the begin of a stream."""
_LARGEST = 700.0
"""Logarithm beyond which evidence is cut: more changes no verdict, and exp would overflow."""


def start_weight(before: NDArray[np.int64], new: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the stake that bets on a drift beginning with these rows; all of an unending stream sum to 1.

    The later, the less, as 1 / (t ln(t)^2) with t growing by 1 each fifty rows: in how many looks the rows
    come makes no difference.

    Args:
        before: Rows of the stream so far, any shape.
        new: Rows of this look, of the same shape.
    """
    begin, end = (_FIRST + rows / UNIT_ROWS for rows in (before, before + new))
    return np.asarray(math.log(_FIRST) * (1 / np.log(begin) - 1 / np.log(end)))


class Evidence:
    """E-values of many features at once: how much a stake of 1 against "nothing drifted" would have become.

    Each look compares the new rows with the *pool*: the reference and all rows before, together with the new
    ones. When nothing drifted, the new rows are a random part of that pool, whatever the true distribution;
    so the reference counts as the sample that it is, and looks that share it do not repeat its error: their
    residuals are independent, like recursive residuals of a regression. A bet with log-likelihood ratio
    `tilt` pays ``exp(rows . tilt) / (mean over the pool of exp(tilt)) ** n``. Its mean is at most 1: drawing
    without replacement is less variable than with (Hoeffding). Stakes are put on many alternatives
    (`bets.log_payoffs`) and on a drift that begins at any look, the later the less (`start_weight`), so that
    at most 1 was staked over an unending stream.

    P(e-value ever exceeds 1 / a) <= a by Ville's inequality. What that rests on: rows that are independent of
    each other. The mean at every single look is at most 1 exactly, for every size of reference and look, and
    so is the mean of the whole e-value at any look fixed beforehand: given a pool and all later rows, which
    of its rows came last is a matter of chance, from the first look to the last. Ville asks besides that a
    look pays at most 1 on average given all rows before it. Where new rows are drawn by the shares so far
    (Polya's urn: on average over what the true shares may be) that is exact for bets on single bins, at looks
    of any size; bets on shapes, whose scores follow the pool, exceed it by less than 1 over the pool's rows
    for each new row. benchmarks/calibration.py measures the whole, which stays far below a.

    Args:
        counts: Reference rows per bin, shape ``(features, cells, bins)``, cells of the season.
        ordered: Whether the bins are those of numeric columns with ``(missing)`` last.
        smallest_effect: PSI worth knowing, above 0.
        there: Which bins each feature has, shape ``(features, bins)``; all by default.

    Source: e-detectors: Shin, Ramdas and Rinaldo (2024), New England J. Stat. Data Sci. 2(2), 229-260, here
    with start weights that sum to 1 instead of a bounded run length; Hoeffding (1963), JASA 58, 13-30,
    theorem 4; pooling as in conformal test martingales: Vovk, Nouretdinov and Gammerman (2003), ICML.
    """

    def __init__(
        self,
        counts: Counts,
        *,
        ordered: bool,
        smallest_effect: float,
        there: NDArray[np.bool] | None = None,
    ) -> None:
        self._reference = counts
        self._ordered = ordered
        self._smallest = smallest_effect
        features, bins = counts.shape[0], counts.shape[-1]
        self._prior = prior(np.ones((features, bins), bool) if there is None else there, ordered=ordered)
        self._pool = np.zeros(counts.shape)
        self._stakes = np.zeros(self._prior.shape)
        self._starts = np.zeros(self._prior.shape, dtype=np.int64)
        self._rows = np.zeros(features, dtype=np.int64)
        self.looks = np.zeros(features, dtype=np.int64)
        """Looks at each feature so far."""
        self.log_e = np.zeros(features)
        """Natural logarithms of the e-values after the last look, from 0 to 700, shape ``(features,)``."""
        self.restart(np.arange(features))

    def restart(self, which: NDArray[np.intp]) -> None:
        """Forget the stream of some features; the pool is the reference again and the stake 1."""
        self._pool[which] = self._reference[which]
        for held in (self._stakes, self._starts, self._rows, self.looks, self.log_e):
            held[which] = 0

    def look(self, which: NDArray[np.intp], counts: Counts, cell: int = 0) -> None:
        """Take in new rows of some features, all of one cell of the season, which has a pool of its own.

        A reference without rows says nothing, and the first look becomes the pool.

        Args:
            which: Positions of the features, shape ``(k,)``.
            counts: Their new rows per bin, one row at least, shape ``(k, bins)``.
            cell: The cell.
        """
        self._pool[which, cell] += counts
        log_pay = log_payoffs(self._pool[which, cell], counts, self._smallest, ordered=self._ordered)
        rows = counts.sum(axis=-1)
        weight = start_weight(self._rows[which], rows)[:, None]
        stakes = self._stakes[which]
        self._starts[which] = np.where(stakes <= weight, self.looks[which][:, None], self._starts[which])
        with np.errstate(over="ignore", under="ignore"):
            stakes = np.minimum((stakes + weight) * np.exp(np.minimum(log_pay, _LARGEST)), math.exp(_LARGEST))
        self._stakes[which] = stakes
        self._rows[which] += rows
        self.looks[which] += 1
        self.log_e[which] = np.log(np.maximum((stakes * self._prior[which]).sum(axis=-1), 1.0))

    def start(self, feature: int) -> int:
        """The look at which the drift of a feature likeliest began, from 0.

        It is that of the bet that pays best: its running sum was last at its lowest then.
        """
        return int(self._starts[feature, np.argmax(self._stakes[feature] * self._prior[feature])])
