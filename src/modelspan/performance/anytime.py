"""A mean whose interval holds at every moment together, so that it may be looked at any time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from modelspan.performance.measure import Measure

ERROR: Final = 0.05
"""Probability that the interval ever, at any look, leaves out the true difference."""
_MOST: Final = 0.5
"""Largest stake on one observation."""


@dataclass(slots=True)
class AnytimeMean:
    """The mean of values in [-1, 1] with an interval that is valid at every moment together.

    Looking at each observation and stopping when it excludes 0 is wrong with probability 5 % at most, however
    long one looks. It holds for any distribution, if each value has the same mean given those before.

    Source: Waudby-Smith and Ramdas (2024), JRSS B 86(1), 1, theorem 2 (predictable plug-in empirical
    Bernstein confidence sequence).
    """

    rows: int = 0
    _total: float = 0.0
    _spread: float = 0.0
    _stakes: float = 0.0
    _staked: float = 0.0
    _variance: float = 0.0

    def add(self, value: float) -> None:
        """Take in one value; out of range raises ValueError."""
        if not -1 <= value <= 1:
            raise ValueError(f"value={value} is outside [-1, 1]")
        x = (value + 1) / 2
        self.rows += 1
        before = (0.5 + self._total) / self.rows
        variance = (0.25 + self._spread) / self.rows
        stake = min(
            _MOST, math.sqrt(2 * math.log(2 / ERROR) / (variance * self.rows * math.log1p(self.rows)))
        )
        self._variance += (x - before) ** 2 * (-math.log1p(-stake) - stake)
        self._stakes += stake
        self._staked += stake * x
        self._total += x
        self._spread += (x - (0.5 + self._total) / (self.rows + 1)) ** 2

    def measure(self) -> Measure | None:
        """Mean and interval; None without rows."""
        if not self.rows:
            return None
        centre = self._staked / self._stakes
        half = (math.log(2 / ERROR) + self._variance) / self._stakes
        low, high = max(0.0, centre - half), min(1.0, centre + half)
        return Measure(2 * self._total / self.rows - 1, 2 * low - 1, 2 * high - 1)
