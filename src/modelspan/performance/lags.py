"""How long outcomes took: an additive histogram on a logarithmic scale."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.performance.measure import Array

_STEPS: Final = 8
"""Bins per doubling: a quantile is within 4.5 % of the true one."""
_LEAST: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Lags:
    """Rows by bin of the time from prediction to outcome; bin b is [2^(b/8), 2^((b+1)/8)) seconds."""

    counts: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, seconds: Array) -> Lags:
        """The counts of these lags; a negative one, of a clock set back, counts as a millisecond."""
        bins = np.floor(_STEPS * np.log2(np.maximum(seconds, _LEAST))).astype(int)
        return cls(dict(Counter(bins.tolist())))

    def __add__(self, other: Lags) -> Lags:
        return self._join(other, 1)

    def __sub__(self, other: Lags) -> Lags:
        return self._join(other, -1)

    def _join(self, other: Lags, sign: int) -> Lags:
        sums = {at: self.counts.get(at, 0) + sign * other.counts.get(at, 0)
                for at in {*self.counts, *other.counts}}  # fmt: skip
        return Lags({at: count for at, count in sums.items() if count})

    def quantile(self, share: float) -> float | None:
        """Seconds within which that share of the outcomes came; None without outcomes."""
        bins = sorted(self.counts)
        if not bins:
            return None
        reached = np.cumsum([self.counts[at] for at in bins])
        at = bins[int(np.searchsorted(reached, share * reached[-1]))]
        return float(2.0 ** ((at + 0.5) / _STEPS))
