"""The checks of a reference: each a pair of counts, right and violating rows, beside the reference's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from modelspan.drift.feature import FeatureReference
from modelspan.drift.quality.facts import QualityFacts, first_features, missing
from modelspan.drift.quality.rows import Bits, RowChecks, RowCounts, bits_of_rows
from modelspan.drift.quality.types import foreign

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelspan.drift.coded import Values
    from modelspan.drift.feature import Counts

MISSING: Final = "missing"
OUT_OF_RANGE: Final = "out_of_range"
NEW_LEVEL: Final = "new_level"
TYPE: Final = "type"
CONSTANT: Final = "constant"
DUPLICATE: Final = "duplicate"
SAID: Final = {
    MISSING: "missing",
    OUT_OF_RANGE: "out of range",
    NEW_LEVEL: "new or rare levels",
    TYPE: "of another type",
    CONSTANT: "of groups of 5 rows constant",
    DUPLICATE: "seen before",
}
"""What the violating share is, as people read it."""
ALL_ROWS: Final = "(rows)"
"""Stands for a column where whole rows are checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of one column."""

    column: str
    kind: str
    """One of `SAID`."""
    before: Counts
    """Right and violating rows of the reference, shape ``(2,)``."""
    flipped: bool = False
    """Whether most of the reference is of "another" type, as numbers that are categories: then those are
    right."""

    @property
    def name(self) -> str:
        """What no other check of the reference is called."""
        return f"{self.kind} {self.column}"

    @property
    def pair(self) -> FeatureReference:
        """The reference's rows as a feature of two bins, so that drift's rules judge it."""
        return FeatureReference(
            name=self.name,
            kind="categorical",
            edges=np.empty(0),
            levels=(),
            labels=("right", self.kind),
            counts=self.before,
        )

    @property
    def of_rows(self) -> bool:
        """Whether rows are looked at beside each other, not one by one."""
        return self.kind in (CONSTANT, DUPLICATE)

    def counts(self, violating: int, of: int) -> Counts:
        """Right and violating rows, shape ``(2,)``."""
        return np.array([of - violating, violating], dtype=np.int64)


def share(counts: Counts) -> float:
    """Violating rows over all; 0 of none."""
    right, violating = counts.tolist()
    return float(violating / max(right + violating, 1))


def grew(before: Counts, after: Counts) -> bool:
    """Whether violating rows are more frequent than in the reference: fewer are no violation."""
    return share(after) > share(before)


def _check(column: str, kind: str, violating: int, of: int, *, flipped: bool = False) -> Check:
    return Check(column=column, kind=kind, before=np.array([of - violating, violating]), flipped=flipped)


def checks_of(features: Iterable[FeatureReference], facts: QualityFacts | None) -> list[Check]:
    """The checks that a reference can be asked for.

    Without facts (a reference of an earlier version) type, constant and duplicate rows are left out, and so
    are duplicates where the reference is of fewer than 400 rows.
    """
    found = [
        each for c, feature in first_features(features).items() for each in _of_column(c, feature, facts)
    ]
    if facts is not None and facts.compared:
        found.append(_check(ALL_ROWS, DUPLICATE, facts.duplicates, facts.compared))
    return found


def _of_column(column: str, feature: FeatureReference, facts: QualityFacts | None) -> list[Check]:
    gone, rows = missing_counts(column, feature, facts)
    found = [_check(column, MISSING, gone, rows)]
    total = int(feature.counts.sum())
    if has_range(feature):
        found.append(_check(column, OUT_OF_RANGE, outside(feature.counts), total))
    if feature.kind == "categorical":
        found.append(_check(column, NEW_LEVEL, int(feature.counts[-2]), total))
    if facts is not None:
        wrong = facts.foreign.get(column, 0)
        flipped = 2 * wrong > rows - gone
        violating = rows - gone - wrong if flipped else wrong
        found.append(_check(column, TYPE, violating, rows, flipped=flipped))
        if facts.groups and feature.kind != "embedding":
            found.append(_check(column, CONSTANT, facts.constant.get(column, 0), facts.groups))
    return found


def missing_counts(column: str, feature: FeatureReference, facts: QualityFacts | None) -> tuple[int, int]:
    """Missing values of the reference, and of how many."""
    if facts is None:
        return int(feature.counts[-1]), int(feature.counts.sum())
    return facts.missing.get(column, 0), facts.rows


def has_range(feature: FeatureReference) -> bool:
    """Whether there are bins for what is out of range."""
    return feature.kind in ("numeric", "integer") and feature.edges.size > 1


def outside(counts: Counts) -> int:
    """Rows in the first and the last bin of a column with a range."""
    return int(counts[0] + counts[-2])


class Checker:
    """Counts the violations of a stream, for one model or one table.

    Args:
        features: The features of the reference.
        facts: What is usual in it; None leaves checks out (`checks_of`).
    """

    def __init__(self, features: Iterable[FeatureReference], facts: QualityFacts | None) -> None:
        held = list(features)
        self._features = first_features(held)
        self.checks = {each.name: each for each in checks_of(held, facts)}
        self._rows = RowChecks(len(self._features)) if facts is not None else None

    @property
    def columns(self) -> Mapping[str, FeatureReference]:
        """One feature of each column, by column."""
        return self._features

    def of_values(self, counts: Mapping[str, Counts], wrong: Mapping[str, int]) -> dict[str, Counts]:
        """Counts of the checks of single values, by check.

        Args:
            counts: Rows per bin, by feature.
            wrong: Values of another type (`wrong`), by column.
        """
        sums = {column: sum(counts[each.name].tolist()) for column, each in self._features.items()}
        found = {
            check.name: (
                self._violating(check, counts[self._features[check.column].name], wrong[check.column]),
                sums[check.column],
            )
            for check in self.checks.values()
            if not check.of_rows
        }
        return {name: self.checks[name].counts(*pair) for name, pair in found.items()}

    def violates(self, check: Check, values: Values) -> bool:
        """Whether any of the values violates the check, one of single values."""
        feature = self._features[check.column]
        wrong = foreign(feature, values) if self._rows is not None else 0
        return self._violating(check, feature.count(values), wrong) > 0

    def _violating(self, check: Check, new: Counts, of_type: int) -> int:
        """Violating rows among those of so many values per bin."""
        feature = self._features[check.column]
        if check.kind == OUT_OF_RANGE:
            return outside(new)
        if check.kind == NEW_LEVEL:
            return int(new[-2])
        gone = missing(feature, new, of_type)
        if check.kind == MISSING:
            return gone
        return sum(new.tolist()) - gone - of_type if check.flipped else of_type

    def bits(self, values: Mapping[str, Values]) -> Bits:
        """Rows as `of_rows` takes them, from values of equal length by column."""
        return bits_of_rows(self._features, values)

    def wrong(self, values: Mapping[str, Values]) -> dict[str, int]:
        """Values of another type, by column; 0 where types are not checked."""
        if self._rows is None:
            return dict.fromkeys(self._features, 0)
        return {column: foreign(each, values[column]) for column, each in self._features.items()}

    def of_rows(self, bits: Bits) -> dict[str, Counts]:
        """Counts of the checks of rows beside each other, by check; of the next rows as `bits` gives them."""
        if self._rows is None:
            return {}
        found = self._rows.add(bits)
        still = dict(zip(self._features, found.constant.tolist(), strict=True))
        return {c.name: c.counts(*_of(c, found, still)) for c in self.checks.values() if c.of_rows}


def _of(check: Check, found: RowCounts, still: Mapping[str, int]) -> tuple[int, int]:
    if check.kind == DUPLICATE:
        return found.duplicates, found.rows
    return still[check.column], found.groups
