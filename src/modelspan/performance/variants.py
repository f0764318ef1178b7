"""Champion and challenger on the same traffic, with a difference that may be looked at any time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from modelspan.performance.measure import Measure, wilson
from modelspan.performance.sums import true_label, true_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelspan.outcome import JoinedRow

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


@dataclass(slots=True)
class Comparison:
    """What is known of two variants over the rows that both of them predicted."""

    pairs: int = 0
    agreed: int = 0
    scores: AnytimeMean = field(default_factory=AnytimeMean)
    """Challenger's score minus champion's, for scores in [0, 1]."""
    better: AnytimeMean = field(default_factory=AnytimeMean)
    """Per row with outcome 1 if only the challenger is right (of values: closer), -1 if the champion."""

    def add(self, champion: JoinedRow, challenger: JoinedRow) -> None:
        """Take in one row that both predicted; its outcome may stand at either."""
        self.pairs += 1
        self.agreed += (champion.label, champion.value) == (challenger.label, challenger.value)
        if all(row.score is not None and 0 <= row.score <= 1 for row in (champion, challenger)):
            self.scores.add((challenger.score or 0.0) - (champion.score or 0.0))
        one, other = _loss(champion), _loss(challenger)
        if one is not None and other is not None:
            self.better.add(float(other < one) - float(one < other))

    @property
    def agreement(self) -> Measure | None:
        """Share of rows with the same answer; None without pairs."""
        return wilson(self.agreed, self.pairs)

    @property
    def verdict(self) -> str:
        """`challenger`, `champion`, or empty while the interval of the difference holds 0."""
        found = self.better.measure()
        if found is None or found.lower is None or found.upper is None:
            return ""
        return "challenger" if found.lower > 0 else "champion" if found.upper < 0 else ""


def compare_variants(rows: Iterable[JoinedRow], champion: str, challenger: str) -> Comparison:
    """Compare two variants of one model over the rows of the same traffic, in order of prediction.

    Rows belong together when they are of one trace (the variants were called within one request) and have the
    same position. A row of one variant alone does not count; of several calls the first one does.
    """
    comparison = Comparison()
    waiting: dict[tuple[str, int], JoinedRow] = {}
    for row in sorted(rows, key=lambda each: each.predicted_ns):
        if row.variant not in (champion, challenger):
            continue
        key = (row.prediction_id.partition("-")[0], row.row)
        other = waiting.setdefault(key, row)
        if other.variant != row.variant:
            first, second = (other, row) if other.variant == champion else (row, other)
            comparison.add(first, second)
            waiting[key] = row  # a third one meets nobody: it is of one of the two variants again
    return comparison


def _loss(row: JoinedRow) -> float | None:
    """0 or 1 of a class, the absolute error of a value; None without outcome."""
    if not row.known:
        return None
    label, value = true_label(row), true_value(row)
    if label is not None:
        return float(label != row.label)
    return abs(value - (row.value or 0.0)) if value is not None else None
