"""Whether an estimate of performance can be trusted: sums over rows that speak for it or against it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

CONTRADICTED: Final = 4.0
"""Standard deviations between outcomes and what was expected of them; by chance once in 16,000 windows."""
OUTSIDE: Final = 0.05
"""Share of scores beyond those of the reference from which the calibration is extrapolated too far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Sums that tell whether an estimate can be trusted; they add."""

    scores: int = 0
    outside: int = 0
    """Scores beyond the range of the reference."""
    surprise: float = 0.0
    """Sum over rows with outcome of hit - expected hit."""
    variance: float = 0.0
    """Variance of that sum, if the calibration still holds."""

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(**{n: getattr(self, n) + getattr(other, n) for n in self.__slots__})

    def __sub__(self, other: Evidence) -> Evidence:
        return Evidence(**{n: getattr(self, n) - getattr(other, n) for n in self.__slots__})

    def doubts(self) -> tuple[str, ...]:
        """Why the estimate can't be trusted; empty when nothing speaks against it.

        Source: Spiegelhalter (1986), Statistics in Medicine 5, 421 (outcomes against stated probabilities).
        """
        found = []
        if self.scores and self.outside > OUTSIDE * self.scores:
            found.append(f"{self.outside / self.scores:.0%} of the scores lie beyond those of the reference")
        if self.variance > 0 and abs(self.surprise) > CONTRADICTED * math.sqrt(self.variance):
            found.append(
                "outcomes that came contradict it: the relation of score and outcome changed (concept drift)"
            )
        return tuple(found)
