"""Rows of mixed columns as a matrix of numbers, by an encoding that is learnt once and then frozen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from modelspan.drift.coded import levels_of
from modelspan.drift.feature import numbers
from modelspan.drift.kinds import column_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelspan.drift.coded import Values
    from modelspan.drift.columns import Columns

Matrix: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How one column becomes numbers."""

    name: str
    fill: float
    """What stands for a missing value: the mean of numbers, the code of the most frequent category."""
    codes: Mapping[str, float] | None
    """The share of each category among the rows that the encoding was learnt from; None for numbers."""

    def encode(self, values: Values) -> Matrix:
        """The values as finite numbers, shape ``(rows,)``; a category that was never seen has share 0."""
        if self.codes is None:
            array = numbers(values).astype(np.float64)
            return np.where(np.isfinite(array), array, self.fill)
        codes = self.codes
        return np.array([self.fill if name is None else codes.get(name, 0.0) for name in levels_of(values)])


def learn_columns(columns: Columns) -> list[Column]:
    """An encoding of each column that holds numbers, text or bools; others are left out."""
    return [made for name, values in columns.items() if (made := _learn(name, values)) is not None]


def encode(columns: Columns, encoding: list[Column]) -> Matrix:
    """The rows as a matrix, shape ``(rows, len(encoding))``; every column of the encoding must be there."""
    return np.column_stack([column.encode(columns[column.name]) for column in encoding])


def _learn(name: str, values: Values) -> Column | None:
    kind = column_kind(values)
    if kind is None:
        return None
    if kind == "numeric":
        array = numbers(values).astype(np.float64)
        finite = array[np.isfinite(array)]
        return Column(name=name, fill=float(finite.mean()) if finite.size else 0.0, codes=None)
    counts = Counter(level for level in levels_of(values) if level is not None)
    if not counts:
        return Column(name=name, fill=0.0, codes={})
    # the missing become the most frequent category before shares are taken, so they add to its share
    most, _ = min(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = len(values)
    counts[most] += rows - counts.total()
    shares = {level: count / rows for level, count in counts.items()}
    return Column(name=name, fill=shares[most], codes=shares)
