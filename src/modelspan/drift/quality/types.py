"""Values of another type than the column's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from modelspan.drift.coded import Coded, Values, plain
from modelspan.drift.kinds import what_is
from modelspan.drift.parts import UNREADABLE, seconds, vectors

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelspan.drift.feature import FeatureReference

_RIGHT: Final = {
    "numeric": {"number", "bool"},
    "integer": {"number", "bool"},
    "boolean": {"number", "bool"},
    "categorical": {"text", "bool"},
    "text": {"text"},
}
_NUMBERS: Final = frozenset((int, float, bool, type(None)))
_TEXTS: Final = frozenset((str, type(None)))
_PLAIN: Final = {
    **dict.fromkeys(("numeric", "integer", "boolean"), _NUMBERS),
    **dict.fromkeys(("categorical", "text"), _TEXTS),
}


def foreign(feature: FeatureReference, values: Values) -> int:
    """How many values are neither missing nor of the type that the kind of the feature is made of.

    Numbers for numeric, integer and boolean (bools are numbers), text for categorical and text, dates or
    ISO 8601 text for datetime, vectors of the right length for embedding. No code of a value's type runs.
    """
    if feature.kind == "datetime":
        return int(np.count_nonzero(seconds(values) == UNREADABLE))
    if feature.kind == "embedding":
        return _no_vectors(values, feature.dimension)
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub" and values.ndim == 1:
        return 0 if "number" in _RIGHT[feature.kind] else int(np.count_nonzero(values == values))  # noqa: PLR0124 - NaN
    types = values.types if isinstance(values, Coded) else map(type, plain(values))
    if _PLAIN[feature.kind].issuperset(types):
        return 0
    items = values.levels if isinstance(values, Coded) else plain(values)
    wrong = [*map(_wrong(feature.kind), items), False]
    return int(np.count_nonzero(np.array(wrong)[values.codes])) if isinstance(values, Coded) else sum(wrong)


def _wrong(kind: str) -> Callable[[Any], bool]:
    right = _RIGHT[kind] | {"missing"}
    return lambda value: what_is(value) not in right


def _no_vectors(values: Values, dimension: int) -> int:
    """Values that are there and are no vectors of so many numbers."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu" and values.shape[1:] == (dimension,):
        return 0
    unread = np.flatnonzero(np.isnan(vectors(values, dimension)).all(axis=1)).tolist()
    items = plain(values)
    return sum(what_is(items[row]) != "missing" for row in unread)
