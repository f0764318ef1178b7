"""A row as the numbers that a loss model learns from, and whether the reference had rows like it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan.drift.coded import plain
from modelspan.drift.values import level, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelspan.performance.measure import Array

MAX_LEVELS: Final = 254
"""Most frequent levels that are told apart; scikit-learn's gradient boosting takes no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One feature of the reference: a number as it is, a category as the position of its level."""

    name: str
    levels: Mapping[str, int] = field(default_factory=dict)
    """Empty for numbers."""
    lower: float = -math.inf
    upper: float = math.inf
    gaps: bool = False
    """Whether the reference had missing values."""

    @classmethod
    def of(cls, name: str, values: Any) -> Column:
        """The column of these values: of categories as soon as one of them is no number."""
        cells = list(plain(values))
        names = Counter(level(cell) for cell in cells)
        gaps = names.pop(None, 0) > 0
        numbers = np.array([number(cell) for cell in cells])
        known = np.isfinite(numbers)
        if known.sum() == names.total():
            low, high = (float(numbers[known].min()), float(numbers[known].max())) if known.any() else (0, 0)
            return cls(name=name, lower=low, upper=high, gaps=gaps)
        frequent = sorted(each for each, _ in names.most_common(MAX_LEVELS) if each is not None)
        return cls(name=name, levels={each: at for at, each in enumerate(frequent)}, gaps=gaps)

    def read(self, values: Iterable[object]) -> tuple[Array, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
        """Numbers, NaN where there is none, and which values lie beyond those of the reference."""
        cells = list(values)
        if self.levels:
            names = [level(cell) for cell in cells]
            numbers = np.array([math.nan if n is None else self.levels.get(n, math.nan) for n in names])
            beyond = np.array([self.is_odd_gap if n is None else n not in self.levels for n in names], bool)
            return numbers, beyond
        numbers = np.array([number(cell) for cell in cells], dtype=np.float64)
        numbers[~np.isfinite(numbers)] = math.nan
        outside = (numbers < self.lower) | (numbers > self.upper)
        return numbers, outside | (np.isnan(numbers) & self.is_odd_gap)

    @property
    def is_odd_gap(self) -> bool:
        """Whether a missing value is something that the reference had not."""
        return not self.gaps
