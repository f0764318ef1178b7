"""What is usual in a reference: how often its own values are missing, of another type, and such."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from modelspan.drift.quality.rows import RowChecks, bits_of_rows
from modelspan.drift.quality.types import foreign
from modelspan.drift.reference_file import typed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelspan.drift.coded import Values
    from modelspan.drift.feature import Counts, FeatureReference

_SUMS: Final = ("rows", "groups", "compared", "duplicates")
_BY_COLUMN: Final = ("missing", "foreign", "constant")


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFacts:
    """Counts over the rows that chose the bins, at most 20,000; columns with a count of 0 are left out."""

    rows: int
    """Rows that were looked at."""
    missing: Mapping[str, int]
    """Missing values by column."""
    foreign: Mapping[str, int]
    """Values of another type by column, see `types.foreign`."""
    groups: int
    """Groups of rows that were looked at."""
    constant: Mapping[str, int]
    """Groups in which the column holds one value."""
    compared: int
    """Rows that were looked for among others."""
    duplicates: int
    """Those of them that were there."""


def measure(features: Iterable[FeatureReference], columns: Mapping[str, Values]) -> QualityFacts:
    """The facts of rows in random order, by column."""
    by_column = first_features(features)
    of_rows = RowChecks(len(by_column)).add(bits_of_rows(by_column, columns))
    wrong = {column: foreign(each, columns[column]) for column, each in by_column.items()}
    gone = {c: missing(each, each.count(columns[c]), wrong[c]) for c, each in by_column.items()}
    still = dict(zip(by_column, of_rows.constant.tolist(), strict=True))
    rows = len(next(iter(columns.values())))
    return QualityFacts(
        rows=rows, missing=_some(gone), foreign=_some(wrong), groups=of_rows.groups, constant=_some(still),
        compared=of_rows.rows, duplicates=of_rows.duplicates,
    )  # fmt: skip


def _some(counts: Mapping[str, int]) -> dict[str, int]:
    return {column: count for column, count in counts.items() if count}


def first_features(features: Iterable[FeatureReference]) -> dict[str, FeatureReference]:
    """One feature of each column, by column."""
    found: dict[str, FeatureReference] = {}
    for feature in features:
        found.setdefault(feature.column, feature)
    return found


def missing(feature: FeatureReference, counts: Counts, wrong: int) -> int:
    """Values that are missing; by edges, those of a wrong type are counted with them."""
    return int(counts[-1]) - (wrong if feature.ordered else 0)


def facts_document(facts: QualityFacts) -> dict[str, Any]:
    """The facts as they stand in the file."""
    return asdict(facts)


def facts_from(document: dict[str, Any]) -> QualityFacts:
    """The facts from the file.

    Raises:
        KeyError, TypeError, ValueError: If something is not what belongs there.
    """
    sums: dict[str, Any] = {name: _count(document[name], document["rows"]) for name in _SUMS}
    counts: dict[str, Any] = {
        name: {typed(c, str): _count(n, document["rows"]) for c, n in document[name].items()}
        for name in _BY_COLUMN
    }
    return QualityFacts(**sums, **counts)


def _count(value: Any, most: Any) -> int:
    if not 0 <= typed(value, int) <= typed(most, int):
        raise ValueError(f"quality count {value} of {most} rows")
    return int(value)
