"""Data quality of a whole table: every check against the reference's own rate."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from modelspan.drift.coded import Coded, take
from modelspan.drift.compare import SMALLEST_PSI, compare_all, judge
from modelspan.drift.quality.checks import SAID, TYPE, Check, Checker
from modelspan.drift.samples import PSEUDO_COUNT
from modelspan.drift.sampling import priorities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from modelspan.drift.coded import Values
    from modelspan.drift.feature import Counts, FeatureReference
    from modelspan.drift.quality.facts import QualityFacts
    from modelspan.drift.quality.rows import Bits

_MOST_ROWS: Final = 500
"""Rows of a table that are looked at beside each other."""
_OLD: Final = (
    "The reference is older than data quality: types, constant columns and duplicate rows are not checked; "
    "build it again with: modelspan reference build"
)
_CLUSTER: Final = (
    "Types, constant columns and duplicate rows are not checked in what a cluster counts; compare a sample: "
    "frame.sample(…).toPandas()"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFinding:
    """One check of a table."""

    column: str
    """``(rows)`` for duplicate rows."""
    check: str
    """missing, out_of_range, new_level, type, constant or duplicate."""
    rate: float
    """Share of violating rows, for a constant column of groups of five rows; in [0, 1]."""
    reference_rate: float
    """The same of the reference."""
    rows: int
    """Rows, or groups of rows, that were looked at."""
    p_value: float | None
    """Two-sample test of this check alone; None where the rate did not grow enough to be asked about."""
    psi: float
    violated: bool

    @property
    def said(self) -> str:
        """The finding in words."""
        return quality_said(self.column, self.check, self.rate, self.reference_rate)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def quality_said(column: str, check: str, rate: float, reference_rate: float) -> str:
    """What is wrong, in words: how often it is and how often it was."""
    return f"{column}: {rate:.1%} {SAID[check]}, in the reference {reference_rate:.1%}"


class TableQuality:
    """Counts the checks of a table as its chunks pass.

    Args:
        features: The features of the reference.
        facts: What is usual in it; None leaves checks out (`checks_of`).
    """

    def __init__(self, features: Iterable[FeatureReference], facts: QualityFacts | None) -> None:
        self._checker = Checker(features, facts)
        self._wrong: Counter[str] = Counter()
        self._order: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._rows: Bits = np.empty((0, len(self._checker.columns)), dtype=np.uint64)
        self._known = facts is not None
        self._seen = False

    @property
    def unchecked(self) -> str:
        """Why some checks are off; empty if all are on."""
        if not self._known:
            return _OLD
        return "" if self._seen else _CLUSTER

    def add(self, start: int, rows: int, columns: Mapping[str, Values]) -> None:
        """Look at the rows of a chunk from position `start`: at their types, and keep some of them.

        Those are rows of the lowest priority, in its order, which shares no rhythm with the table's: sorted
        columns do not stand still, and the chunks of a file do not matter.
        """
        self._seen = True
        if not self._known:
            return
        self._wrong.update(self._checker.wrong(columns))
        order = priorities(start, rows)
        some = _lowest(order)
        kept = self._checker.bits({each: _some(columns[each], some) for each in self._checker.columns})
        together = np.append(self._order, order[some])
        first = np.argsort(together)[:_MOST_ROWS]
        self._order, self._rows = together[first], np.concatenate([self._rows, kept])[first]

    def checked(self, counts: Mapping[str, Counts], rate: float) -> list[QualityFinding]:
        """Every check at a false discovery rate, those violated first, then by falling PSI.

        Args:
            counts: Rows per bin, by feature.
            rate: In (0, 1).
        """
        wrong = {column: self._wrong[column] for column in self._checker.columns}
        found = {**self._checker.of_values(counts, wrong), **self._checker.of_rows(self._rows)}
        held = [
            check
            for name, check in self._checker.checks.items()
            if name in found and found[name].sum() and (self._seen or check.kind != TYPE)
        ]
        return _findings(held, [found[check.name] for check in held], rate)


def _lowest(order: NDArray[np.uint64]) -> NDArray[np.intp]:
    """Positions of those rows, and of a few more: a sort of all would cost as much as all comparisons."""
    if order.size <= 2 * _MOST_ROWS:
        return np.arange(order.size)
    # Priorities are so evenly spread that fewer than this many too many or too few are found.
    return np.flatnonzero(order < np.uint64((_MOST_ROWS + 50) * 2**64 // order.size))


def _some(values: Values, rows: NDArray[np.intp]) -> Values:
    return values.some(rows) if isinstance(values, Coded) else take(values, rows)


def _findings(checks: list[Check], counts: list[Counts], rate: float) -> list[QualityFinding]:
    """The verdicts; only checks that may be violated are tested, the others count as p = 1."""
    before, after = np.stack([check.before for check in checks]), np.stack(counts)
    p, q = (side / side.sum(axis=1, keepdims=True) for side in (before + PSEUDO_COUNT, after + PSEUDO_COUNT))
    psi = ((p - q) * np.log(p / q)).sum(axis=1)  # of all at once: `Samples` costs more than counting
    usual, rates = (side[:, 1] / np.maximum(side.sum(axis=1), 1) for side in (before, after))
    asked = np.flatnonzero((psi >= SMALLEST_PSI) & (rates > usual)).tolist()
    drifts = compare_all([checks[at].pair for at in asked], [counts[at] for at in asked], [None] * len(asked))
    judged = dict(zip(asked, judge(drifts, rate * len(asked) / max(len(checks), 1)), strict=True))
    numbers = zip(rates.tolist(), usual.tolist(), after.sum(axis=1).tolist(), psi.tolist(), strict=True)
    findings = [
        QualityFinding(
            column=check.column,
            check=check.kind,
            rate=rate_,
            reference_rate=reference_rate,
            rows=rows,
            p_value=judged[at].p_value if at in judged else None,
            psi=distance,
            violated=at in judged and judged[at].drifted,
        )
        for at, (check, (rate_, reference_rate, rows, distance)) in enumerate(
            zip(checks, numbers, strict=True)
        )
    ]
    return sorted(findings, key=lambda each: (not each.violated, -each.psi))
