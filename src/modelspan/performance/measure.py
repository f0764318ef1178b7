"""A measured value with its interval, and the intervals that several measures share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from modelspan.performance import special

Array: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

CONFIDENCE: Final = 0.95
TINY: Final = 1e-9
"""Sums of weights below this are what rounding left of a subtraction: no rows."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A value with the interval that holds the true one in 95 of 100 windows; without bounds it has none."""

    value: float
    lower: float | None = None
    upper: float | None = None

    def finite(self) -> bool:
        """Whether nothing of it is NaN or infinite."""
        return all(math.isfinite(each) for each in (self.value, self.lower, self.upper) if each is not None)

    def document(self) -> dict[str, float | None]:
        """As JSON can hold it."""
        return {"value": self.value, "lower": self.lower, "upper": self.upper}


def critical(rows: float = math.inf, confidence: float = CONFIDENCE) -> float:
    """Two-sided critical value: Student's for the mean of `rows`, without them the normal one."""
    tail = (1 + confidence) / 2
    return float(special.stdtrit(max(rows - 1, 1), tail) if math.isfinite(rows) else special.ndtri(tail))


def wilson(part: float, whole: float, rows: float | None = None) -> Measure | None:
    """A share with Wilson's score interval; None without rows.

    Args:
        part: Sum of the weights of the hits.
        whole: Sum of all weights.
        rows: Effective number of rows (Kish: square of the sum over sum of squares); `whole` when unweighted.

    Source: Wilson (1927), JASA 22, eq. 3; Brown, Cai and DasGupta (2001), Statistical Science 16(2), 101.
    """
    rows = whole if rows is None else rows
    if whole <= TINY or rows <= TINY:
        return None
    share = min(max(part / whole, 0.0), 1.0)
    z = critical()
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return Measure(share, max(0.0, middle - half), min(1.0, middle + half))


def logit_interval(value: float, deviation: float, rows: float = math.inf) -> Measure:
    """A value in [0, 1] with an interval on the scale of its log odds; none at 0, at 1 or without deviation.

    Source: Agresti (2013), Categorical Data Analysis, 3rd ed., sec. 3.1.6 (delta method on the logit).
    """
    if not (0 < value < 1 and deviation > 0):
        return Measure(value)
    centre = math.log(value / (1 - value))
    half = critical(rows) * deviation / (value * (1 - value))
    return Measure(value, float(special.expit(centre - half)), float(special.expit(centre + half)))


def effective(weights: float, squares: float) -> float:
    """Kish's effective number of rows: the square of the sum of weights over the sum of their squares.

    Source: Kish (1965), Survey Sampling, sec. 11.7.
    """
    return weights * weights / squares if squares > TINY else 0.0


def together(parts: list[Measure | None], shares: list[float]) -> Measure | None:
    """The weighted sum of independent measures, its interval recovered from theirs; None if one is missing.

    Source: Zou and Donner (2008), Statistics in Medicine 27, 1693 (MOVER).
    """
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    value = sum(share * part.value for share, part in zip(shares, known, strict=True))
    down = sum((s * (p.value - _bound(p.lower, p))) ** 2 for s, p in zip(shares, known, strict=True))
    up = sum((s * (_bound(p.upper, p) - p.value)) ** 2 for s, p in zip(shares, known, strict=True))
    return Measure(value, value - math.sqrt(down), value + math.sqrt(up))


def _bound(bound: float | None, part: Measure) -> float:
    return part.value if bound is None else bound
