"""Expected calibration error: how far probabilities are from what came true, from additive bins."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from modelspan.performance import special
from modelspan.performance.measure import TINY, Array, Measure, critical

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT: Final = 10
"""Bins of equal width over [0, 1]."""


def _zeros() -> Array:
    return np.zeros((4, COUNT))


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Per bin the sums over rows of w, w·score, w·outcome and w²."""

    sums: Array = field(default_factory=_zeros)

    @classmethod
    def of(cls, scores: Array, truth: Array, weights: Array) -> Bins:
        """The sums of these rows; scores are in [0, 1], truth is 0 or 1."""
        at = np.minimum((scores * COUNT).astype(np.int64), COUNT - 1)
        columns = (weights, weights * scores, weights * truth, weights**2)
        return cls(np.stack([np.bincount(at, weights=each, minlength=COUNT) for each in columns]))

    def __add__(self, other: Bins) -> Bins:
        return Bins(self.sums + other.sums)

    def __sub__(self, other: Bins) -> Bins:
        return Bins(self.sums - other.sums)


def measure(bins: Bins) -> Measure | None:
    """Mean distance of a bin's share of positives from its mean score, weighted by rows; None without rows.

    The value is the usual plug-in one, which is too large for few rows: noise in a bin is a distance too.
    The interval is for the true one, so that it may lie below the value. It holds every true error under
    which the one seen is neither too large nor too small, the distances keeping their proportions.

    Source: Naeini, Cooper and Hauskrecht (2015), AAAI, 2901 (the measure); Kumar, Liang and Ma (2019),
    NeurIPS 32 (its bias); the interval inverts a test of the scale of the distances, each bin's distance
    being nearly normal, so that its absolute value is folded normal (Leone, Nelson and Nottingham 1961,
    Technometrics 3, 543).
    """
    weight, score, truth, square = bins.sums[:, bins.sums[0] > TINY]
    if not weight.size:
        return None
    share, mean, gap = weight / weight.sum(), score / weight, (truth - score) / weight
    seen, rows = float(share @ np.abs(gap)), weight**2 / square
    if weight.sum() ** 2 / square.sum() < 2:
        return Measure(seen)

    def surprise(scale: float) -> float:
        chance = np.clip(mean + scale * gap, 0.5 / (rows + 1), 1 - 0.5 / (rows + 1))
        distance, variance = _folded(scale * gap, np.sqrt(chance * (1 - chance) / rows))
        return (seen - float(share @ distance)) / math.sqrt(max(float(share**2 @ variance), TINY**2))

    high, low = (_solve(surprise, level) for level in (-critical(), critical()))
    return Measure(seen, min(1.0, low * seen), min(1.0, high * seen))


def _folded(mean: Array, deviation: Array) -> tuple[Array, Array]:
    """Mean and variance of the absolute value of a normal variable."""
    ratio = mean / deviation
    folded = deviation * math.sqrt(2 / math.pi) * np.exp(-(ratio**2) / 2)
    folded = folded + mean * (1 - 2 * special.ndtr(-ratio))
    return folded, np.maximum(mean**2 + deviation**2 - folded**2, 0.0)


def _solve(surprise: Callable[[float], float], level: float) -> float:
    """The scale at which the error seen is just that surprising; 0 when it never is."""
    if surprise(0.0) <= level:
        return 0.0
    low, high = 0.0, 1.0
    while surprise(high) > level and high < 1e6:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if surprise(middle) > level else (low, middle)
    return (low + high) / 2
