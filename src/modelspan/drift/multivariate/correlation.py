"""Change of rank correlations between numeric columns, while every single column may look the same."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from modelspan.drift.feature import numbers
from modelspan.drift.kinds import column_kind

if TYPE_CHECKING:
    from modelspan.drift.columns import Columns
    from modelspan.drift.multivariate.matrix import Matrix

_RANK_VARIANCE = 1.06
"""Variance of Fisher's z of a rank correlation over ``1 / (n - 3)``."""
_FEWEST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationChange:
    """Two numeric columns whose rank correlation may have changed."""

    first: str
    second: str
    reference: float
    """Spearman's correlation in the reference, in [-1, 1]."""
    current: float
    p_value: float
    """Of this pair alone, not corrected for the others."""

    @property
    def change(self) -> float:
        """Current minus reference, in [-2, 2]."""
        return self.current - self.reference


def correlation_changes(reference: Columns, current: Columns) -> list[CorrelationChange]:
    """Every pair of numeric columns, the smallest p-value first.

    Rows in which either column is missing are left aside, pair by pair. A pair with fewer than 10 common rows
    on a side, or with a column that is constant there, is left out: it has no correlation.

    Args:
        reference: Values by name.
        current: Values by name; columns that only one side has are left aside.

    Source: Spearman (1904), Am. J. Psychol. 15, 72-101; the variance of Fisher's z for ranks: Fieller,
    Hartley and Pearson (1957), Biometrika 44, 470-481, good for correlations up to about 0.8.
    """
    shared = [n for n in reference if n in current and column_kind(reference[n]) == "numeric"]
    sides = [{name: _numbers(side, name) for name in shared} for side in (reference, current)]
    changes = [_pair(sides[0], sides[1], a, b) for a, b in itertools.combinations(shared, 2)]
    return sorted((c for c in changes if c is not None), key=lambda c: (c.p_value, -abs(c.change)))


def _numbers(columns: Columns, name: str) -> Matrix:
    array = numbers(columns[name]).astype(np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def _pair(
    reference: dict[str, Matrix], current: dict[str, Matrix], first: str, second: str
) -> CorrelationChange | None:
    before, after = _spearman(reference, first, second), _spearman(current, first, second)
    if before is None or after is None:
        return None
    error = math.sqrt(_RANK_VARIANCE * (1 / (before[1] - 3) + 1 / (after[1] - 3)))
    apart = abs(math.atanh(_inside(after[0])) - math.atanh(_inside(before[0]))) / error
    return CorrelationChange(
        first=first,
        second=second,
        reference=before[0],
        current=after[0],
        p_value=float(2 * stats.norm.sf(apart)),
    )


def _spearman(columns: dict[str, Matrix], first: str, second: str) -> tuple[float, int] | None:
    """The correlation of the ranks and the number of common rows; None without one."""
    known = ~(np.isnan(columns[first]) | np.isnan(columns[second]))
    a, b = columns[first][known], columns[second][known]
    if a.size < _FEWEST or a.min() == a.max() or b.min() == b.max():
        return None
    return float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1]), a.size


def _inside(correlation: float) -> float:
    """Kept off -1 and 1, where Fisher's z is infinite and the same order in both samples would be NaN."""
    return min(max(correlation, -0.999999), 0.999999)
