"""Sums of a quantity's powers: the mean of a loss over windows and replicas, exactly additive."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from modelspan.performance.measure import TINY, Array, Measure, critical, effective

if TYPE_CHECKING:
    from collections.abc import Sequence

_NONE = (0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over rows of w, w², w·x, w·x² and w·x³."""

    sums: tuple[float, ...] = _NONE

    @classmethod
    def of(cls, values: Array, weights: Array) -> Moments:
        """The sums of these rows; rows that are not finite are left out."""
        with np.errstate(over="ignore", invalid="ignore"):
            columns = [weights, weights**2, weights * values, weights * values**2, weights * values**3]
            known = np.isfinite(columns[-1])
            return cls(tuple(float(column[known].sum()) for column in columns))

    def __add__(self, other: Moments) -> Moments:
        return Moments(tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)))

    def __sub__(self, other: Moments) -> Moments:
        return Moments(tuple(a - b for a, b in zip(self.sums, other.sums, strict=True)))

    @property
    def weight(self) -> float:
        """Sum of the weights; 0 for no rows."""
        return self.sums[0] if self.sums[0] > TINY else 0.0

    @property
    def rows(self) -> float:
        """Effective number of rows."""
        return effective(self.weight, self.sums[1])

    def mean(self) -> Measure | None:
        """The mean with Hall's skewness-corrected interval; None without rows, no interval for one row.

        Source: Hall (1992), JRSS B 54(1), 221, the cubic transformation with Student's critical value.
        """
        if not self.weight:
            return None
        mean, square, cube = (each / self.weight for each in self.sums[2:])
        variance = square - mean * mean
        if self.rows < 2 or variance <= 1e-12 * square:
            return Measure(mean) if self.rows < 2 else Measure(mean, mean, mean)
        variance *= self.rows / (self.rows - 1)
        skewness = (cube - 3 * mean * square + 2 * mean**3) / variance**1.5
        deviation = math.sqrt(variance / self.rows)
        low, high = (_unskew(x, skewness, self.rows) for x in _pair(critical(self.rows)))
        return Measure(mean, mean - deviation * high, mean - deviation * low)


def _pair(x: float) -> Sequence[float]:
    return (-x, x)


def _unskew(x: float, skewness: float, rows: float) -> float:
    """Inverse of Hall's transformation; the plain quantile without skewness."""
    root = math.sqrt(rows)
    if abs(skewness) < 1e-6:
        return x
    inner = 1 + skewness / root * (x - skewness / (6 * root))
    return 3 * root / skewness * (math.copysign(abs(inner) ** (1 / 3), inner) - 1)
