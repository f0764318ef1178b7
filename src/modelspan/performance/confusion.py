"""Predicted against true classes: counts that add over windows and replicas, and their measures."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from modelspan.performance.measure import (
    TINY,
    Array,
    Measure,
    critical,
    effective,
    logit_interval,
    together,
    wilson,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    _Finish = Callable[[float, float, float], Measure]

Pair = tuple[str, str]
"""True class, predicted class."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Sum of weights, and of their squares, by true and predicted class."""

    weights: Mapping[Pair, float] = field(default_factory=dict)
    squares: Mapping[Pair, float] = field(default_factory=dict)

    @classmethod
    def of(cls, outcomes: Sequence[str], predicted: Sequence[str], weights: Iterable[float]) -> Confusion:
        """The sums of these rows."""
        sums: Counter[Pair] = Counter()
        squares: Counter[Pair] = Counter()
        for outcome, guess, weight in zip(outcomes, predicted, weights, strict=True):
            sums[outcome, guess] += weight  # type: ignore[assignment]  # Counter adds floats as well
            squares[outcome, guess] += weight * weight  # type: ignore[assignment]  # as above
        return cls(dict(sums), dict(squares))

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(_add(self.weights, other.weights, 1), _add(self.squares, other.squares, 1))

    def __sub__(self, other: Confusion) -> Confusion:
        return Confusion(_add(self.weights, other.weights, -1), _add(self.squares, other.squares, -1))

    @property
    def labels(self) -> list[str]:
        """Every class that occurs as outcome or prediction, sorted."""
        return sorted({label for pair in self.weights for label in pair})

    def matrix(self) -> Array:
        """Weights, one row per true and one column per predicted class, in the order of `labels`."""
        return self._table(self.weights)

    @property
    def rows(self) -> float:
        """Effective number of rows."""
        return effective(sum(self.weights.values()), sum(self.squares.values()))

    def _table(self, cells: Mapping[Pair, float]) -> Array:
        place = {label: at for at, label in enumerate(self.labels)}
        table = np.zeros((len(place), len(place)))
        for (outcome, guess), weight in cells.items():
            table[place[outcome], place[guess]] = weight
        return table

    def measures(self, positive: str | None = None, beta: float = 2.0) -> dict[str, Measure]:
        """Every measure that is defined; without rows none.

        Args:
            positive: With it, those of this class: precision, recall, specificity, f1 and f_beta; without it
                averages over the classes: macro, and weighted by the rows of each true class.
            beta: Weight of recall in f_beta.
        """
        if not self.weights:
            return {}
        table, rows = self.matrix(), self._rows()
        found = {
            "accuracy": wilson(float(np.trace(table)), float(table.sum()), self.rows),
            "balanced_accuracy": _balanced(table, rows),
            "mcc": self._delta(table, _mcc, _fisher),
        }
        if positive is not None:
            found |= _of_class(table, rows, self._at(positive), beta)
        else:
            found |= {name: self._delta(table, f, _logit) for name, f in _AVERAGES.items()}
        return {name: each for name, each in found.items() if each is not None and each.finite()}

    def _rows(self) -> Array:
        """Effective rows per cell: the sums of weights scaled so that they add up to `rows`."""
        table = self.matrix()
        scaled: Array = table * (self.rows / table.sum())
        return scaled

    def _at(self, positive: str) -> int | None:
        return self.labels.index(positive) if positive in self.labels else None

    def _delta(self, table: Array, measure: Callable[[Array], float], finish: _Finish) -> Measure | None:
        """The measure with the jackknife's deviation: leaving out one row of a cell stands for all of them.

        Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, eq. 11.5.
        """
        value = measure(table)
        rows, each = self._rows(), self.rows
        if math.isnan(value) or each < 2:
            return None if math.isnan(value) else Measure(value)
        spread = 0.0
        for at in zip(*np.nonzero(rows > TINY), strict=True):
            less = table.copy()
            less[at] = max(0.0, less[at] - table.sum() / each)
            without = measure(less)
            spread += rows[at] * (0.0 if math.isnan(without) else without - value) ** 2
        return finish(value, math.sqrt(spread * (each - 1) / each), each)


def _add(left: Mapping[Pair, float], right: Mapping[Pair, float], sign: int) -> dict[Pair, float]:
    sums = {pair: left.get(pair, 0.0) + sign * right.get(pair, 0.0) for pair in {*left, *right}}
    return {pair: total for pair, total in sums.items() if abs(total) > TINY}


def _balanced(table: Array, rows: Array) -> Measure | None:
    """Mean recall of the classes that occur as outcome."""
    at = np.flatnonzero(table.sum(axis=1) > TINY)
    recalls = [wilson(table[i, i], table[i].sum(), rows[i].sum()) for i in at]
    return together(recalls, [1 / len(at)] * len(at)) if len(at) else None


def _of_class(table: Array, rows: Array, at: int | None, beta: float) -> dict[str, Measure | None]:
    if at is None:  # the class neither occurs nor was predicted
        return {"specificity": wilson(float(table.sum()), float(table.sum()), float(rows.sum()))}
    hit, claimed, actual = float(table[at, at]), float(table[:, at].sum()), float(table[at].sum())
    scale = float(rows.sum() / table.sum())
    others = float(table.sum()) - actual
    return {
        "precision": wilson(hit, claimed, claimed * scale),
        "recall": wilson(hit, actual, actual * scale),
        "specificity": wilson(others - (claimed - hit), others, others * scale),
        "f1": f_beta(hit, claimed - hit, actual - hit, 1.0, scale),
        "f_beta": f_beta(hit, claimed - hit, actual - hit, beta, scale),
    }


def f_beta(
    hits: float, false_alarms: float, missed: float, beta: float, scale: float = 1.0
) -> Measure | None:
    """F with recall weighted `beta` times; None when the class neither occurs nor was predicted.

    Given how many rows are hits or errors, hits are binomial, and F1 grows with their share alone: its
    interval is Wilson's for that share. For another beta the errors count with their variance.

    Source: van Rijsbergen (1979), Information Retrieval, ch. 7; Wilson (1927); Takahashi et al. (2022),
    Applied Intelligence 52, 4961, for the delta method that this agrees with.
    """
    square = beta * beta
    errors = square * missed + false_alarms
    if hits + errors <= TINY:
        return None
    ratio = errors / (square * square * missed + false_alarms) if errors > TINY else 1 / max(1.0, square)
    like = errors * ratio  # as many plain errors have the same relative variance
    share = wilson(hits, hits + like, (hits + like) * scale)
    if share is None:
        return None
    return Measure(
        *(_of_share(each, (1 + square) * ratio) for each in (share.value, share.lower, share.upper))
    )


def _of_share(share: float | None, factor: float) -> float:
    share = 0.0 if share is None else share
    return 1.0 if share >= 1 else 1 / (1 + (1 - share) / share / factor) if share > 0 else 0.0


def _mcc(table: Array) -> float:
    """Matthews' correlation for any number of classes; 0 when a margin is constant, as its limit is.

    Source: Gorodkin (2004), Computational Biology and Chemistry 28, 367, eq. 8.
    """
    total, truth, guess = table.sum(), table.sum(axis=1), table.sum(axis=0)
    spread = (total**2 - truth @ truth) * (total**2 - guess @ guess)
    return float((np.trace(table) * total - truth @ guess) / math.sqrt(spread)) if spread > TINY else 0.0


def _classes(table: Array) -> tuple[Array, Array, Array, Array]:
    """Per class: precision, recall and F1, 0 where undefined, and the share of its true rows."""
    hits, truth, guess = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = (hits / guess, hits / truth, 2 * hits / (truth + guess))
    precision, recall, f1 = (np.nan_to_num(part, nan=0.0) for part in parts)
    return precision, recall, f1, truth / truth.sum()


_AVERAGES: dict[str, Callable[[Array], float]] = {
    "precision_macro": lambda table: float(_classes(table)[0].mean()),
    "recall_macro": lambda table: float(_classes(table)[1].mean()),
    "f1_macro": lambda table: float(_classes(table)[2].mean()),
    "precision_weighted": lambda table: float(_classes(table)[0] @ _classes(table)[3]),
    "recall_weighted": lambda table: float(_classes(table)[1] @ _classes(table)[3]),
    "f1_weighted": lambda table: float(_classes(table)[2] @ _classes(table)[3]),
}


def _logit(value: float, deviation: float, rows: float) -> Measure:
    return logit_interval(value, deviation, rows)


def _fisher(value: float, deviation: float, rows: float) -> Measure:
    """A correlation with its interval on Fisher's scale.

    Source: Itaya, Tamura, Hayashi and Yamamoto (2025), Statistics in Medicine 44, e10303.
    """
    if not (-1 < value < 1 and deviation > 0):
        return Measure(value)
    centre, half = math.atanh(value), critical(rows) * deviation / (1 - value * value)
    return Measure(value, math.tanh(centre - half), math.tanh(centre + half))
