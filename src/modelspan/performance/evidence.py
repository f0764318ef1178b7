"""Whether an estimate of performance can be trusted: sums over rows that speak for it or against it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

CONTRADICTED: Final = 4.0
"""Standard deviations between outcomes and what was expected of them; by chance once in 16,000 windows."""
OUTSIDE: Final = 0.05
"""Share of rows unlike those of the reference from which the estimate is extrapolated too far."""
NEGLIGIBLE: Final = 0.05
"""Share of the expected loss by which realised ones may differ, however many rows make it significant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Sums that tell whether an estimate can be trusted; they add."""

    rows: int = 0
    outside: int = 0
    """Rows whose score, or one of whose features, lies beyond the reference."""
    surprise: float = 0.0
    """Sum over rows with outcome of hit - expected hit, or of error - expected error."""
    variance: float = 0.0
    """Variance of that sum, if what was learnt from the reference still holds."""
    expected: float = 0.0
    """Sum of the expected errors of those rows; 0 for hits."""

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(**{n: getattr(self, n) + getattr(other, n) for n in self.__slots__})

    def __sub__(self, other: Evidence) -> Evidence:
        return Evidence(**{n: getattr(self, n) - getattr(other, n) for n in self.__slots__})

    def doubts(self) -> tuple[str, ...]:
        """Why the estimate can't be trusted; empty when nothing speaks against it.

        Source: Spiegelhalter (1986), Statistics in Medicine 5, 421 (outcomes against stated probabilities).
        """
        found = []
        if self.rows and self.outside > OUTSIDE * self.rows:
            found.append(f"{self.outside / self.rows:.0%} of the rows lie beyond those of the reference")
        allowed = max(CONTRADICTED * math.sqrt(max(self.variance, 0.0)), NEGLIGIBLE * self.expected)
        if self.variance > 0 and abs(self.surprise) > allowed:
            found.append(
                "outcomes that came contradict it: what was learnt from the reference changed (concept drift)"
            )
        return tuple(found)
