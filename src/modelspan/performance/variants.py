"""Champion, challenger and shadow on the same traffic, with a difference that may be looked at any time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from modelspan.performance.anytime import AnytimeMean
from modelspan.performance.matching import Traffic
from modelspan.performance.measure import Measure, wilson
from modelspan.performance.sums import true_label, true_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelspan.outcome import Change, JoinedRow
    from modelspan.performance.matching import Pair

MAX_COMPARISONS: Final = 20
"""Two variants of a model each; pairs of further ones don't count."""


class Roles(NamedTuple):
    """Who is compared with whom."""

    model: str
    champion: str
    champion_version: str
    challenger: str
    challenger_version: str


@dataclass(slots=True)
class Comparison:
    """What is known of two variants over the rows that both of them predicted."""

    pairs: int = 0
    agreed: int = 0
    scores: AnytimeMean = field(default_factory=AnytimeMean)
    """Challenger's score minus champion's, for scores in [0, 1]."""
    better: AnytimeMean = field(default_factory=AnytimeMean)
    """Per row with outcome 1 if only the challenger is right (of values: closer), -1 if the champion."""

    def pair(self, champion: JoinedRow, challenger: JoinedRow) -> None:
        """Take in one row that both predicted."""
        self.pairs += 1
        self.agreed += (champion.label, champion.value) == (challenger.label, challenger.value)
        if all(row.score is not None and 0 <= row.score <= 1 for row in (champion, challenger)):
            self.scores.add((challenger.score or 0.0) - (champion.score or 0.0))

    def settle(self, champion: JoinedRow, challenger: JoinedRow) -> bool:
        """Take in the outcome of such a row; False if it has none, or one of another kind."""
        one, other = _loss(champion), _loss(challenger)
        if one is None or other is None:
            return False
        self.better.add(float(other < one) - float(one < other))
        return True

    @property
    def agreement(self) -> Measure | None:
        """Share of rows with the same answer; None without pairs."""
        return wilson(self.agreed, self.pairs)

    def measures(self) -> dict[str, Measure]:
        """What is defined of agreement, score_difference and performance_difference."""
        found = {
            "agreement": self.agreement,
            "score_difference": self.scores.measure(),
            "performance_difference": self.better.measure(),
        }
        return {name: each for name, each in found.items() if each is not None}

    @property
    def verdict(self) -> str:
        """`challenger`, `champion`, or empty while the interval of the difference holds 0."""
        found = self.better.measure()
        if found is None or found.lower is None or found.upper is None:
            return ""
        return "challenger" if found.lower > 0 else "champion" if found.upper < 0 else ""


def compare_variants(rows: Iterable[JoinedRow], champion: str, challenger: str) -> Comparison:
    """Compare two variants of one model over the rows of the same traffic, in order of prediction.

    `Traffic` says which rows belong together. A row of one variant alone does not count.
    """
    comparison, traffic = Comparison(), Traffic()
    for row in sorted(rows, key=lambda each: each.predicted_ns):
        if row.variant in (champion, challenger):
            pairs, due = traffic.take(row)
            for pair in pairs:
                comparison.pair(*pair.ordered(champion))
            for pair in due:
                comparison.settle(*pair.ordered(champion))
    return comparison


class Comparisons:
    """Every two variants of each model, compared while changes of the store come in.

    An outcome counts when it is first known; the interval can't take back what was seen, so a correction
    leaves it as it is.
    """

    def __init__(self) -> None:
        self.traffic = Traffic()
        self.found: dict[Roles, Comparison] = {}

    def take(self, change: Change) -> None:
        """Take in the next change, in commit order."""
        pairs, due = self.traffic.take(change.after, new=change.before is None)
        for pair in pairs:
            found = self._of(pair)
            if found is not None:
                found[0].pair(*found[1])
        for pair in due:
            found = self._of(pair)
            if found is not None:
                found[0].settle(*found[1])

    def _of(self, pair: Pair) -> tuple[Comparison, tuple[JoinedRow, JoinedRow]] | None:
        """The comparison of a pair, and its rows, the champion's first; None when there are too many."""
        champion = min((pair.first.row.variant, pair.second.row.variant), key=_rank)
        one, other = pair.ordered(champion)
        roles = Roles(one.model, one.variant, one.version, other.variant, other.version)
        if roles not in self.found and len(self.found) >= MAX_COMPARISONS:
            return None
        return self.found.setdefault(roles, Comparison()), (one, other)


def _rank(variant: str) -> tuple[bool, bool, str]:
    """The champion of two: the one of that name, else the one without a name, else the first by name."""
    return variant != "champion", variant != "", variant


def _loss(row: JoinedRow) -> float | None:
    """0 or 1 of a class, the absolute error of a value; None without outcome."""
    if not row.known:
        return None
    label, value = true_label(row), true_value(row)
    if label is not None:
        return float(label != row.label)
    return abs(value - (row.value or 0.0)) if value is not None else None
